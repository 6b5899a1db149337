/* Self-test: exceptions that need no paging. */
#include "monitor.h"

/* Between the CLINT and the PLIC, where this board has nothing. */
#define NOTHING 0x08000000ul

static void nothing(void *argument)
{
    (void)argument;
}

static void illegal(void *argument)
{
    (void)argument;
    __asm__ volatile(".half 0"); /* all zeros is illegal by definition */
}

static void illegal_csr(void *argument)
{
    (void)argument;
    __asm__ volatile("csrr t0, mstatus" ::: "t0");
}

static void read_only_csr(void *argument)
{
    (void)argument;
    __asm__ volatile("csrw 0xc01, zero"); /* time */
}

static void float_switched_off(void *argument)
{
    (void)argument;
    csr_clear(sstatus, SSTATUS_FS); /* the end of the probe switches it on again */
    __asm__ volatile("fadd.d ft0, ft0, ft0" ::: "ft0");
}

static void breakpoint(void *argument)
{
    (void)argument;
    __asm__ volatile(".option push\n.option norvc\nebreak\n.option pop");
}

static void load(void *address)
{
    (void)*(volatile uint64_t *)address;
}

static void store(void *address)
{
    *(volatile uint64_t *)address = 1;
}

static void call(void *address)
{
    ((void (*)(void))address)();
}

static void atomic_add(void *address)
{
    __asm__ volatile("amoadd.d zero, %1, (%0)" ::"r"(address), "r"(1ul) : "memory");
}

static bool traps(void (*function)(void *), uint64_t cause)
{
    return probe(function, NULL) && this_hart()->trap.cause == cause;
}

/* A load and a store across an 8-byte boundary work, in hardware or by the firmware's help. */
static bool misaligned_works(void)
{
    static volatile uint64_t memory[2];
    memory[0] = 0x1122334455667788;
    memory[1] = 0x99aabbccddeeff00;
    volatile uint64_t *across = (volatile uint64_t *)((uint64_t)memory + 3);
    if (*across != 0xeeff001122334455)
        return false;
    *across = 0x0102030405060708;
    return memory[0] == 0x0405060708667788 && memory[1] == 0x99aabbccdd010203;
}

void selftest_traps(void)
{
    static uint64_t aligned[2];
    const struct hart *hart = this_hart();
    check(!probe(nothing, NULL), "a function that does not trap");

    check(traps(illegal, CAUSE_ILLEGAL) && (hart->trap.value == 0), "illegal instruction");
    check(traps(illegal_csr, CAUSE_ILLEGAL), "machine-mode register from supervisor mode");
    check(traps(read_only_csr, CAUSE_ILLEGAL), "write to a read-only register");
    check(traps(float_switched_off, CAUSE_ILLEGAL), "floating point while it is switched off");

    bool broke = traps(breakpoint, CAUSE_BREAKPOINT);
    check(broke && (hart->trap.value == 0 || hart->trap.value == hart->trap.pc), "breakpoint");
    check(*(uint32_t *)hart->trap.pc == 0x00100073, "sepc is the breakpoint's own address");
    check(sbi_call(SBI_BASE, 0, 0, 0, 0).error == 0, "ecall reaches the firmware");
    check(sbi_call(0x0badcafe, 0, 0, 0, 0).error == -2, "an unknown SBI extension is refused");

    check(misaligned_works(), "misaligned load and store");
    /* The specification allows both of the store's exceptions; QEMU with one hart reports the load's. */
    bool trapped = probe(atomic_add, (char *)aligned + 4);
    uint64_t cause = hart->trap.cause;
    check(trapped && (cause == CAUSE_STORE_MISALIGNED || cause == CAUSE_STORE_ACCESS || cause == CAUSE_LOAD_MISALIGNED),
          "misaligned atomic");
    check(traps_with(load, (void *)NOTHING, CAUSE_LOAD_ACCESS, NOTHING), "load access fault");
    check(traps_with(store, (void *)NOTHING, CAUSE_STORE_ACCESS, NOTHING), "store access fault");
    check(traps_with(call, (void *)NOTHING, CAUSE_FETCH_ACCESS, NOTHING), "fetch access fault");
}
