/* bench [kernel...|all|list]: runs kernels and prints one line for each, `BENCH kernel seconds checksum`. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"

static const struct kernel linux_kernels[] = {
    {"fault", "page faults: mmap, touch, munmap", bench_fault},
    {"syscall", "system calls: getppid", bench_syscall},
    {"wide", "pointer chase through 24,576 pages, one word of each", bench_wide},
    {"switch", "two processes that take turns", bench_switch},
    {NULL, NULL, NULL},
};
static const struct kernel *const tables[] = {portable_kernels, linux_kernels};

void *scratch(void)
{
    static uint8_t memory[SCRATCH_BYTES] __attribute__((aligned(4096)));
    return memory;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Runs the kernel of that name, or every one for "all"; says whether there was one. */
static int run(const char *name)
{
    int found = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct kernel *k = tables[t]; k->name; k++)
            if (strcmp(name, "all") == 0 || strcmp(name, k->name) == 0) {
                double start = seconds();
                uint64_t checksum = k->run();
                printf("BENCH %s %.3f %016llx\n", k->name, seconds() - start, (unsigned long long)checksum);
                fflush(stdout);
                found = 1;
            }
    return found;
}

static void list(void)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct kernel *k = tables[t]; k->name; k++)
            printf("%-10s%s\n", k->name, k->about);
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "list") == 0) {
        list();
        return 0;
    }
    for (int i = 1; i < argc; i++)
        if (!run(argv[i])) {
            fprintf(stderr, "bench: no kernel named %s; `bench list` names them\n", argv[i]);
            return 2;
        }
    return 0;
}
