/* The table of the kernels that need no operating system. */
#include "bench.h"

const struct kernel portable_kernels[] = {
    {"int", "32-bit integer arithmetic: multiply, divide, shift, branch", bench_int},
    {"i64", "64-bit shifts, rotates, adds and multiplies", bench_i64},
    {"sha256", "SHA-256 over a buffer", bench_sha256},
    {"sort", "quicksort of 32-bit keys", bench_sort},
    {"matmul", "multiplication of double matrices", bench_matmul},
    {"sieve", "sieve of Eratosthenes over a byte array", bench_sieve},
    {"chase", "pointer chase through more pages than a TLB holds", bench_chase},
    {"bytecode", "an interpreter of a small stack machine", bench_bytecode},
    {"fib", "recursion: calls and returns", bench_fib},
    {"str", "scanning, comparing and hashing of words in text", bench_str},
    {NULL, NULL, NULL},
};
