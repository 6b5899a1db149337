# Physical memory protection. Entry 7 opens all of memory; the entries before it rule over `zone`.
        .include "support.inc"

        .equ    OPEN, 0x1f << 56
        .equ    OFF, 0
        .equ    TOR, 1 << 3
        .equ    NA4, 2 << 3
        .equ    NAPOT, 3 << 3
        .equ    LOCK, 1 << 7

# Sets a pmpaddr from a symbol plus an offset, shifted as the register wants it, plus constant bits.
        .macro  ADDRESS csr, symbol, offset, bits=0
        la      t0, \symbol
        li      t1, \offset
        add     t0, t0, t1
        srli    t0, t0, 2
        addi    t0, t0, \bits
        csrw    \csr, t0
        .endm

        .macro  CONFIG value
        WRITE   pmpcfg0, \value
        sfence.vma
        .endm

# A load, a store and a fetch at s1 + offset: a constant of three digits, cause 0 if it works.
        .macro  TRIES label, mode, offset, load, store, fetch
        IN      \mode, "ld t2, \offset(s1)"
        call    cause_and_value
        CHECK   "\label: load", s0, \load
        IN      \mode, "sd x0, \offset+8(s1)"
        call    cause_and_value
        CHECK   "\label: store", s0, \store
        IN      \mode, "addi t2, s1, \offset; jr t2"
        call    cause_and_value
        CHECK   "\label: fetch", s0, \fetch
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        la      s1, zone
        li      t0, -1
        csrw    pmpaddr7, t0
        CONFIG  OPEN
        TRIES   "open", S, 0, 0, 0, 0
        li      t0, 0x73
        sd      t0, 0(s1)

        # NAPOT, 4 KiB, each set of permissions. Values are the offset of the address from `zone`.
        ADDRESS pmpaddr0, zone, 0, 0x1ff
        CONFIG  OPEN + NAPOT
        TRIES   "NAPOT none", S, 0, 0x5000, 0x7008, 0x1000
        TRIES   "NAPOT none", U, 16, 0x5010, 0x7018, 0x1010
        TRIES   "NAPOT none, unlocked, M", M, 0, 0, 0, 0
        CONFIG  OPEN + NAPOT + 1
        TRIES   "NAPOT R", S, 0, 0, 0x7008, 0x1000
        CONFIG  OPEN + NAPOT + 3
        TRIES   "NAPOT RW", S, 0, 0, 0, 0x1000
        CONFIG  OPEN + NAPOT + 4
        TRIES   "NAPOT X", S, 0, 0x5000, 0x7008, 0
        CONFIG  OPEN + NAPOT + 5
        TRIES   "NAPOT RX", S, 0, 0, 0x7008, 0
        CONFIG  OPEN + NAPOT + 7
        TRIES   "NAPOT RWX", S, 0, 0, 0, 0
        CONFIG  OPEN + NAPOT
        IN      S, "amoadd.d x0, x0, (s1)"
        call    cause_and_value
        ALONE   "NAPOT none: amo", s0, 0x7000
        CONFIG  OPEN + NAPOT + 1
        IN      S, "amoadd.d x0, x0, (s1)"
        call    cause_and_value
        CHECK   "NAPOT R: amo", s0, 0x7000
        IN      S, "lr.d x0, (s1)"
        call    cause_and_value
        CHECK   "NAPOT R: lr", s0, 0
        addi    s1, s1, 1024
        TRIES   "NAPOT R, inside", S, 1024, 0, 0x7808, 0x1800
        addi    s1, s1, -1024

        # Sizes: 8 bytes to 4 KiB; one step outside is open.
        .irp    size, 8,16,64,512,4096
        ADDRESS pmpaddr0, zone, 4096, \size / 8 - 1
        CONFIG  OPEN + NAPOT
        la      s2, zone + 4096
        IN      S, "lb t2, -1(s2)"
        call    cause_and_value
        CHECK   "NAPOT \size: before", s0, 0
        IN      S, "lb t2, 0(s2)"
        call    cause_and_value
        CHECK   "NAPOT \size: first byte", s0, 0x5000 + 4096
        li      t0, \size
        add     s2, s2, t0
        IN      S, "lb t2, -1(s2)"
        call    cause_and_value
        CHECK   "NAPOT \size: last byte", s0, 0x5000 + 4095 + \size
        IN      S, "lb t2, 0(s2)"
        call    cause_and_value
        CHECK   "NAPOT \size: after", s0, 0
        .endr

        # NA4, and accesses that it covers in part.
        ADDRESS pmpaddr0, zone, 16
        CONFIG  OPEN + NA4 + 1
        IN      S, "lw t2, 16(s1)"
        call    cause_and_value
        CHECK   "NA4 R: load", s0, 0
        IN      S, "sw t2, 16(s1)"
        call    cause_and_value
        CHECK   "NA4 R: store", s0, 0x7010
        IN      S, "sw t2, 20(s1)"
        call    cause_and_value
        CHECK   "NA4 R: store behind it", s0, 0
        IN      S, "sw t2, 12(s1)"
        call    cause_and_value
        CHECK   "NA4 R: store before it", s0, 0
        IN      S, "ld t2, 16(s1)"
        call    cause_and_value
        CHECK   "NA4 R: load of twice its size", s0, 0x5010
        CONFIG  OPEN + NA4 + 7
        IN      S, "sd t2, 16(s1)"
        call    cause_and_value
        CHECK   "NA4 RWX: store of twice its size", s0, 0x7010

        # Top of range.
        ADDRESS pmpaddr0, zone, 0x100
        ADDRESS pmpaddr1, zone, 0x180
        CONFIG  OPEN + ((TOR + 1) << 8)
        TRIES   "TOR R: below", S, 0xf0, 0, 0, 0
        TRIES   "TOR R: first", S, 0x100, 0, 0x7108, 0x1100
        TRIES   "TOR R: last", S, 0x170, 0, 0x7178, 0x1170
        TRIES   "TOR R: above", S, 0x180, 0, 0, 0
        ADDRESS pmpaddr0, zone, 0x180
        ADDRESS pmpaddr1, zone, 0x180   # QEMU 7.2 looks at the entry below only now
        sfence.vma
        TRIES   "TOR of nothing", S, 0x170, 0, 0, 0
        ADDRESS pmpaddr0, zone, 0x200
        ADDRESS pmpaddr1, zone, 0x180   # QEMU 7.2 looks at the entry below only now
        sfence.vma
        TRIES   "TOR upside down", S, 0x170, 0, 0, 0
        ADDRESS pmpaddr0, _start, 0
        CONFIG  OPEN + TOR
        li      s2, HOLE
        IN      S, "ld t2, (s2)"
        TRAPS   "TOR from zero", 5, HOLE
        TRIES   "TOR from zero: above", S, 0, 0, 0, 0

        # The first entry that matches rules.
        ADDRESS pmpaddr0, zone, 0, 0x1ff
        ADDRESS pmpaddr1, zone, 0, 0x3ff
        CONFIG  OPEN + ((NAPOT + 0) << 8) + NAPOT + 7
        TRIES   "entry 0 opens, entry 1 shuts", S, 0, 0, 0, 0
        la      s2, zone + 4096
        IN      S, "ld t2, (s2)"
        call    cause_and_value
        CHECK   "entry 1 alone", s0, 0x6000
        CONFIG  OPEN + ((NAPOT + 7) << 8) + NAPOT
        TRIES   "entry 0 shuts, entry 1 opens", S, 0, 0x5000, 0x7008, 0x1000

        # Without a matching entry only machine mode passes.
        ADDRESS pmpaddr0, _start, 0, 0x7ff
        CONFIG  NAPOT + 7
        la      s2, far
        IN      S, "ld t2, (s2)"
        CHECK   "no entry: load in S", s10, 5
        IN      M, "ld t2, (s2)"
        OK      "no entry: load in M", M
        CONFIG  0
        IN      S, "nop"
        ALONE   "all entries off: fetch in S", s10, 1

        # MPRV borrows the other mode's view.
        ADDRESS pmpaddr0, zone, 0, 0x1ff
        CONFIG  OPEN + NAPOT
        IN      M, "li t0, 0x21800; csrc mstatus, t0; li t0, 0x20800; csrs mstatus, t0; ld t2, (s1)"
        call    cause_and_value
        CHECK   "MPRV, MPP = S", s0, 0x5000
        IN      M, "li t0, 0x21800; csrs mstatus, t0; ld t2, (s1); li t0, 0x20000; csrc mstatus, t0"
        call    cause_and_value
        CHECK   "MPRV, MPP = M", s0, 0

        # Under translation: the page, then the tables.
        la      t0, root
        la      t1, 0x20000000 + 0xcf
        sd      t1, 16(t0)
        la      t2, zone
        srli    t2, t2, 2
        addi    t2, t2, 1
        sd      t2, 8(t0)               # the gigabyte at 1 GiB has its next table in `zone`
        sd      t1, 32(s1)
        srli    t0, t0, 12
        li      t1, 8 << 60
        or      t0, t0, t1
        csrw    satp, t0
        CONFIG  OPEN + NAPOT + 3
        li      s2, 0x40000000 + 4 * 0x200000
        IN      S, "ld t2, (s2)"
        OK      "table in memory that can be read", S
        CONFIG  OPEN + NAPOT
        IN      S, "ld t2, (s1)"
        call    cause_and_value
        CHECK   "page in shut memory: load", s0, 0x5000
        IN      S, "ld t2, (s2)"
        TRAPS   "table in shut memory: load", 5, 0x40800000
        IN      S, "sd t2, (s2)"
        TRAPS   "table in shut memory: store", 7, 0x40800000
        IN      S, "jr s2"
        TRAPS   "table in shut memory: fetch", 1, 0x40800000
        csrw    satp, x0
        sfence.vma

        # The registers.
        li      t0, -1
        csrw    pmpaddr2, t0
        csrr    s0, pmpaddr2
        ALONE   "pmpaddr: 54 bits", s0, 0x3fffffffffffff
        IN      M, "csrr a0, 0x3a1"
        TRAPS   "pmpcfg1", 2, 0x3a102573
        IN      M, "csrr a0, pmpcfg2"
        OK      "pmpcfg2", M
        IN      M, "csrr a0, pmpaddr15"
        OK      "pmpaddr15", M
        IN      S, "csrr a0, pmpcfg0"
        TRAPS   "pmpcfg0 in S", 2, 0x3a002573
        IN      S, "csrr a0, pmpaddr0"
        TRAPS   "pmpaddr0 in S", 2, 0x3b002573

        # Locked entries rule over machine mode too, and stay.
        ADDRESS pmpaddr4, zone, 0
        ADDRESS pmpaddr5, zone, 4096
        ADDRESS pmpaddr0, zone, 8192
        CONFIG  OPEN + ((LOCK + TOR + 1) << 40)
        TRIES   "locked TOR R, M", M, 0, 0, 0x7008, 0x1000
        TRIES   "locked TOR R, S", S, 0, 0, 0x7008, 0x1000
        CONFIG  OPEN
        csrr    s0, pmpcfg0
        li      t0, OPEN
        sub     s0, s0, t0
        CHECK   "a locked entry keeps its configuration", s0, (LOCK + TOR + 1) << 40
        csrr    s2, pmpaddr5
        csrw    pmpaddr5, x0
        csrr    s0, pmpaddr5
        sub     s0, s0, s2
        CHECK   "a locked entry keeps its address", s0, 0
        csrr    s2, pmpaddr4
        csrw    pmpaddr4, x0
        csrr    s0, pmpaddr4
        sub     s0, s0, s2
        CHECK   "a locked TOR entry keeps the address below", s0, 0
        csrw    pmpaddr3, x0
        csrr    s0, pmpaddr3
        CHECK   "other addresses can still be written", s0, 0
        TRIES   "still locked, M", M, 0, 0, 0x7008, 0x1000

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# s0 = cause * 0x1000 + (tval - zone), or 0 if the trap is the ecall that ends the test.
cause_and_value:
        li      s0, 0
        li      t0, 8
        bgeu    s10, t0, 1f
        slli    s0, s10, 12
        la      t0, zone
        sub     t0, s9, t0
        add     s0, s0, t0
1:      ret

# `ecall` everywhere, to be fetched.
        .data
        .balign 16384
zone:   .rept   4096
        .word   0x73
        .endr
far:    .dword  0
        .balign 4096
root:   .space  4096
