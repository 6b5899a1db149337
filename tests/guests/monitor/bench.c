/* The benchmark kernels of tests/bench, on the bare board. */
#include "../../bench/src/bench.h"

#include "monitor.h"

extern char free_start[];

void *scratch(void)
{
    return free_start;
}

static uint64_t now(void)
{
    return csr_read(time);
}

/* RAM is free from the monitor's end to the end of RAM, or to the device tree if that lies between. */
static bool scratch_fits(void)
{
    uint64_t start = (uint64_t)free_start, end = start + SCRATCH_BYTES;
    bool tree_inside = board.fdt < end && board.fdt + board.fdt_size > start;
    return end <= board.ram_base + board.ram_size && !tree_inside;
}

static void run(const struct kernel *kernel)
{
    uint64_t start = now();
    uint64_t checksum = kernel->run();
    uint64_t ms = (now() - start) * 1000 / (board.timebase ? board.timebase : 1);
    print("BENCH %s %lu.%03lu %016lx\n", kernel->name, ms / 1000, ms % 1000, checksum);
}

bool command_bench(int argc, char **argv)
{
    if (argc == 1) {
        for (const struct kernel *k = portable_kernels; k->name; k++)
            print("  %-10s%s\n", k->name, k->about);
        print("  %-10s%s\n", "all", "every one of them");
        return true;
    }
    if (!scratch_fits()) {
        print("bench needs %u MiB of free RAM after 0x%lx\n", SCRATCH_BYTES >> 20, (uint64_t)free_start);
        return true;
    }
    for (int i = 1; i < argc; i++) {
        bool found = false;
        for (const struct kernel *k = portable_kernels; k->name; k++)
            if (equal(argv[i], "all") || equal(argv[i], k->name)) {
                run(k);
                found = true;
            }
        if (!found)
            print("%s: no such kernel; bench without arguments lists them\n", argv[i]);
    }
    return true;
}
