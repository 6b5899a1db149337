# Address translation: Sv39, Sv48 or Sv57, as SV says.
#
# Memory is at its own addresses for supervisor mode, and once more ALIAS higher for user mode. What is tested
# is mapped elsewhere, at one address for each size of page.
        .include "support.inc"

        .equ    ALIAS, 0x40000000
        .set    U_ALIAS, ALIAS

        .equ    V_4K, 0x40000000
        .equ    V_2M, 0x40200000
        .equ    V_1G, 0x100000000
        .equ    V_512G, 1 << 39
        .equ    V_256T, 1 << 48

#if SV == 39
        .equ    SATP, 8 << 60
#define ROOT level2
#define OTHER other2
#elif SV == 48
        .equ    SATP, 9 << 60
#define ROOT level3
#define OTHER other3
#else
        .equ    SATP, 10 << 60
#define ROOT level4
#define OTHER other4
#endif

        .equ    PTE_V, 1
        .equ    PTE_R, 2
        .equ    PTE_W, 4
        .equ    PTE_X, 8
        .equ    PTE_U, 16
        .equ    PTE_G, 32
        .equ    PTE_A, 64
        .equ    PTE_D, 128
        .equ    ALL, 0xcf               # V, R, W, X, A, D
        .equ    ADUE, 1 << 61
        .equ    PBMTE, 1 << 62

# Writes a page table entry for the symbol \to, plus constant bits, to \table[\index].
        .macro  ENTRY table, index, to, bits
        la      t0, \to
        srli    t0, t0, 2
        li      t1, \bits
        add     t0, t0, t1
        la      t1, \table
        li      t2, \index * 8
        add     t1, t1, t2
        sd      t0, 0(t1)
        .endm

# The same for a constant physical address.
        .macro  RAW table, index, value
        li      t0, \value
        la      t1, \table
        li      t2, \index * 8
        add     t1, t1, t2
        sd      t0, 0(t1)
        .endm

        .macro  LEAF bits
        ENTRY   level0, 0, page, \bits
        sfence.vma
        .endm

        .macro  PTE_IS label, expected
        la      t0, level0
        ld      s0, 0(t0)
        andi    s0, s0, 0xff
        CHECK   "\label: entry", s0, \expected
        .endm

# A load, a store and a fetch at one address must all fail as page faults.
        .macro  FAULTS label, mode, address
        li      s0, \address
        IN      \mode, "ld t2, 0(s0)"
        TRAPS   "\label: load", 13, \address
        IN      \mode, "sd t2, 8(s0)"
        TRAPS   "\label: store", 15, \address + 8
        IN      \mode, "jr s0"
        TRAPS   "\label: fetch", 12, \address
        .endm

        .macro  WORKS label, mode, address
        li      s0, \address
        IN      \mode, "ld t2, 0(s0)"
        OK      "\label: load", \mode
        IN      \mode, "sd t2, 8(s0)"
        OK      "\label: store", \mode
        IN      \mode, "jr s0"
        OK      "\label: fetch", \mode
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)

        # The tables.
        RAW     level2, 2, (0x80000000 >> 2) + ALL
        RAW     level2, 3, (0x80000000 >> 2) + ALL + PTE_U
        ENTRY   level2, 1, level1, PTE_V
        ENTRY   level1, 0, level0, PTE_V
        RAW     level1, 1, (0x80000000 >> 2) + ALL
        RAW     level2, 4, (0x80000000 >> 2) + ALL
        ENTRY   level3, 0, level2, PTE_V
        RAW     level3, 1, ALL
        ENTRY   level4, 0, level3, PTE_V
        RAW     level4, 1, ALL
        LEAF    ALL
        la      t0, ROOT
        srli    t0, t0, 12
        li      t1, SATP
        or      t0, t0, t1
        csrw    satp, t0
        csrr    s0, satp
        srli    s0, s0, 60
        SHOW    "satp.MODE", s0
        sfence.vma

        # Physical address of `page` within the superpages.
        WORKS   "4 KiB page", S, V_4K
        la      s1, page
        li      t0, 0x80000000
        sub     s1, s1, t0
        li      s0, V_2M
        add     s0, s0, s1
        IN      S, "jr s0"
        OK      "2 MiB page", S
        li      s0, V_1G
        add     s0, s0, s1
        IN      S, "jr s0"
        OK      "1 GiB page", S
