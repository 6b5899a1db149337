# Random accesses under random page tables, without more fences than needed: what a machine remembers of
# translations must never show.
#
# The harness (crate/tests/conformance/translation.rs) puts records of RECORD bytes at OPERATIONS; this program
# does what they say, one after the other, and prints a line for each access: its cause, and a hash of what it saw.
        .include "support.inc"

        .equ    OPERATIONS, 0x81000000
        .equ    RECORD, 48
        .equ    KIND, 0         # 0 load, 1 store, 2 fetch; 3 load, 4 store by MPRV; 5 satp; 6 entry and fence; 7 end
        .equ    ADDRESS, 8      # virtual, of the entry, or the value for satp
        .equ    VALUE, 16       # bits to set in mstatus, or the entry
        .equ    FENCE, 24       # 0 everything, 1 address, 2 address space, 3 both
        .equ    FENCED, 32
        .equ    FENCED_ASID, 40

        .equ    ALIAS, 0x40000000
        .equ    ADUE, 1 << 61

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        SET     menvcfg, ADUE
        li      s0, OPERATIONS
next:
        ld      t0, KIND(s0)
        li      t1, 7
        beq     t0, t1, end
        ld      s2, ADDRESS(s0)
        ld      t2, VALUE(s0)
        li      t1, 5
        beq     t0, t1, switch
        bgtu    t0, t1, entry

        li      t1, MSTATUS_SUM | MSTATUS_MXR | MSTATUS_MPP | MSTATUS_MPRV
        csrc    mstatus, t1
        la      s11, back
        li      a0, -1
        li      s10, 0
        li      s9, 0
        li      t1, 3
        bgeu    t0, t1, by_mprv
        csrs    mstatus, t2
        la      t1, accesses
        slli    t0, t0, 4
        add     t1, t1, t0
        li      t0, MSTATUS_MPP
        and     t0, t0, t2
        bnez    t0, 1f
        li      t0, ALIAS
        add     t1, t1, t0
1:      csrw    mepc, t1
        mret

by_mprv:
        bne     t0, t1, 2f
        csrs    mstatus, t2
        ld      a0, 0(s2)
        j       3f
2:      csrs    mstatus, t2
        sd      s0, 0(s2)
3:      li      t1, MSTATUS_MPRV
        csrc    mstatus, t1
        li      s11, 0

back:
        mv      a1, s10
        xor     t0, a0, s9
        li      t1, 0x9e3779b97f4a7c15
        mul     t0, t0, t1
        srli    a0, t0, 52
        slli    a1, a1, 12
        or      a0, a0, a1
        call    put_hex
        li      a0, '\n'
        call    putc
        j       done

switch:
        csrw    satp, s2
        j       done

entry:
        sd      t2, 0(s2)
        ld      t0, FENCE(s0)
        ld      t1, FENCED(s0)
        ld      t2, FENCED_ASID(s0)
        beqz    t0, 3f
        addi    t0, t0, -1
        beqz    t0, 1f
        addi    t0, t0, -1
        beqz    t0, 2f
        sfence.vma t1, t2
        j       done
1:      sfence.vma t1
        j       done
2:      sfence.vma x0, t2
        j       done
3:      sfence.vma
done:
        addi    s0, s0, RECORD
        j       next

end:
        csrw    satp, x0
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# Sixteen bytes each: load, store, fetch at s2.
        .option push
        .option norvc
        .balign 16
accesses:
        ld      a0, 0(s2)
        ecall
        .balign 16
        sd      s0, 0(s2)
        ecall
        .balign 16
        jr      s2
        .option pop
