/* What the monitor's files share: the board, one hart's state, control registers, and who offers what. */
#ifndef MONITOR_H
#define MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* ---- the board: the memory map of QEMU's `virt` ---- */
#define UART_BASE 0x10000000ul
#define UART_IRQ  10
#define PLIC_BASE 0x0c000000ul
#define HARTS_MAX 8

/* What the device tree says, filled in by fdt_read. */
struct board {
    const char *model, *isa, *mmu, *bootargs;
    uint64_t ram_base, ram_size;
    uint32_t timebase; /* ticks of the time register in a second */
    uint32_t cpus;
    uint64_t fdt, fdt_size;
};
extern struct board board;
bool fdt_read(uint64_t address);

/* ---- harts and traps ---- */
struct hart {
    uint64_t stack; /* used by start.S: first */
    uint64_t probe; /* used by trap.S: second. Frame of the inmost probe, or 0 */
    uint64_t id;
    struct {
        uint64_t cause, value, pc;
    } trap; /* the last trap that ended a probe */
    volatile uint64_t timer_interrupts, software_interrupts;
    volatile uint64_t result; /* what a hart started by `harts` has computed */
};
extern struct hart harts[HARTS_MAX];

static inline struct hart *this_hart(void)
{
    struct hart *hart;
    __asm__ volatile("mv %0, tp" : "=r"(hart));
    return hart;
}

enum {
    CAUSE_FETCH_ACCESS = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3, CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5, CAUSE_STORE_MISALIGNED = 6, CAUSE_STORE_ACCESS = 7, CAUSE_USER_ECALL = 8,
    CAUSE_FETCH_PAGE = 12, CAUSE_LOAD_PAGE = 13, CAUSE_STORE_PAGE = 15,
    CAUSE_ABORTED = 64, /* not the hardware's: control-C ended the command */
};

/* Calls `function`; true when a trap ended it, described then in this_hart()->trap. Probes nest. */
int probe(void (*function)(void *), void *argument);
void trap_print(void);
void user_run(uint64_t pc, uint64_t argument) __attribute__((noreturn));
extern const char user_code[], user_code_end[];

/* ---- control and status registers ---- */
#define csr_read(csr) ({ uint64_t v_; __asm__ volatile("csrr %0, " #csr : "=r"(v_)::"memory"); v_; })
#define csr_write(csr, v) __asm__ volatile("csrw " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")
#define csr_set(csr, v) __asm__ volatile("csrs " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")
#define csr_clear(csr, v) __asm__ volatile("csrc " #csr ", %0" ::"r"((uint64_t)(v)) : "memory")

#define SSTATUS_SIE (1ul << 1)
#define SSTATUS_SPP (1ul << 8)
#define SSTATUS_FS (3ul << 13)
#define SSTATUS_SUM (1ul << 18)
#define SSTATUS_MXR (1ul << 19)
#define SIE_SOFTWARE (1ul << 1)
#define SIE_TIMER (1ul << 5)
#define SIE_EXTERNAL (1ul << 9)

/* ---- SBI ---- */
struct sbi_result {
    int64_t error;
    uint64_t value;
};
enum {
    SBI_BASE = 0x10, SBI_TIME = 0x54494d45, SBI_IPI = 0x735049, SBI_RFENCE = 0x52464e43, SBI_HSM = 0x48534d,
    SBI_SRST = 0x53525354, SBI_DBCN = 0x4442434e,
};
struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1, uint64_t a2);
bool sbi_has(uint64_t extension);
void sbi_set_timer(uint64_t when);

/* ---- console (console.c) and its UART (uart.c) ---- */
void uart_start(void);
void uart_interrupt(void);
void uart_write(char c);
char uart_read(void); /* waits, in WFI */
extern volatile bool command_running; /* control-C then ends the command instead of being read */

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reads an edited line without its end; false when control-C threw it away. */
bool read_line(char *line, size_t size);

/* ---- strings (string.c) ---- */
bool equal(const char *a, const char *b);
bool starts_with(const char *s, const char *prefix);
bool parse_number(const char *s, uint64_t *value);

/* ---- commands: each returns false to have its usage shown ---- */
bool command_peek(int argc, char **argv);
bool command_poke(int argc, char **argv);
bool command_dump(int argc, char **argv);
bool command_mandel(int argc, char **argv);
bool command_bench(int argc, char **argv);
bool command_selftest(int argc, char **argv);
bool command_harts(int argc, char **argv);
bool command_info(int argc, char **argv);

/* ---- self-test ---- */
bool check(bool passed, const char *what); /* counts and prints one line; gives `passed` back */
void note(const char *what); /* a line about something this machine does not have */
bool traps_with(void (*function)(void *), void *argument, uint64_t cause, uint64_t value);
void selftest_traps(void);
void selftest_paging(void);
void selftest_timer(void);

#endif