#if SV >= 48
        li      s0, V_512G
        la      t0, page
        add     s0, s0, t0
        IN      S, "jr s0"
        OK      "512 GiB page", S
#endif
#if SV >= 57
        li      s0, V_256T
        la      t0, page
        add     s0, s0, t0
        IN      S, "jr s0"
        OK      "256 TiB page", S
#endif

        # Every combination of the eight low bits of an entry, at every level, for loads, stores and fetches in
        # both modes, with all settings of SUM and MXR; accessed and dirty bits are set by the machine.
        SET     menvcfg, ADUE
        la      a0, level0
        li      a1, V_4K
        li      a2, 0
        call    every_permission
        la      a0, level1 + 8
        li      a1, V_2M
        li      a2, 0x80000000
        call    every_permission
        la      a0, level2 + 32
        li      a1, V_1G
        li      a2, 0x80000000
        call    every_permission
#if SV >= 48
        la      a0, level3 + 8
        li      a1, V_512G
        li      a2, 0
        call    every_permission
#endif
#if SV >= 57
        la      a0, level4 + 8
        li      a1, V_256T
        li      a2, 0
        call    every_permission
#endif

        # Accessed and dirty bits, by the machine and by faults.
        LEAF    ALL - PTE_A - PTE_D
        li      s1, V_4K
        IN      S, "ld t2, 0(s1)"
        OK      "ADUE: load with A clear", S
        PTE_IS  "ADUE: load with A clear", ALL - PTE_D
        IN      S, "sd t2, 8(s1)"
        OK      "ADUE: store with D clear", S
        PTE_IS  "ADUE: store with D clear", ALL
        LEAF    ALL - PTE_A - PTE_D
        IN      S, "jr s1"
        OK      "ADUE: fetch with A clear", S
        PTE_IS  "ADUE: fetch with A clear", ALL - PTE_D
        LEAF    ALL - PTE_A - PTE_D
        IN      S, "amoadd.d x0, x0, (s1)"
        OK      "ADUE: amo with A and D clear", S
        PTE_IS  "ADUE: amo with A and D clear", ALL
        CLEAR   menvcfg, ADUE
        LEAF    ALL - PTE_A - PTE_D
        li      s0, V_4K
        IN      S, "ld t2, 0(s0)"
        ALONE   "no ADUE: load with A clear", s10, 13
        IN      S, "jr s0"
        ALONE   "no ADUE: fetch with A clear", s10, 12
        IN      S, "amoadd.d x0, x0, (s0)"
        ALONE   "no ADUE: amo with A clear", s10, 15
        LEAF    ALL - PTE_D
        IN      S, "ld t2, 0(s0)"
        OK      "no ADUE: load with D clear", S
        IN      S, "sd t2, 8(s0)"
        ALONE   "no ADUE: store with D clear", s10, 15
        la      t0, level0
        ld      s0, 0(t0)
        andi    s0, s0, 0xff
        ALONE   "no ADUE: entry stays", s0, ALL - PTE_D
        SET     menvcfg, ADUE

        # A page that was only read must still note the first write.
        LEAF    ALL - PTE_D
        li      s1, V_4K
        IN      S, "ld t2, 0(s1); ld t2, 0(s1); sd t2, 8(s1)"
        PTE_IS  "read, then written", ALL

        # Reserved bits.
        .irp    n, 54,55,56,57,58,59,60,63
        LEAF    ALL + (1 << \n)
        FAULTS  "~ leaf with bit \n", S, V_4K
        .endr
        CLEAR   menvcfg, PBMTE
        LEAF    ALL + (1 << 61)
        FAULTS  "~ PBMT 1 without PBMTE", S, V_4K
        LEAF    ALL + (1 << 62)
        FAULTS  "~ PBMT 2 without PBMTE", S, V_4K
        SET     menvcfg, PBMTE
        LEAF    ALL + (1 << 61)
        WORKS   "PBMT 1", S, V_4K
        LEAF    ALL + (1 << 62)
        WORKS   "PBMT 2", S, V_4K
        LEAF    ALL + (3 << 61)
        li      s0, V_4K
        IN      S, "ld t2, 0(s0)"
        ALONE   "PBMT 3: load", s10, 13
        IN      S, "jr s0"
        ALONE   "PBMT 3: fetch", s10, 12
        LEAF    ALL
        ENTRY   level1, 0, level0, PTE_V + (1 << 61)
        sfence.vma
        FAULTS  "~ pointer with PBMT", S, V_4K
        CLEAR   menvcfg, PBMTE
        .irp    n, 4,6,7
        ENTRY   level1, 0, level0, PTE_V + (1 << \n)
        sfence.vma
        FAULTS  "pointer with bit \n", S, V_4K
        .endr
        .irp    n, 54,55,56,57,58,59,60,61,62,63
        ENTRY   level1, 0, level0, PTE_V + (1 << \n)
        sfence.vma
        FAULTS  "~ pointer with bit \n", S, V_4K
        .endr
        ENTRY   level1, 0, level0, PTE_V + PTE_G + (3 << 8)
        sfence.vma
        WORKS   "pointer with G and RSW", S, V_4K
        ENTRY   level1, 0, level0, PTE_V
        LEAF    ALL + (3 << 8)
        WORKS   "leaf with RSW", S, V_4K
        ENTRY   level0, 0, level0, PTE_V
        sfence.vma
        FAULTS  "pointer at the last level", S, V_4K
        LEAF    ALL

        # Superpages must be aligned.
        .irp    n, 10,11,18
        RAW     level1, 1, (0x80000000 >> 2) + ALL + (1 << \n)
        sfence.vma
        FAULTS  "misaligned 2 MiB page, bit \n", S, V_2M
        .endr
        RAW     level1, 1, (0x80000000 >> 2) + ALL
        .irp    n, 10,19,27
        RAW     level2, 4, (0x80000000 >> 2) + ALL + (1 << \n)
        sfence.vma
        FAULTS  "misaligned 1 GiB page, bit \n", S, V_1G
        .endr
        RAW     level2, 4, (0x80000000 >> 2) + ALL
