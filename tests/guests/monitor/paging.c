/* Building and switching of page tables. */
#include "paging.h"

#define POOL_PAGES 64

static uint8_t pool[POOL_PAGES][PAGE] __attribute__((aligned(4096)));
static int used;

void pages_reset(void)
{
    used = 0;
}

void *page_new(void)
{
    if (used == POOL_PAGES) {
        print("the self-test's pool of pages is used up\n");
        __asm__ volatile("ebreak"); /* ends the command */
    }
    uint64_t *page = (uint64_t *)pool[used++];
    for (size_t i = 0; i < PAGE / 8; i++)
        page[i] = 0;
    return page;
}

/* A virtual address is an offset of 12 bits and, for each level, an index of 9 bits:
 *
 *   Sv57:  | 4 | 3 | 2 | 1 | 0 | offset |      Sv48 begins at index 3, Sv39 at index 2
 */
pte *page_entry(pte *root, const struct mode *mode, uint64_t va, int level)
{
    pte *table = root;
    for (int at = mode->levels - 1;; at--) {
        pte *entry = &table[va >> (12 + 9 * at) & 511];
        if (at == level)
            return entry;
        if (!(*entry & PTE_V))
            *entry = (uint64_t)page_new() >> 12 << 10 | PTE_V;
        table = (pte *)(*entry >> 10 << 12);
    }
}

void page_map(pte *root, const struct mode *mode, uint64_t va, uint64_t pa, uint64_t flags, int level)
{
    *page_entry(root, mode, va, level) = pa >> 12 << 10 | flags;
}

pte *page_root(const struct mode *mode)
{
    pte *root = page_new();
    for (uint64_t gib = 0; gib < 4; gib++)
        page_map(root, mode, gib << 30, gib << 30, PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D, 2);
    return root;
}

bool page_switch(const pte *root, const struct mode *mode, uint64_t asid)
{
    uint64_t satp = mode->satp << 60 | asid << 44 | (uint64_t)root >> 12;
    page_flush();
    csr_write(satp, satp);
    page_flush();
    /* A hart that does not know the mode ignores the whole write. */
    return csr_read(satp) >> 60 == mode->satp;
}

void page_off(void)
{
    csr_write(satp, 0);
    page_flush();
}
