/* churn: makes code, runs it until it is hot and writes other code over it, for ever, as a JavaScript engine does.
 *
 * Functions live in slots of an arena that can be written and executed. Work goes on in a window of it, which is filled a few
 * times over before the next one is; what is still in use is left out, so that a page soon holds functions that are long
 * compiled beside such as were just written. An eighth of the functions is kept and called again and again; of those, some
 * have a word of data in the page of their code that is written now and then. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "soak.h"

enum {
    ARENA_BYTES = 16 << 20,
    SLOTS = ARENA_BYTES / MOST_BYTES,
    WINDOW = 2048,
    /* How often a window is filled before the next one is. */
    ROUNDS = 3,
    /* Functions that are kept. */
    KEPT = 2048,
    /* One function in so many is kept, has data, calls another, and is slow to work out. */
    KEPT_OF = 8,
    DATA_OF = 8,
    CALLS_OF = 2,
    SLOW_OF = 16,
    /* Kept functions that are called after each new one. */
    CALLS = 4,
};

/* The functions by slot; a kept one that others call must not go before them, so kept functions call only elder ones and go
 * in the order in which they came, which `uses` sees to. */
static struct recipe recipes[SLOTS];
static uint32_t uses[SLOTS];
static uint32_t kept[KEPT];
static uint8_t *arena;

/* A kept one out of those there are. */
static uint32_t any(uint64_t iteration)
{
    const uint64_t there = iteration / KEPT_OF;
    return kept[below(there < KEPT ? (uint32_t)there : KEPT)];
}

static uint32_t slot_of(const struct recipe *recipe) { return (uint32_t)(recipe - recipes); }

/* A use ends: that of the function itself, and if it was the last one, its use of its callee. */
static void release(uint32_t slot)
{
    while (--uses[slot] == 0 && recipes[slot].callee)
        slot = slot_of(recipes[slot].callee);
}

static uint32_t next_free_slot(void)
{
    static uint32_t window, at, round;
    for (;;) {
        if (at == WINDOW) {
            at = 0;
            if (++round == ROUNDS) {
                round = 0;
                window = (window + WINDOW) % SLOTS;
            }
        }
        const uint32_t slot = window + at++;
        if (uses[slot] == 0)
            return slot;
    }
}

static void check(uint32_t slot, uint64_t loops, const char *when)
{
    const struct recipe *recipe = &recipes[slot];
    const uint64_t x = next_random();
    const uint64_t found = ((function)(void *)(arena + (size_t)slot * MOST_BYTES))(x, loops);
    const uint64_t right = expected(recipe, x, loops);
    if (found != right)
        failed("%s function in slot %u gave %016llx for %016llx after %llu loops, should be %016llx", when, slot,
               (unsigned long long)found, (unsigned long long)x, (unsigned long long)loops, (unsigned long long)right);
}

static uint32_t make(const struct recipe *callee, int plain, int has_data)
{
    const uint32_t slot = next_free_slot();
    uint8_t *code = arena + (size_t)slot * MOST_BYTES;
    recipes[slot] = invent(plain, has_data, callee);
    const size_t bytes = emit(&recipes[slot], code);
    __builtin___clear_cache((char *)code, (char *)code + bytes);
    uses[slot] = 1;
    if (callee)
        uses[slot_of(callee)]++;
    return slot;
}

int main(int argc, char **argv)
{
    const struct options wanted = options(argc, argv);
    arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        failed("there is no memory for code");
    /* All of it at once: what grows later is not the guest. */
    memset(arena, 0, ARENA_BYTES);

    for (uint64_t i = 0; wanted.iterations == 0 || i < wanted.iterations; i++) {
        const struct recipe *callee = NULL;
        if (i >= KEPT_OF && below(CALLS_OF) == 0) {
            callee = &recipes[any(i)];
            if (callee->depth == MOST_DEPTH)
                callee = NULL;
        }
        const uint32_t slot = make(callee, below(SLOW_OF) != 0, below(DATA_OF) == 0);
        check(slot, wanted.loops, "a new");
        for (int n = 0; n < CALLS && i >= KEPT_OF; n++) {
            struct recipe *other = &recipes[any(i)];
            if (other->has_data && below(4) == 0)
                *(volatile uint64_t *)other->word = other->data = next_random();
            check(slot_of(other), 1 + below(100), "a kept");
        }
        if (i % KEPT_OF == KEPT_OF - 1) {
            const uint64_t number = i / KEPT_OF;
            if (number >= KEPT)
                release(kept[number % KEPT]);
            kept[number % KEPT] = slot;
        } else {
            release(slot);
        }
        progress(i + 1);
    }
    return 0;
}
