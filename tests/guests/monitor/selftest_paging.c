/* Self-test: address translation, in each mode the hart has. */
#include "paging.h"

/* Clear of the identity map, and within the lower half of Sv39. */
#define VA 0x1000000000ul
#define RW (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

static void load(void *address)
{
    (void)*(volatile uint64_t *)address;
}

static void store(void *address)
{
    *(volatile uint64_t *)address = 1;
}

static void call(void *address)
{
    ((void (*)(void))address)();
}

/* What the tests of one mode share: its page table, and a page of ordinary memory to map. */
struct space {
    const struct mode *mode;
    pte *root;
    uint64_t *page;
};

/* Maps `pa` at VA and `flags` in place of what was there. */
static void map(const struct space *s, uint64_t pa, uint64_t flags, int level)
{
    page_map(s->root, s->mode, VA, pa, flags, level);
    page_flush();
}

static uint64_t at(uint64_t address)
{
    return *(volatile uint64_t *)address;
}

static bool faults(void (*function)(void *), uint64_t address, uint64_t cause)
{
    return traps_with(function, (void *)address, cause, address);
}

static void test_translation(const struct space *s)
{
    map(s, (uint64_t)s->page, RW, 0);
    s->page[3] = 0xfeed;
    check(at(VA + 24) == 0xfeed, "load through a 4 KiB page");
    *(volatile uint64_t *)(VA + 32) = 0xcafe;
    check(*(volatile uint64_t *)&s->page[4] == 0xcafe, "store through a 4 KiB page");

    uint64_t *other = page_new();
    other[3] = 0xbeef;
    map(s, (uint64_t)other, RW, 0);
    check(at(VA + 24) == 0xbeef, "a changed entry counts after sfence.vma");

    uint64_t top = 0 - PAGE; /* the last page of the address space */
    page_map(s->root, s->mode, top, (uint64_t)s->page, RW, 0);
    page_flush();
    check(at(top + 24) == 0xfeed, "a page in the upper half");
    if (s->mode->levels > 3) {
        uint64_t far = 1ul << (9 * s->mode->levels + 10); /* beyond what a smaller mode reaches */
        page_map(s->root, s->mode, far, (uint64_t)s->page, RW, 0);
        page_flush();
        check(at(far + 24) == 0xfeed, "a page beyond the smaller modes' reach");
    }

    /* An access across two pages that do not lie side by side in memory. */
    map(s, (uint64_t)s->page, RW, 0);
    page_map(s->root, s->mode, VA + PAGE, (uint64_t)other, RW, 0);
    page_flush();
    s->page[511] = 0x1111111111111111;
    other[0] = 0x2222222222222222;
    check(at(VA + PAGE - 4) == 0x2222222211111111, "a misaligned load across two pages");
    page_map(s->root, s->mode, VA + PAGE, 0, 0, 0);
    page_flush();
    bool faulted = probe(load, (void *)(VA + PAGE - 4)) && this_hart()->trap.cause == CAUSE_LOAD_PAGE;
    uint64_t value = this_hart()->trap.value; /* may be where the access begins or where it fails */
    check(faulted && (value == VA + PAGE - 4 || value == VA + PAGE), "and its fault when the second is missing");
}

static void test_superpage(const struct space *s)
{
    uint64_t va = VA + (1ul << 30);
    uint64_t base = (uint64_t)s->page & ~(MEGAPAGE - 1);
    page_map(s->root, s->mode, va, base, RW, 1);
    page_flush();
    s->page[5] = 0xabba;
    check(at(va + ((uint64_t)&s->page[5] - base)) == 0xabba, "load through a 2 MiB superpage");
    page_map(s->root, s->mode, va, base + PAGE, RW, 1);
    page_flush();
    check(faults(load, va, CAUSE_LOAD_PAGE), "a misaligned superpage faults");
}

static void test_permissions(const struct space *s)
{
    uint64_t pa = (uint64_t)s->page;
    map(s, 0, 0, 0);
    check(faults(load, VA, CAUSE_LOAD_PAGE), "load page fault");
    check(faults(store, VA + 8, CAUSE_STORE_PAGE), "store page fault");
    check(faults(call, VA + 16, CAUSE_FETCH_PAGE), "fetch page fault");
    map(s, pa, PTE_V | PTE_R | PTE_A, 0);
    check(!probe(load, (void *)VA) && faults(store, VA, CAUSE_STORE_PAGE), "a page only to be read");
    map(s, pa, RW, 0);
    check(faults(call, VA, CAUSE_FETCH_PAGE), "a page not to be executed");
    map(s, pa, PTE_V | PTE_W | PTE_A | PTE_D, 0);
    check(faults(load, VA, CAUSE_LOAD_PAGE), "the reserved write-only entry faults");
    if (s->mode->levels < 5) {
        uint64_t hole = 1ul << (9 * s->mode->levels + 11); /* the top bit, not extended */
        check(faults(load, hole, CAUSE_LOAD_PAGE), "an address that is not sign-extended faults");
    }
    map(s, pa, PTE_V | PTE_X | PTE_A, 0);
    check(faults(load, VA, CAUSE_LOAD_PAGE), "a page only to be executed cannot be read");
    csr_set(sstatus, SSTATUS_MXR);
    check(!probe(load, (void *)VA), "but with MXR it can");
    csr_clear(sstatus, SSTATUS_MXR);
    map(s, pa, RW | PTE_U, 0);
    check(faults(load, VA, CAUSE_LOAD_PAGE) && faults(store, VA, CAUSE_STORE_PAGE), "a user page is not for supervisors");
    csr_set(sstatus, SSTATUS_SUM);
    check(!probe(load, (void *)VA) && !probe(store, (void *)VA), "but with SUM it is");
    map(s, pa, RW | PTE_X | PTE_U, 0);
    check(faults(call, VA, CAUSE_FETCH_PAGE), "and even so not to be executed");
    csr_clear(sstatus, SSTATUS_SUM);
}

