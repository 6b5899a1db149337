/* The benchmark kernels: what each one offers and what each may use.
 *
 * A kernel does a fixed amount of work and returns a checksum of it, the same on every machine; a wrong one means the
 * machine computed wrongly. The portable kernels need no C library, so the monitor (tests/guests/monitor) runs the same
 * files on the bare board. Each takes about 0.1 to 0.5 s on a 3 GHz core. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

struct kernel {
    const char *name;
    const char *about;
    uint64_t (*run)(void);
};

/* Ends with an entry whose name is NULL. */
extern const struct kernel portable_kernels[];

/* Scratch memory, 16-byte aligned, contents undefined; the same block at each call. The host of the kernels provides it. */
#define SCRATCH_BYTES (24u << 20)
void *scratch(void);

uint64_t bench_int(void);
uint64_t bench_i64(void);
uint64_t bench_sha256(void);
uint64_t bench_sort(void);
uint64_t bench_matmul(void);
uint64_t bench_sieve(void);
uint64_t bench_chase(void);
uint64_t bench_bytecode(void);
uint64_t bench_fib(void);
uint64_t bench_str(void);

/* Linux only: see linux.c. */
uint64_t bench_fault(void);
uint64_t bench_syscall(void);
uint64_t bench_wide(void);
uint64_t bench_switch(void);

/* xorshift64*: the kernels' source of numbers. The state must not be zero. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

/* Mixes one value into a checksum, so that order matters. */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    sum ^= value;
    sum *= 0x9e3779b97f4a7c15ull;
    return sum ^ (sum >> 29);
}

#endif
