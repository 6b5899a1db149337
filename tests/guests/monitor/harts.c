/* Starts every other hart through SBI HSM, lets it count a little, and stops it again. */
#include "monitor.h"

enum { HSM_START = 0, HSM_STOP = 1, HSM_STATUS = 2 };
enum { STOPPED = 1 };

#define TURNS 100000

extern const char secondary_start[];

static uint8_t stacks[HARTS_MAX][8192] __attribute__((aligned(16)));
static volatile uint64_t total;

/* start.S comes here on a hart that was started. */
void secondary_main(uint64_t hart_id)
{
    struct hart *hart = this_hart();
    hart->id = hart_id;
    for (uint64_t i = 0; i < TURNS; i++)
        __atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
    hart->result = TURNS;
    __asm__ volatile("fence rw, rw");
    sbi_call(SBI_HSM, HSM_STOP, 0, 0, 0);
}

static uint64_t status_of(uint64_t id)
{
    struct sbi_result result = sbi_call(SBI_HSM, HSM_STATUS, id, 0, 0);
    return result.error ? UINT64_MAX : result.value;
}

/* Waits until the hart has stopped, at most two seconds. */
static bool wait_stopped(uint64_t id)
{
    uint64_t end = csr_read(time) + 2ul * board.timebase;
    while (status_of(id) != STOPPED)
        if (csr_read(time) > end)
            return false;
    return true;
}

bool command_harts(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return false;
    uint64_t started = 0, me = this_hart()->id, ids[HARTS_MAX];
    total = 0;
    print("hart %lu: this one\n", me);
    /* harts[0] is this hart's, whatever its number; the others take the rest in turn. */
    for (uint64_t id = 0; id < HARTS_MAX && started + 1 < HARTS_MAX; id++) {
        if (id == me || status_of(id) == UINT64_MAX)
            continue;
        struct hart *hart = &harts[started + 1];
        *hart = (struct hart){.stack = (uint64_t)stacks[started + 1] + sizeof stacks[0]};
        struct sbi_result result = sbi_call(SBI_HSM, HSM_START, id, (uint64_t)secondary_start, (uint64_t)hart);
        if (result.error)
            print("hart %lu: could not be started, SBI error %ld\n", id, result.error);
        else
            ids[++started] = id;
    }
    /* All of them are counting by now, at the same time. */
    for (uint64_t i = 1; i <= started; i++) {
        bool stopped = wait_stopped(ids[i]);
        print("hart %lu: %s, said it was hart %lu and counted %lu\n", ids[i],
              stopped ? "started and stopped" : "started, but did not stop", harts[i].id, harts[i].result);
    }
    print("HARTS %lu started, total %lu, %s\n", started, total, total == started * TURNS ? "as expected" : "WRONG");
    return true;
}