#if SV >= 48
        .irp    n, 10,28,36
        RAW     level3, 1, ALL + (1 << \n)
        sfence.vma
        FAULTS  "misaligned 512 GiB page, bit \n", S, V_512G
        .endr
        RAW     level3, 1, ALL
#endif
#if SV >= 57
        .irp    n, 10,37,45
        RAW     level4, 1, ALL + (1 << \n)
        sfence.vma
        FAULTS  "misaligned 256 TiB page, bit \n", S, V_256T
        .endr
        RAW     level4, 1, ALL
#endif
        sfence.vma

        # Addresses whose upper bits are not copies of the sign bit.
        FAULTS  "sign bit without its copies", S, V_4K + (1 << (SV - 1))
        FAULTS  "one bit above the sign bit", S, V_4K + (1 << SV)
        FAULTS  "bit 63 alone", S, V_4K + (1 << 63)
        FAULTS  "all copies but one", S, V_4K + (0xfffffffffffffffe << (SV - 1))

        # Walks and pages where there is no memory are access faults.
        RAW     level1, 0, (HOLE >> 2) + PTE_V
        sfence.vma
        li      s1, V_4K
        IN      S, "ld t2, 0(s1)"
        TRAPS   "~ table in a hole: load", 5, V_4K
        IN      S, "sd t2, 0(s1)"
        TRAPS   "~ table in a hole: store", 7, V_4K
        IN      S, "jr s1"
        TRAPS   "~ table in a hole: fetch", 1, V_4K
        ENTRY   level1, 0, level0, PTE_V
        RAW     level0, 0, (HOLE >> 2) + ALL
        sfence.vma
        IN      S, "ld t2, 0(s1)"
        TRAPS   "page in a hole: load", 5, V_4K
        IN      S, "sd t2, 0(s1)"
        TRAPS   "page in a hole: store", 7, V_4K
        IN      S, "jr s1"
        TRAPS   "page in a hole: fetch", 1, V_4K

        # Atomics need what stores need.
        LEAF    ALL - PTE_W
        IN      S, "amoadd.w t2, x0, (s1)"
        TRAPS   "amo on a read-only page", 15, V_4K
        IN      S, "lr.w t2, (s1)"
        OK      "lr on a read-only page", S
        IN      S, "lr.w t2, (s1); sc.w t2, x0, (s1)"
        TRAPS   "sc on a read-only page", 15, V_4K
        LEAF    ALL - PTE_W - PTE_R
        IN      S, "amoadd.w t2, x0, (s1)"
        ALONE   "amo on an execute-only page", s10, 15
        IN      S, "lr.w t2, (s1)"
        TRAPS   "lr on an execute-only page", 13, V_4K

        # Across a page border: the faulting part's address.
        LEAF    ALL
        li      s1, V_4K + 0xffd
        IN      S, "ld t2, 0(s1)"
        TRAPS   "load into a missing page", 13, V_4K + 0x1000
        IN      S, "sw x0, 0(s1)"
        TRAPS   "store into a missing page", 15, V_4K + 0x1000
        li      s1, V_4K + 0xffe
        IN      S, "jr s1"
        TRAPS   "instruction into a missing page", 12, V_4K + 0x1000
        li      t0, V_4K + 0xffe
        sub     s8, s8, t0
        CHECK   "instruction into a missing page: mepc", s8, 0
        li      s1, V_4K - 3
        IN      S, "ld t2, 0(s1)"
        TRAPS   "load from a missing page on", 13, V_4K - 3
        ENTRY   level0, 1, page2, ALL - PTE_W
        sfence.vma
        li      s1, V_4K + 0xffd
        IN      S, "ld s0, 0(s1)"
        OK      "load across pages", S
        CHECK   "load across pages: value", s0, 0x5544332211006f00
        IN      S, "sd x0, 0(s1)"
        TRAPS   "store into a read-only page", 15, V_4K + 0x1000
        ENTRY   level0, 1, page2, ALL
        sfence.vma
        IN      S, "li t2, 0x8877665544332211; sd t2, 0(s1); ld s0, 0(s1)"
        CHECK   "store across pages: value", s0, 0x8877665544332211
        la      t0, page2
        ld      s0, 0(t0)
        CHECK   "store across pages: second part", s0, 0xccbbaa8877665544
        RAW     level0, 1, 0

        # MPRV: machine mode's loads and stores, not its fetches.
        LEAF    ALL
        li      s1, V_4K
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20800; csrs mstatus, t0; ld s0, 0(s1); la t1, 1f; jr t1; 1: li t0, 0x20000; csrc mstatus, t0"
        CHECK   "MPRV, MPP = S: runs", s10, 11
        CHECK   "MPRV, MPP = S: value", s0, 0x73
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20000; csrs mstatus, t0; ld s0, 0(s1)"
        TRAPS   "MPRV, MPP = U: load of a supervisor page", 13, V_4K
        LEAF    ALL + PTE_U
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20000; csrs mstatus, t0; sd x0, 8(s1); li t0, 0x20000; csrc mstatus, t0"
        OK      "MPRV, MPP = U: store to a user page", M
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20800; csrs mstatus, t0; sd x0, 8(s1)"
        TRAPS   "MPRV, MPP = S: store to a user page", 15, V_4K + 8
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x60800; csrs mstatus, t0; sd x0, 8(s1); li t0, 0x60000; csrc mstatus, t0"
        OK      "MPRV, MPP = S, SUM: store to a user page", M
        LEAF    PTE_V + PTE_X + PTE_A
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20800; csrs mstatus, t0; ld s0, 0(s1)"
        TRAPS   "MPRV, MPP = S: load of an execute-only page", 13, V_4K
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0xa0800; csrs mstatus, t0; ld s0, 0(s1); li t0, 0xa0000; csrc mstatus, t0"
        OK      "MPRV, MPP = S, MXR: load of an execute-only page", M
        IN      M, "li t0, 0x20000; csrs mstatus, t0; li t1, 0x1800; csrs mstatus, t1; li t0, HOLE; ld s0, 0(t0)"
        CHECK   "MPRV, MPP = M: untranslated", s10, 5
        LEAF    ALL

        # Delegated page faults.
        WRITE   medeleg, 0xb000
        RAW     level0, 0, 0
        sfence.vma
        li      s1, V_4K
        IN      U, "ld t2, 0(s1)"
        CHECK   "delegated load page fault: scause", s6, 13
        CHECK   "delegated load page fault: stval", s5, V_4K
        IN      S, "sd t2, 16(s1)"
        CHECK   "delegated store page fault: scause", s6, 15
        CHECK   "delegated store page fault: stval", s5, V_4K + 16
        IN      S, "jr s1"
        CHECK   "delegated fetch page fault: scause", s6, 12
        CHECK   "delegated fetch page fault: stval", s5, V_4K
        CHECK   "delegated fetch page fault: sepc", s4, V_4K
        csrw    medeleg, x0

        # Fences: what was cached is forgotten.
        li      s1, V_4K
        .macro  FENCED label, code
        ENTRY   level0, 0, page, ALL
        sfence.vma
        IN      S, "ld s0, 0(s1)"
        CHECK   "\label: before", s0, 0x73
        ENTRY   level0, 0, page2, ALL
        li      s2, 0
        IN      S, "\code; ld s0, 16(s1)"
        CHECK   "\label: after", s0, 0x2222
        .endm
        FENCED  "sfence.vma", "sfence.vma"
        FENCED  "sfence.vma address", "sfence.vma s1"
        FENCED  "sfence.vma asid", "sfence.vma x0, s2"
        FENCED  "sfence.vma address, asid", "sfence.vma s1, s2"
        FENCED  "sinval.vma", ".4byte 0x18000073; .4byte 0x16000073; .4byte 0x18100073"
        FENCED  "sinval.vma address, asid", ".4byte 0x18000073; .4byte 0x16000073 | 9 << 15 | 18 << 20; .4byte 0x18100073"

        # Address spaces: a second root with another page at the same address.
        ENTRY   level0, 0, page, ALL
        RAW     other2, 2, (0x80000000 >> 2) + ALL
        ENTRY   other2, 1, other1, PTE_V
        ENTRY   other1, 0, other0, PTE_V
        ENTRY   other0, 0, page2, ALL
        ENTRY   other0, 1, page2, ALL + PTE_G
        ENTRY   level0, 1, page2, ALL + PTE_G
        ENTRY   other3, 0, other2, PTE_V
        ENTRY   other4, 0, other3, PTE_V
        sfence.vma
        la      t0, ROOT
        srli    t0, t0, 12
        li      s1, SATP + (1 << 44)
        or      s1, s1, t0
        la      t0, OTHER
        srli    t0, t0, 12
        li      s2, SATP + (2 << 44)
        or      s2, s2, t0
        csrw    satp, s1
        IN      S, "li t2, V_4K; ld s0, 16(t2)"
        CHECK   "ASID 1", s0, 0x1111
        csrw    satp, s2
        IN      S, "li t2, V_4K; ld s0, 16(t2)"
        CHECK   "ASID 2", s0, 0x2222
        csrw    satp, s1
        IN      S, "li t2, V_4K; ld s0, 16(t2)"
        CHECK   "ASID 1 again", s0, 0x1111
        csrw    satp, s2
        IN      S, "li t2, V_4K + 0x1000; ld s0, 16(t2)"
        CHECK   "global page in ASID 2", s0, 0x2222
        csrw    satp, s1
        IN      S, "li t2, V_4K + 0x1000; ld s0, 16(t2)"
        CHECK   "global page in ASID 1", s0, 0x2222
        # The entry of ASID 2 changes while ASID 1 runs; only ASID 2 is fenced.
        ENTRY   other0, 0, page, ALL
        li      t0, V_4K
        li      t1, 2
        sfence.vma t0, t1
        IN      S, "li t2, V_4K; ld s0, 16(t2)"
        CHECK   "ASID 1 after a fence of ASID 2", s0, 0x1111
        csrw    satp, s2
        IN      S, "li t2, V_4K; ld s0, 16(t2)"
        CHECK   "ASID 2 after its fence", s0, 0x1111
        # A fence of an address in all address spaces reaches global pages too.
        ENTRY   other0, 1, page, ALL + PTE_G
        ENTRY   level0, 1, page, ALL + PTE_G
        li      t0, V_4K + 0x1000
        sfence.vma t0
        IN      S, "li t2, V_4K + 0x1000; ld s0, 16(t2)"
        CHECK   "global page after its fence", s0, 0x1111

        # Without translation in S again.
        csrw    satp, x0
        sfence.vma
        la      s1, page
        IN      S, "ld s0, 16(s1)"
        CHECK   "bare", s0, 0x1111

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# Tries the page at a1 with all 256 low bytes of the entry at a0. a2 = physical address of the mapping, 0 for
# that of `page` (a 4 KiB page) and of everything (the largest ones). Prints, for each low byte and setting of
# SUM and MXR, a word of six bytes: load, store and fetch in S, then in U; each byte is the cause (0: none) and,
# in bits 5 and 4, how D and A came out.
every_permission:
        addi    sp, sp, -64
        sd      ra, 0(sp)
        sd      s0, 8(sp)
        sd      s1, 16(sp)
        sd      s2, 24(sp)
        mv      s1, a0
        la      s2, page
        li      t0, V_4K
        sub     t1, a1, t0
        sd      t1, 56(sp)              # not 0 for superpages
        bnez    t1, 1f
        mv      a2, s2
        li      s2, 0
