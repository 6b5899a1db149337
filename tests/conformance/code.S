# Code that changes, and code in awkward places: across pages, at their ends, in long straight lines.
        .include "support.inc"

# addi a0, a0, n ; c.addi a0, n
        .equ    ADDI, 0x00050513
        .equ    C_ADDI, 0x0505

        .macro  CALLS label, function, expected
        li      a0, 0
        la      t0, \function
        jalr    t0
        mv      s0, a0
        CHECK   "\label", s0, \expected
        .endm

# Runs \function often enough for every cache to have it.
        .macro  WARM function
        li      s1, 300
7720:   la      t0, \function
        jalr    t0
        addi    s1, s1, -1
        bnez    s1, 7720b
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)

        WARM    small
        CALLS   "before", small, 1
        # Changed by each kind of store.
        la      s2, small
        li      t1, ADDI + (2 << 20)
        sw      t1, 0(s2)
        fence.i
        CALLS   "sw", small, 2
        li      t1, 3 << 4 | 5
        sb      t1, 2(s2)
        sb      x0, 3(s2)
        fence.i
        CALLS   "sb", small, 3
        li      t1, 0x45
        sh      t1, 2(s2)
        fence.i
        CALLS   "sh", small, 4
        ld      t1, 0(s2)
        li      t2, 1 << 20
        add     t1, t1, t2
        sd      t1, 0(s2)
        fence.i
        CALLS   "sd", small, 5
        li      t1, 1 << 20
        amoadd.w x0, t1, (s2)
        fence.i
        CALLS   "amoadd.w", small, 6
        lr.w    t1, (s2)
        li      t2, 1 << 20
        add     t1, t1, t2
        sc.w    x0, t1, (s2)
        fence.i
        CALLS   "sc.w", small, 7
        SET     mstatus, MSTATUS_FS
        li      t1, ADDI + (8 << 20)
        fmv.w.x ft0, t1
        fsw     ft0, 0(s2)
        fence.i
        CALLS   "fsw", small, 8
        # A longer instruction becomes two short ones, and back.
        li      t1, C_ADDI | (C_ADDI << 16)
        sw      t1, 0(s2)
        fence.i
        CALLS   "two short for one long", small, 2
        li      t1, ADDI + (9 << 20)
        sw      t1, 0(s2)
        fence.i
        CALLS   "one long for two short", small, 9
        # Into the middle of a long instruction, whose upper half is one too.
        li      t1, (C_ADDI << 16) | 0x0513
        sw      t1, 0(s2)
        fence.i
        WARM    small
        li      a0, 0
        la      t0, small + 2
        jalr    t0
        mv      s0, a0
        CHECK   "entered in the middle", s0, 1

        # Again and again: code that counts itself up.
        li      t1, ADDI + (0 << 20)
        sw      t1, 0(s2)
        li      s1, 500
        li      s0, 0
1:      lw      t1, 0(s2)
        li      t2, 1 << 20
        add     t1, t1, t2
        sw      t1, 0(s2)
        fence.i
        li      a0, 0
        jalr    s2
        add     s0, s0, a0
        addi    s1, s1, -1
        bnez    s1, 1b
        CHECK   "changed five hundred times", s0, 125250

        # The next instructions change themselves.
        la      t0, 1f
        li      t1, ADDI + (21 << 20)
        li      a0, 0
        sw      t1, 0(t0)
        fence.i
        .option push
        .option norvc
        .balign 4
1:      addi    a0, a0, 1
        .option pop
        mv      s0, a0
        CHECK   "right ahead", s0, 21

        # An instruction that lies in two pages, changed in either.
        WARM    straddling
        CALLS   "across pages", straddling, 1
        la      s2, second_page
        li      t1, 0x0020
        sh      t1, 0(s2)
        fence.i
        CALLS   "across pages, second half changed", straddling, 2
        WARM    straddling
        li      t1, 0x0593              # the lower half of addi a1, a0
        sh      t1, -2(s2)
        li      t1, 0x0035
        sh      t1, 0(s2)
        li      a1, 0
        fence.i
        li      a0, 4
        la      t0, straddling
        jalr    t0
        mv      s0, a1
        CHECK   "across pages, first half changed", s0, 7
        # By one store that lies in both pages.
        li      t1, ADDI + (9 << 20)
        sw      t1, -2(s2)
        fence.i
        CALLS   "across pages, changed by one store", straddling, 9
        # Back and forth over the border.
        CALLS   "jumps over the border", ping, 40

        # Straight lines of several pages, and one that ends at a page's end.
        CALLS   "three thousand short instructions", long, 3000
        CALLS   "again", long, 3000
        la      t0, long + 4000
        li      a0, 0
        jalr    t0
        mv      s0, a0
        CHECK   "from the middle", s0, 1000

        # Copied elsewhere and run there, over what ran there before.
        li      s1, 0
        li      s0, 0
2:      la      t0, copies
        lw      t1, 0(t0)
        li      t2, ADDI
        slli    t3, s1, 20
        add     t2, t2, t3
        sw      t2, 0(t0)
        li      t2, 0x8082              # ret
        sh      t2, 4(t0)
        fence.i
        li      a0, 0
        jalr    t0
        add     s0, s0, a0
        addi    s1, s1, 1
        li      t0, 100
        bne     s1, t0, 2b
        CHECK   "rewritten a hundred times", s0, 4950

        # Data beside code: stores to a page that runs.
        li      s1, 1000
        la      s2, beside
        li      a0, 0
3:      la      t0, beside_code
        jalr    t0
        sd      a0, 0(s2)
        ld      t1, 0(s2)
        addi    s1, s1, -1
        bnez    s1, 3b
        mv      s0, t1
        CHECK   "data beside code", s0, 1000

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

        .balign 8
small:  .word   ADDI + (1 << 20)
        ret
        .balign 8

        .balign 4096
beside_code:
        addi    a0, a0, 1
        ret
        .balign 8
beside: .dword  0

        .balign 4096
        .space  4096 - 2
straddling:
        .option push
        .option norvc
second_page = straddling + 2
        .2byte  0x0513, 0x0015
        jr      ra
        .option pop
ping:   li      t1, 20
1:      j       pong
2:      addi    a0, a0, 1
        addi    t1, t1, -1
        bnez    t1, 1b
        jr      ra
        .balign 4096
pong:   addi    a0, a0, 1
        j       2b

        .balign 4096
long:   .rept   3000
        c.addi  a0, 1
        .endr
        ret

        .balign 4096
copies: .space  64
