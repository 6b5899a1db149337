/* Reads the flattened device tree (Devicetree Specification, chapter 5): only what the monitor shows or needs. */
#include "monitor.h"

struct board board = {.model = "unknown", .isa = "unknown", .mmu = "unknown", .bootargs = "", .timebase = 10000000};

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };
#define MAGIC 0xd00dfeed
#define DEPTH_MAX 8

/* The tree is big-endian. */
static uint32_t word(uint64_t address)
{
    const uint8_t *p = (const uint8_t *)address;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t double_word(uint64_t address)
{
    return (uint64_t)word(address) << 32 | word(address + 4);
}

/* One property, with the names of its node and of the node around that. */
static void property(const char *outer, const char *node, const char *name, uint64_t data, uint32_t length)
{
    const char *text = (const char *)data;
    bool is_text = length > 0 && text[length - 1] == 0;
    if (node[0] == 0) { /* the root */
        if (equal(name, "model") && is_text)
            board.model = text;
    } else if (equal(node, "chosen")) {
        if (equal(name, "bootargs") && is_text)
            board.bootargs = text;
    } else if (equal(node, "cpus")) {
        if (equal(name, "timebase-frequency") && length == 4)
            board.timebase = word(data);
    } else if (equal(outer, "cpus") && starts_with(node, "cpu@")) {
        if (equal(name, "reg"))
            board.cpus++;
        else if (equal(name, "riscv,isa") && is_text)
            board.isa = text;
        else if (equal(name, "mmu-type") && is_text)
            board.mmu = text;
    } else if (starts_with(node, "memory@") && equal(name, "reg") && length >= 16) {
        /* The root of this board has two address cells and two size cells. */
        board.ram_base = double_word(data);
        board.ram_size = double_word(data + 8);
    }
}

bool fdt_read(uint64_t address)
{
    if (address == 0 || address % 4 || word(address) != MAGIC)
        return false;
    uint64_t size = word(address + 4), at = address + word(address + 8), strings = address + word(address + 12);
    uint64_t end = address + size;
    const char *path[DEPTH_MAX] = {""};
    int depth = 0; /* of the node we are in; path[depth] is its name */
    board.fdt = address;
    board.fdt_size = size;
    while (at + 4 <= end) {
        uint32_t token = word(at);
        at += 4;
        if (token == BEGIN_NODE) {
            const char *name = (const char *)at;
            while (at < end && *(const char *)at)
                at++;
            at = (at + 4) & ~3ul;
            if (++depth >= DEPTH_MAX)
                return false;
            path[depth] = name;
        } else if (token == END_NODE) {
            if (--depth < 0)
                return false;
        } else if (token == PROPERTY) {
            if (at + 8 > end)
                return false;
            uint32_t length = word(at);
            const char *name = (const char *)(strings + word(at + 4));
            if (length > end - at - 8 || (uint64_t)name >= end)
                return false;
            property(depth ? path[depth - 1] : "", path[depth], name, at + 8, length);
            at = (at + 8 + length + 3) & ~3ul;
        } else if (token == END) {
            return true;
        } else if (token != NOP) {
            return false;
        }
    }
    return false;
}
