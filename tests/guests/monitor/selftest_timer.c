/* Self-test: timer and software interrupts, and WFI. */
#include "monitor.h"

static uint64_t now(void)
{
    return csr_read(time);
}

/* Sleeps in WFI until the counter moves on or `limit` ticks are over. The limit needs no interrupt: WFI may also return
 * for nothing, and a timer that never fires shows as a hang, which the test's reader ends with control-C. */
static bool wait_for(const volatile uint64_t *counter, uint64_t before, uint64_t limit)
{
    uint64_t end = now() + limit;
    while (*counter == before) {
        if (now() > end)
            return false;
        csr_clear(sstatus, SSTATUS_SIE);
        if (*counter == before)
            __asm__ volatile("wfi");
        csr_set(sstatus, SSTATUS_SIE);
    }
    return true;
}

static void set_stimecmp(void *when)
{
    csr_write(0x14d, (uint64_t)when);
}

static void test_stimecmp(void)
{
    struct hart *hart = this_hart();
    uint64_t before = hart->timer_interrupts, due = now() + board.timebase / 50;
    if (probe(set_stimecmp, (void *)due)) {
        check(hart->trap.cause == CAUSE_ILLEGAL, "stimecmp is not there and traps");
        return;
    }
    check(csr_read(0x14d) == due, "stimecmp keeps its value");
    bool arrived = wait_for(&hart->timer_interrupts, before, board.timebase);
    check(arrived && now() >= due, "stimecmp: the interrupt comes, and not early");
}

void selftest_timer(void)
{
    struct hart *hart = this_hart();
    uint64_t start = now();
    for (uint64_t i = 0; i < 10000 && now() == start; i++)
        ;
    check(now() > start, "time goes on");
    uint64_t instructions = csr_read(instret);
    check(csr_read(instret) > instructions, "instret counts");

    sbi_set_timer(UINT64_MAX);
    csr_set(sie, SIE_TIMER | SIE_SOFTWARE);
    uint64_t before = hart->timer_interrupts, due = now() + board.timebase / 50;
    sbi_set_timer(due);
    check(hart->timer_interrupts == before, "no timer interrupt before its time");
    bool arrived = wait_for(&hart->timer_interrupts, before, board.timebase);
    check(arrived && now() >= due, "SBI timer: the interrupt comes, and not early");
    check(hart->timer_interrupts == before + 1, "exactly one of them");

    csr_clear(sie, SIE_TIMER);
    sbi_set_timer(0);
    for (uint64_t end = now() + board.timebase / 1000; now() < end && !(csr_read(sip) & SIE_TIMER);)
        ;
    check((csr_read(sip) & SIE_TIMER) && hart->timer_interrupts == before + 1, "a masked timer interrupt stays pending");
    sbi_set_timer(UINT64_MAX);
    check(!(csr_read(sip) & SIE_TIMER), "a later time withdraws it");
    csr_set(sie, SIE_TIMER);
    test_stimecmp();

    before = hart->software_interrupts;
    sbi_call(SBI_IPI, 0, 1, hart->id, 0);
    check(wait_for(&hart->software_interrupts, before, board.timebase), "an SBI IPI to ourselves arrives");
    csr_clear(sie, SIE_TIMER | SIE_SOFTWARE);
}
