/* Sieve of Eratosthenes: byte stores with a stride, then a scan. */
#include "bench.h"

uint64_t bench_sieve(void)
{
    const uint32_t limit = 4000000;
    uint8_t *composite = scratch();
    uint64_t sum = 0;
    for (int round = 0; round < 18; round++) {
        uint32_t primes = 0;
        for (uint32_t i = 0; i < limit; i++)
            composite[i] = 0;
        for (uint32_t i = 2; i * i < limit; i++)
            if (!composite[i])
                for (uint32_t j = i * i; j < limit; j += i)
                    composite[j] = 1;
        for (uint32_t i = 2; i < limit; i++)
            primes += !composite[i];
        sum = mix(sum, primes + (uint32_t)round);
    }
    return sum;
}
