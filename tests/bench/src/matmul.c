/* Product of two matrices of doubles. Built with -ffp-contract=off: a fused multiply-add would round differently. */
#include "bench.h"

enum { N = 256 };

uint64_t bench_matmul(void)
{
    double *a = scratch(), *b = a + N * N, *c = b + N * N;
    uint64_t seed = 3, sum = 0;
    for (int i = 0; i < N * N; i++) {
        a[i] = (double)(int64_t)(next_random(&seed) >> 40) / 4096.0 - 2048.0;
        b[i] = (double)(int64_t)(next_random(&seed) >> 40) / 65536.0 - 128.0;
    }
    for (int round = 0; round < 7; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double dot = 0;
                for (int k = 0; k < N; k++)
                    dot += a[i * N + k] * b[k * N + j];
                c[i * N + j] = dot;
            }
        /* The next round's input depends on this one's result and stays in the same range. */
        for (int i = 0; i < N * N; i++)
            a[i] = c[i] / 131072.0 + 1.0 / (1.0 + i);
    }
    for (int i = 0; i < N * N; i += 101) {
        union { double value; uint64_t bits; } word = {.value = c[i]};
        sum = mix(sum, word.bits);
    }
    return sum;
}
