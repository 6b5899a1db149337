/* Recursion: calls, returns and stack traffic. */
#include "bench.h"

/* noinline and noipa keep the compilers from unrolling the recursion, each in its own way. */
__attribute__((noinline, noipa)) static uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t bench_fib(void)
{
    uint64_t sum = 0;
    for (uint64_t n = 32; n <= 38; n += 2)
        sum = mix(sum, fib(n));
    return sum;
}
