# Bit counting where QEMU 7.2 has it wrong: the generated programs go around it.
        .include "support.inc"

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        .macro  COUNTS code, value, expected
        li      s1, \value
        \code   s0, s1
        ALONE   "\code of \value", s0, \expected
        .endm
        COUNTS  ctzw, 0, 32
        COUNTS  ctzw, 0x1000000000000000, 32
        COUNTS  ctzw, 0xffffffff00000000, 32
        COUNTS  ctzw, 0xffffffff80000000, 31
        COUNTS  clzw, 0xffffffff00000000, 32
        COUNTS  cpopw, 0xffffffff00000000, 0
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret
