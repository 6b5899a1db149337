/* Shows the board, the firmware and this hart's registers. */
#include "monitor.h"

extern char free_start[];

static const char *firmware_name(uint64_t id)
{
    static const char *const names[] = {"BBL", "OpenSBI", "Xvisor", "KVM", "RustSBI", "Diosix"};
    return id < sizeof names / sizeof *names ? names[id] : "of number";
}

static void firmware(void)
{
    static const struct { const char *name; uint64_t id; } extensions[] = {
        {"time", SBI_TIME}, {"ipi", SBI_IPI}, {"rfence", SBI_RFENCE}, {"hsm", SBI_HSM}, {"srst", SBI_SRST}, {"dbcn", SBI_DBCN},
    };
    uint64_t version = sbi_call(SBI_BASE, 0, 0, 0, 0).value;
    uint64_t implementation = sbi_call(SBI_BASE, 1, 0, 0, 0).value;
    print("firmware  SBI %lu.%lu, %s (%lu), version 0x%lx, extensions", version >> 24 & 0x7f, version & 0xffffff,
          firmware_name(implementation), implementation, sbi_call(SBI_BASE, 2, 0, 0, 0).value);
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (sbi_has(extensions[i].id))
            print(" %s", extensions[i].name);
    print("\n");
    print("machine   mvendorid 0x%lx marchid 0x%lx mimpid 0x%lx\n", sbi_call(SBI_BASE, 4, 0, 0, 0).value,
          sbi_call(SBI_BASE, 5, 0, 0, 0).value, sbi_call(SBI_BASE, 6, 0, 0, 0).value);
}

#define SHOW(csr) print("  %-12s0x%016lx\n", #csr, csr_read(csr))

bool command_info(int argc, char **argv)
{
    (void)argv;
    if (argc != 1)
        return false;
    print("board     %s, %u harts\n", board.model, board.cpus);
    print("harts     %s, %s, time at %u Hz\n", board.isa, board.mmu, board.timebase);
    print("memory    0x%lx to 0x%lx, %lu MiB; free from 0x%lx\n", board.ram_base, board.ram_base + board.ram_size,
          board.ram_size >> 20, (uint64_t)free_start);
    print("tree      at 0x%lx, %lu bytes; arguments \"%s\"\n", board.fdt, board.fdt_size, board.bootargs);
    firmware();
    print("registers of hart %lu\n", this_hart()->id);
    SHOW(sstatus);
    SHOW(satp);
    SHOW(stvec);
    SHOW(sie);
    SHOW(sip);
    SHOW(scounteren);
    SHOW(time);
    SHOW(cycle);
    SHOW(instret);
    return true;
}
