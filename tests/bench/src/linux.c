/* The kernels that measure the operating system's part: page faults and system calls. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

/* mmap, touch each page, munmap: one fault a page. */
uint64_t bench_fault(void)
{
    const size_t page = 4096, length = 1024 * page;
    uint64_t sum = 0;
    for (int round = 0; round < 80; round++) {
        uint8_t *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
            return 0;
        /* Huge pages would make one fault of 512. A kernel without them refuses, which is as good. */
        (void)madvise(map, length, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < length; at += page)
            map[at] = (uint8_t)(at / page + (size_t)round);
        for (size_t at = 0; at < length; at += 7 * page)
            sum = mix(sum, map[at]);
        munmap(map, length);
    }
    return sum;
}

/* getppid: the shortest way into the kernel and back that no library caches. */
uint64_t bench_syscall(void)
{
    const uint32_t calls = 1000000;
    uint64_t same = 0;
    long parent = syscall(SYS_getppid);
    for (uint32_t i = 0; i < calls; i++)
        same += syscall(SYS_getppid) == parent;
    return same;
}