/* The hart either sets the bits or faults so that software does; both are right, half of each is not. */
static void test_accessed_dirty(const struct space *s)
{
    const pte *entry = page_entry(s->root, s->mode, VA, 0);
    map(s, (uint64_t)s->page, PTE_V | PTE_R | PTE_W, 0);
    if (probe(load, (void *)VA)) {
        check(this_hart()->trap.cause == CAUSE_LOAD_PAGE && !(*entry & PTE_A), "A clear: the load faults");
        map(s, (uint64_t)s->page, PTE_V | PTE_R | PTE_W | PTE_A, 0);
        check(faults(store, VA, CAUSE_STORE_PAGE) && !(*entry & PTE_D), "D clear: the store faults");
        return;
    }
    check((*(volatile pte *)entry & (PTE_A | PTE_D)) == PTE_A, "A is set by the load, D not");
    check(!probe(store, (void *)VA) && (*(volatile pte *)entry & PTE_D), "D is set by the store");
}

static void test_asid(const struct space *s)
{
    uint64_t *mine = page_new(), *theirs = page_new();
    pte *other = page_root(s->mode);
    mine[0] = 0x111, theirs[0] = 0x222;
    map(s, (uint64_t)mine, RW, 0);
    page_map(other, s->mode, VA, (uint64_t)theirs, RW, 0);
    bool right = true;
    for (int i = 0; i < 4; i++) {
        /* No sfence.vma between the two spaces: that is what ASIDs are for. A hart without them keeps 0 and flushes. */
        csr_write(satp, s->mode->satp << 60 | 1ul << 44 | (uint64_t)s->root >> 12);
        if ((csr_read(satp) >> 44 & 0xffff) != 1)
            page_flush();
        right &= at(VA) == 0x111;
        csr_write(satp, s->mode->satp << 60 | 2ul << 44 | (uint64_t)other >> 12);
        if ((csr_read(satp) >> 44 & 0xffff) != 2)
            page_flush();
        right &= at(VA) == 0x222;
    }
    page_switch(s->root, s->mode, 0);
    check(right, "two address spaces by ASID");
}

struct user_call {
    uint64_t pc, argument;
};

static void enter_user(void *argument)
{
    const struct user_call *call = argument;
    user_run(call->pc, call->argument);
}

static bool user_traps(uint64_t pc, uint64_t argument, uint64_t cause, uint64_t value)
{
    struct user_call call = {pc, argument};
    bool right = traps_with(enter_user, &call, cause, value);
    return right && !(csr_read(sscratch)) && this_hart()->trap.pc == pc;
}

/* Offsets into user_code in trap.S. */
enum { USER_ECALL = 0, USER_CSR = 8, USER_LOAD = 16, USER_RETURN = 24 };

static void test_user(const struct space *s)
{
    char *code = page_new();
    for (const char *p = user_code; p < user_code_end; p++)
        code[p - user_code] = *p;
    __asm__ volatile("fence.i");
    map(s, (uint64_t)code, PTE_V | PTE_R | PTE_X | PTE_A, 0);
    check(!probe(call, (void *)(VA + USER_RETURN)), "supervisor code runs from a mapped page");
    map(s, (uint64_t)code, PTE_V | PTE_R | PTE_X | PTE_U | PTE_A, 0);
    check(user_traps(VA + USER_ECALL, 0, CAUSE_USER_ECALL, 0), "user mode runs, its ecall comes to us");
    struct user_call privileged = {VA + USER_CSR, 0};
    check(probe(enter_user, &privileged) && this_hart()->trap.cause == CAUSE_ILLEGAL, "user mode cannot read sstatus");
    uint64_t ours = (uint64_t)s->page;
    check(user_traps(VA + USER_LOAD, ours, CAUSE_LOAD_PAGE, ours), "user mode cannot read supervisor memory");
}

void selftest_paging(void)
{
    static const struct mode modes[] = {{"Sv39", 8, 3}, {"Sv48", 9, 4}, {"Sv57", 10, 5}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        print("paging, %s\n", modes[i].name);
        pages_reset();
        struct space s = {&modes[i], page_root(&modes[i]), page_new()};
        if (!page_switch(s.root, s.mode, 0)) {
            if (i == 0)
                check(false, "Sv39, which every hart with paging has");
            else
                note("this hart does not have it");
            continue;
        }
        check(true, "on, with devices and RAM in 1 GiB superpages");
        test_translation(&s);
        test_superpage(&s);
        test_permissions(&s);
        test_accessed_dirty(&s);
        test_asid(&s);
        test_user(&s);
        page_off();
    }
}
