/* Quicksort of 32-bit keys, with insertion sort for short runs. */
#include "bench.h"

static void insertion_sort(uint32_t *keys, long count)
{
    for (long i = 1; i < count; i++) {
        uint32_t key = keys[i];
        long j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c)
{
    if (a > b) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    return c < a ? a : c > b ? b : c;
}

static void quicksort(uint32_t *keys, long count)
{
    while (count > 16) {
        uint32_t pivot = median(keys[0], keys[count / 2], keys[count - 1]);
        long left = 0, right = count - 1;
        while (left <= right) {
            while (keys[left] < pivot)
                left++;
            while (keys[right] > pivot)
                right--;
            if (left <= right) {
                uint32_t t = keys[left];
                keys[left++] = keys[right];
                keys[right--] = t;
            }
        }
        /* Recursion takes the shorter side, so the stack stays small. */
        if (right + 1 < count - left) {
            quicksort(keys, right + 1);
            keys += left;
            count -= left;
        } else {
            quicksort(keys + left, count - left);
            count = right + 1;
        }
    }
    insertion_sort(keys, count);
}

uint64_t bench_sort(void)
{
    const long count = 500000;
    uint32_t *keys = scratch();
    uint64_t seed = 7, sum = 0;
    for (int round = 0; round < 4; round++) {
        for (long i = 0; i < count; i++)
            keys[i] = (uint32_t)(next_random(&seed) >> 32);
        quicksort(keys, count);
        for (long i = 1; i < count; i++)
            if (keys[i - 1] > keys[i])
                return 0;
        for (long i = 0; i < count; i += 997)
            sum = mix(sum, keys[i]);
    }
    return sum;
}
