/* Page tables for Sv39, Sv48 and Sv57 (RISC-V privileged specification, section 12.3 and following).
 *
 *   63      54 53                                   10 9   8   7   6   5   4   3   2   1   0
 *  +----------+---------------------------------------+-----+---+---+---+---+---+---+---+---+
 *  | reserved |            page number (44)           |     | D | A | G | U | X | W | R | V |
 *  +----------+---------------------------------------+-----+---+---+---+---+---+---+---+---+
 */
#ifndef PAGING_H
#define PAGING_H

#include "monitor.h"

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128 };

#define PAGE 4096ul
#define MEGAPAGE (PAGE << 9)

struct mode {
    const char *name;
    uint64_t satp; /* value of satp's mode field */
    int levels;
};

typedef uint64_t pte;

void pages_reset(void); /* gives back all pages of page_new */
void *page_new(void);   /* a zeroed page, from a pool that the tests never use up */

/* The entry for `va` at `level` (0: 4 KiB pages, 1: 2 MiB, 2: 1 GiB), with the tables above it made. */
pte *page_entry(pte *root, const struct mode *mode, uint64_t va, int level);
void page_map(pte *root, const struct mode *mode, uint64_t va, uint64_t pa, uint64_t flags, int level);
/* A new root that maps the lowest 4 GiB, all devices and RAM, onto themselves for supervisor mode. */
pte *page_root(const struct mode *mode);

/* Switches; false if the hart does not know the mode. */
bool page_switch(const pte *root, const struct mode *mode, uint64_t asid);
void page_off(void);
static inline void page_flush(void)
{
    __asm__ volatile("sfence.vma" ::: "memory");
}

#endif