1:      add     s2, s2, a1
        beqz    a2, 2f
        la      t0, page
        beq     a2, t0, 2f
        sub     s2, s2, a2
2:      srli    a2, a2, 2
        sd      a2, 32(sp)
        li      s0, 0                   # low byte, and above it SUM and MXR
3:      ld      t0, 56(sp)
        beqz    t0, 4f
        # Above the last level V alone makes a pointer: program text would be taken for a table.
        andi    t0, s0, 0xf
        li      t1, PTE_V
        beq     t0, t1, 11f
4:      sd      x0, 40(sp)              # the word
        sd      x0, 48(sp)              # operation
5:      ld      a2, 32(sp)
        andi    t0, s0, 0xff
        or      a2, a2, t0
        sd      a2, 0(s1)
        sfence.vma
        li      t0, MSTATUS_SUM | MSTATUS_MXR | MSTATUS_MPP
        csrc    mstatus, t0
        srli    t0, s0, 8
        slli    t0, t0, 18
        csrs    mstatus, t0
        ld      t1, 48(sp)
        la      t0, operations
        slli    t2, t1, 4
        add     t0, t0, t2
        li      t2, 3
        bltu    t1, t2, 6f
        li      t2, ALIAS - 48
        add     t0, t0, t2
        j       7f
