/* The self-test: runs each group and sums up in one line, which scripts wait for. */
#include "monitor.h"

static unsigned passed_count, failed_count;

bool check(bool passed, const char *what)
{
    print("  %s %s\n", passed ? "ok  " : "FAIL", what);
    if (passed)
        passed_count++;
    else
        failed_count++;
    return passed;
}

void note(const char *what)
{
    print("  --   %s\n", what);
}

/* Whether the function traps, with that cause and that value. */
bool traps_with(void (*function)(void *), void *argument, uint64_t cause, uint64_t value)
{
    const struct hart *hart = this_hart();
    if (!probe(function, argument)) {
        print("       (no trap, wanted cause %lu)\n", cause);
        return false;
    }
    if (hart->trap.cause == cause && hart->trap.value == value)
        return true;
    print("       (cause %lu, value 0x%lx; wanted cause %lu, value 0x%lx)\n", hart->trap.cause, hart->trap.value, cause,
          value);
    return false;
}

bool command_selftest(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return false;
    passed_count = failed_count = 0;
    print("traps\n");
    selftest_traps();
    print("timers\n");
    selftest_timer();
    selftest_paging();
    print("%u passed, %u failed\n", passed_count, failed_count);
    print(failed_count ? "SELFTEST FAILED\n" : "SELFTEST OK\n");
    return true;
}
