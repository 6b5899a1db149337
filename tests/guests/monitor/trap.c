/* What to do with a trap: interrupts are served, exceptions end the inmost probe. */
#include "monitor.h"

/* As trap.S lays it out. */
struct trap_frame {
    uint64_t pc;
    uint64_t ra, sp, x3_to_x31[29];
    uint64_t status;
    uint64_t floats[20];
    uint64_t padding; /* keeps the stack aligned to 16 bytes */
};
_Static_assert(sizeof(struct trap_frame) == 432, "FRAME in trap.S");

#define PROBE_OUTER 25 /* slot of a probe's frame that holds the next outer one */

extern const char probe_trapped[];
bool uart_aborted(void);

/* Makes the trap return to the end of a probe instead of to where it happened. */
static void end_probe(struct trap_frame *frame, uint64_t probe_frame, uint64_t cause, uint64_t value)
{
    struct hart *hart = this_hart();
    hart->trap.cause = cause;
    hart->trap.value = value;
    hart->trap.pc = frame->pc;
    frame->pc = (uint64_t)probe_trapped;
    frame->sp = probe_frame;
    frame->status |= SSTATUS_SPP | SSTATUS_FS; /* the probe's end is supervisor code and uses floating point */
}

/* Control-C ends the whole command: the outermost probe, which is the shell's. */
static void abort_command(struct trap_frame *frame)
{
    const uint64_t *at = (const uint64_t *)this_hart()->probe;
    if (!at)
        return;
    while (at[PROBE_OUTER])
        at = (const uint64_t *)at[PROBE_OUTER];
    end_probe(frame, (uint64_t)at, CAUSE_ABORTED, 0);
}

static void interrupt(struct trap_frame *frame, uint64_t number)
{
    struct hart *hart = this_hart();
    switch (number) {
    case 1: /* software: another hart, or we ourselves, asked through SBI */
        csr_clear(sip, SIE_SOFTWARE);
        hart->software_interrupts++;
        break;
    case 5: /* timer: one alarm, one interrupt */
        sbi_set_timer(UINT64_MAX);
        hart->timer_interrupts++;
        break;
    case 9:
        uart_interrupt();
        if (uart_aborted())
            abort_command(frame);
        break;
    }
}

void trap_handle(struct trap_frame *frame)
{
    struct hart *hart = this_hart();
    uint64_t cause = csr_read(scause), value = csr_read(stval);
    if (cause >> 63) {
        interrupt(frame, cause & 0xff);
    } else if (hart->probe) {
        end_probe(frame, hart->probe, cause, value);
    } else {
        print("\nhart %lu: trap outside any command: cause %lu, value 0x%lx, pc 0x%lx\n", hart->id, cause, value,
              frame->pc);
        for (;;)
            __asm__ volatile("wfi");
    }
}

void trap_print(void)
{
    static const char *const names[16] = {
        "misaligned fetch", "fetch access fault", "illegal instruction", "breakpoint",
        "misaligned load", "load access fault", "misaligned store", "store access fault",
        "system call from user mode", "system call", NULL, NULL,
        "fetch page fault", "load page fault", NULL, "store page fault",
    };
    const struct hart *hart = this_hart();
    if (hart->trap.cause == CAUSE_ABORTED) {
        print("^C\n");
        return;
    }
    const char *name = hart->trap.cause < 16 ? names[hart->trap.cause] : NULL;
    print("trap: %s (cause %lu), value 0x%lx, at pc 0x%lx\n", name ? name : "unknown", hart->trap.cause,
          hart->trap.value, hart->trap.pc);
}
