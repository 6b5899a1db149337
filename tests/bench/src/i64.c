/* 64-bit ALU: four independent chains of shifts, rotates, adds, logic and multiplies that touch no memory. */
#include "bench.h"

static inline uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t bench_i64(void)
{
    uint64_t a = 0x243f6a8885a308d3ull, b = 0x13198a2e03707344ull;
    uint64_t c = 0xa4093822299f31d0ull, d = 0x082efa98ec4e6c89ull;
    for (uint32_t i = 0; i < 80000000; i++) {
        a += b;
        d = rotate(d ^ a, 32);
        c += d;
        b = rotate(b ^ c, 24);
        a = a * 0x9e3779b97f4a7c15ull + i;
        c ^= a >> 31;
    }
    return a ^ b ^ c ^ d;
}
