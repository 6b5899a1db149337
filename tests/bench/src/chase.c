/* A pointer chase: one random cycle through 24 MB, each step's address being the last one's result, so that every
 * cache and TLB misses. */
#include "bench.h"

uint64_t bench_chase(void)
{
    const uint32_t count = SCRATCH_BYTES / sizeof(uint64_t);
    uint64_t *next = scratch();
    uint64_t seed = 11, sum = 0, at = 0;
    /* Sattolo's shuffle: a permutation that is one single cycle. */
    for (uint32_t i = 0; i < count; i++)
        next[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(((next_random(&seed) >> 32) * i) >> 32);
        uint64_t t = next[i];
        next[i] = next[j];
        next[j] = t;
    }
    for (uint32_t i = 0; i < 1500000; i++) {
        at = next[at];
        sum += at;
    }
    return mix(sum, at);
}
