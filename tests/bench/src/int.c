/* 32-bit integers: lengths of Collatz sequences, greatest common divisors and a polynomial hash, all in 32-bit
 * registers, with branches no predictor learns and a few divisions. */
#include "bench.h"

static uint32_t collatz(uint32_t n)
{
    uint32_t steps = 0;
    while (n != 1 && steps < 400) {
        n = (n & 1) ? 3 * n + 1 : n >> 1;
        steps++;
    }
    return steps;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t bench_int(void)
{
    uint32_t hash = 1;
    for (uint32_t i = 1; i <= 720000; i++) {
        hash = hash * 31 + collatz(i);
        hash ^= gcd(i * 2654435761u, i + 12345);
        hash = (hash << 5) | (hash >> 27);
    }
    return hash;
}
