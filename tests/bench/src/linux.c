/* The kernels that measure the operating system's part: page faults, system calls, memory that no table of translations
 * has room for, and processes that take turns. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* One random cycle through 24,576 pages, one word of each: little memory is read, but each step needs a translation that was
 * not needed for long. */
uint64_t bench_wide(void)
{
    const uint32_t page = 4096, pages = 24576, steps = 3000000;
    uint8_t *map = mmap(NULL, (size_t)pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return 0;
    (void)madvise(map, (size_t)pages * page, MADV_NOHUGEPAGE);
    /* Each page's word lies elsewhere in it, so that they do not meet in one set of the host's caches. */
    #define WORD(n) ((uint32_t *)(map + (size_t)(n) * page + ((n) * 64 & (page - 1))))
    for (uint32_t i = 0; i < pages; i++)
        *WORD(i) = i;
    uint64_t seed = 13, sum = 0;
    for (uint32_t i = pages - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(((next_random(&seed) >> 32) * i) >> 32);
        uint32_t t = *WORD(i);
        *WORD(i) = *WORD(j);
        *WORD(j) = t;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < steps; i++) {
        at = *WORD(at);
        sum += at;
    }
    #undef WORD
    munmap(map, (size_t)pages * page);
    return mix(sum, at);
}

/* Two processes hand a byte to and fro, and look at 32 pages of their own in each turn. */
uint64_t bench_switch(void)
{
    enum { turns = 30000, pages = 32, page = 4096 };
    int there[2], back[2];
    uint8_t *own = scratch();
    uint64_t sum = 0;
    if (pipe(there) != 0 || pipe(back) != 0)
        return 0;
    const pid_t child = fork();
    if (child < 0)
        return 0;
    const int in = child == 0 ? there[0] : back[0], out = child == 0 ? back[1] : there[1];
    uint8_t byte = 1;
    for (int turn = 0; turn < turns; turn++) {
        if (child != 0 && write(out, &byte, 1) != 1)
            return 0;
        if (read(in, &byte, 1) != 1)
            return 0;
        for (int i = 0; i < pages; i++) {
            own[i * page] = (uint8_t)(byte + i);
            sum = mix(sum, own[i * page]);
        }
        byte = (uint8_t)(byte * 5 + 3);
        if (child == 0 && write(out, &byte, 1) != 1)
            return 0;
    }
    if (child == 0)
        _exit(0);
    (void)waitpid(child, NULL, 0);
    close(there[0]), close(there[1]), close(back[0]), close(back[1]);
    return sum;
}