6:      li      t2, S << 11
        csrs    mstatus, t2
7:      csrw    mepc, t0
        la      s11, 8f
        mret
8:      li      t0, 8
        beq     s10, t0, 9f
        li      t0, 9
        bne     s10, t0, 10f
9:      li      s10, 0
10:     ld      t0, 0(s1)
        srli    t0, t0, 6
        andi    t0, t0, 3
        slli    t0, t0, 4
        or      s10, s10, t0
        ld      t0, 40(sp)
        slli    t0, t0, 8
        or      t0, t0, s10
        sd      t0, 40(sp)
        ld      t0, 48(sp)
        addi    t0, t0, 1
        sd      t0, 48(sp)
        li      t1, 6
        bne     t0, t1, 5b
        mv      a0, s0
        call    put_hex
        li      a0, ':'
        call    putc
        ld      a0, 40(sp)
        call    put_hex
        li      a0, '\n'
        call    putc
11:     addi    s0, s0, 1
        li      t0, 0x400
        bne     s0, t0, 3b
        li      t0, MSTATUS_SUM | MSTATUS_MXR
        csrc    mstatus, t0
        ld      a2, 32(sp)
        addi    a2, a2, ALL
        sd      a2, 0(s1)
        sfence.vma
        ld      ra, 0(sp)
        ld      s0, 8(sp)
        ld      s1, 16(sp)
        ld      s2, 24(sp)
        addi    sp, sp, 64
        ret

# Sixteen bytes each: load, store, fetch at s2.
        .option push
        .option norvc
        .balign 16
operations:
        ld      t2, 0(s2)
        ecall
        .balign 16
        sd      x0, 8(s2)
        ecall
        .balign 16
        jr      s2
        .option pop

# The page that is mapped: `ecall`, to be fetched; the rest to be read and written.
        .data
        .balign 4096
page:   .dword  0x73, 0, 0x1111
        .space  4096 - 24 - 4
        # The first half of a jump that the next page continues.
        .byte   0x00, 0x00, 0x6f, 0x00
page2:  .byte   0x11, 0x22, 0x33, 0x44, 0x55, 0xaa, 0xbb, 0xcc
        .dword  0, 0x2222
        .balign 4096

        .bss
        .balign 4096
level0: .space  4096
level1: .space  4096
level2: .space  4096
level3: .space  4096
level4: .space  4096
other0: .space  4096
other1: .space  4096
other2: .space  4096
other3: .space  4096
other4: .space  4096
