# Zicbom and Zicboz: blocks of 64 bytes. QEMU 7.2 does not have them; every line is Tabvisor's alone.
        .include "support.inc"

        .equ    CBIE, 3 << 4
        .equ    CBCFE, 1 << 6
        .equ    CBZE, 1 << 7

# cbo.* (s1): rs1 is x9.
        .equ    INVAL, 0x0004a00f
        .equ    CLEAN, 0x0014a00f
        .equ    FLUSH, 0x0024a00f
        .equ    ZERO, 0x0044a00f

        .macro  RUNS label, mode, word
        IN      \mode, ".4byte \word"
        ALONE   "\label", s10, 8 + \mode
        .endm

        .macro  ILLEGAL label, mode, word
        IN      \mode, ".4byte \word"
        ALONE   "\label", s10, 2
        ALONE   "\label: tval", s9, \word
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        la      s1, block + 35
        RUNS    "cbo.zero in M", M, ZERO
        la      s2, block
        .macro  WORD label, offset, expected
        ld      s0, \offset(s2)
        ALONE   "\label", s0, \expected
        .endm
        WORD    "word before the block", -8, -1
        WORD    "first word", 0, 0
        WORD    "middle word", 32, 0
        WORD    "last word", 56, 0
        WORD    "word after the block", 64, -1
        RUNS    "cbo.inval in M", M, INVAL
        RUNS    "cbo.clean in M", M, CLEAN
        RUNS    "cbo.flush in M", M, FLUSH
        WORD    "after cleaning", 64, -1

        # What menvcfg and senvcfg allow.
        csrw    menvcfg, x0
        csrw    senvcfg, x0
        ILLEGAL "menvcfg clear: cbo.zero in S", S, ZERO
        ILLEGAL "menvcfg clear: cbo.clean in S", S, CLEAN
        ILLEGAL "menvcfg clear: cbo.flush in S", S, FLUSH
        ILLEGAL "menvcfg clear: cbo.inval in S", S, INVAL
        WRITE   menvcfg, CBZE
        RUNS    "CBZE: cbo.zero in S", S, ZERO
        ILLEGAL "CBZE: cbo.clean in S", S, CLEAN
        ILLEGAL "senvcfg clear: cbo.zero in U", U, ZERO
        WRITE   senvcfg, CBZE
        RUNS    "senvcfg.CBZE: cbo.zero in U", U, ZERO
        WRITE   menvcfg, CBCFE
        RUNS    "CBCFE: cbo.clean in S", S, CLEAN
        RUNS    "CBCFE: cbo.flush in S", S, FLUSH
        ILLEGAL "CBCFE: cbo.inval in S", S, INVAL
        ILLEGAL "menvcfg.CBZE clear: cbo.zero in U", U, ZERO
        WRITE   senvcfg, CBCFE
        RUNS    "senvcfg.CBCFE: cbo.flush in U", U, FLUSH
        WRITE   menvcfg, CBIE
        WRITE   senvcfg, CBIE
        RUNS    "CBIE: cbo.inval in S", S, INVAL
        RUNS    "CBIE: cbo.inval in U", U, INVAL
        WRITE   menvcfg, 1 << 4
        RUNS    "CBIE 1: cbo.inval in S flushes", S, INVAL
        csrw    menvcfg, x0
        csrw    senvcfg, x0

        # Encodings that are none of the four.
        ILLEGAL "cbo 3", M, 0x0034a00f
        ILLEGAL "cbo 5", M, 0x0054a00f
        ILLEGAL "cbo with rd", M, 0x0044a08f

        # Faults are a store's.
        li      s1, HOLE + 5
        IN      M, ".4byte ZERO"
        ALONE   "cbo.zero on a hole: cause", s10, 7
        ALONE   "cbo.zero on a hole: tval", s9, HOLE + 5

        # Under translation.
        la      t0, root
        li      t1, 0x20000000 + 0xcf
        sd      t1, 16(t0)
        li      t1, 0x20000000 + 0xc3
        sd      t1, 8(t0)               # read only at 1 GiB
        li      t1, 0x20000000 + 0xc9
        sd      t1, 0(t0)               # execute only at 0
        srli    t0, t0, 12
        li      t1, 8 << 60
        or      t0, t0, t1
        csrw    satp, t0
        sfence.vma
        WRITE   menvcfg, CBZE + CBCFE + CBIE
        la      s1, block
        RUNS    "cbo.zero, page that can be written", S, ZERO
        li      t0, 0x40000000
        sub     s1, s1, t0
        IN      S, ".4byte ZERO"
        ALONE   "cbo.zero, page that can be read: cause", s10, 15
        sub     s9, s9, s1
        ALONE   "cbo.zero, page that can be read: tval", s9, 0
        RUNS    "cbo.clean, page that can be read", S, CLEAN
        RUNS    "cbo.inval, page that can be read", S, INVAL
        li      t0, 0x40000000
        sub     s1, s1, t0
        IN      S, ".4byte FLUSH"
        ALONE   "cbo.flush, page that can be run only: cause", s10, 15
        csrw    satp, x0

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

        .data
        .balign 64
        .dword  -1, -1, -1, -1, -1, -1, -1, -1
block:  .rept   16
        .dword  -1
        .endr
        .balign 4096
root:   .space  4096
