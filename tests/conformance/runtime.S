# Runtime of the generated conformance programs.
#
# The harness (crate/tests/conformance) lays out an image: this code at 0x80000000, the parameters it
# wrote at PARAMS, and any number of "blocks" of generated instructions. For every block the runtime loads a
# complete register and memory state from a table, enters the block in the wanted privilege mode, and takes
# over again through machine-mode traps:
#
#   ebreak            the block is over: print a hash of the whole state, go on to the next block
#   ecall             print the whole state in full (only in programs built to explain a mismatch)
#   any other trap    mix cause, value and pc into the hash, then skip the instruction
#
# Blocks may use every register: the runtime keeps nothing but its save area's address, in mscratch.

        .equ    PARAMS, 0x80004000
        .equ    P_COUNT, 0              # number of blocks
        .equ    P_STATES, 8             # table of STATE_BYTES each
        .equ    P_STARTS, 16            # table of block addresses
        .equ    P_ENDS, 24              # table of addresses of each block's ebreak
        .equ    P_MODE, 32              # privilege mode, as in mstatus.MPP
        .equ    P_SATP, 40
        .equ    P_VERBOSE, 48           # print traps as they come
        .equ    P_MEM_A, 56             # physical addresses of the two halves of the scratch memory
        .equ    P_MEM_B, 64
        .equ    P_PMPCFG, 72
        .equ    P_PMPADDR, 80           # two entries

        .equ    STATE_BYTES, 768        # fcsr, x1..x31, f0..f31, 16 + 16 words of scratch memory
        .equ    MEM_WORDS, 16

        .equ    SAVE, 0x80005000        # same shape as a state, then:
        .equ    S_INDEX, 768            # block being run
        .equ    S_TRAPS, 776            # hash of the traps seen in this block
        .equ    S_ILLEGAL, 784          # number of illegal-instruction traps in this block

        .equ    STACK, 0x80007000
        .equ    UART, 0x10000000
        .equ    FINISHER, 0x100000

        .text
        .globl  _start
_start:
        csrr    t0, mhartid
        bnez    t0, park
        la      t0, trap
        csrw    mtvec, t0
        li      s0, PARAMS
        li      s1, SAVE
        csrw    mscratch, s1
        sd      zero, S_INDEX(s1)
        csrw    mie, zero
        csrw    medeleg, zero
        csrw    mideleg, zero
        csrw    mcounteren, zero
        ld      t0, P_PMPADDR(s0)
        csrw    pmpaddr0, t0
        ld      t0, P_PMPADDR+8(s0)
        csrw    pmpaddr1, t0
        ld      t0, P_PMPCFG(s0)
        csrw    pmpcfg0, t0
        ld      t0, P_SATP(s0)
        csrw    satp, t0
        sfence.vma
        j       enter_block

park:   wfi
        j       park

# Load the next block's state and enter it. Takes s0 = PARAMS, s1 = SAVE.
enter_block:
        ld      s2, S_INDEX(s1)
        ld      t0, P_COUNT(s0)
        bgeu    s2, t0, finish
        sd      zero, S_TRAPS(s1)
        sd      zero, S_ILLEGAL(s1)
        csrw    sscratch, zero
        csrw    stval, zero
        li      t0, 0x7800              # MPP and FS
        csrs    mstatus, t0
        li      t0, 0x1800
        csrc    mstatus, t0
        ld      t0, P_MODE(s0)
        slli    t0, t0, 11
        csrs    mstatus, t0

        li      t0, STATE_BYTES
        mul     t0, t0, s2
        ld      s3, P_STATES(s0)
        add     s3, s3, t0              # s3 = the state's words
        ld      t1, P_MEM_A(s0)
        addi    t2, s3, 512
        call    copy_words
        ld      t1, P_MEM_B(s0)
        addi    t2, s3, 512+8*MEM_WORDS
        call    copy_words

        slli    t0, s2, 3
        ld      t1, P_STARTS(s0)
        add     t1, t1, t0
        ld      t1, 0(t1)
        csrw    mepc, t1
        ld      t0, 0(s3)
        fscsr   t0
        mv      sp, s3
        fence.i
        j       restore

# Copy MEM_WORDS words from t2 to t1.
copy_words:
        li      t3, MEM_WORDS
1:      ld      t4, 0(t2)
        sd      t4, 0(t1)
        addi    t1, t1, 8
        addi    t2, t2, 8
        addi    t3, t3, -1
        bnez    t3, 1b
        ret

# Load every register from the state at sp, and return from the trap.
restore:
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        fld     f\n, 256+8*\n(sp)
        .endr
        .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        ld      x\n, 8*\n(sp)
        .endr
        ld      sp, 16(sp)
        mret

        .balign 4
trap:
        csrrw   sp, mscratch, sp
        .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        sd      x\n, 8*\n(sp)
        .endr
        mv      s1, sp
        csrrw   t0, mscratch, sp
        sd      t0, 16(s1)
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        fsd     f\n, 256+8*\n(s1)
        .endr
        frcsr   t0
        sd      t0, 0(s1)
        li      s0, PARAMS
        li      sp, STACK
        csrr    s2, mcause
        csrr    s3, mepc

        li      t0, 3
        beq     s2, t0, end_of_block
        li      t0, 8
        beq     s2, t0, dump
        li      t0, 9
        beq     s2, t0, dump
        li      t0, 11
        beq     s2, t0, dump

        # An ordinary trap: note it.
        csrr    s4, mtval
        ld      a0, S_TRAPS(s1)
        mv      a1, s2
        call    mix
        mv      a1, s4
        call    mix
        mv      a1, s3
        call    mix
        sd      a0, S_TRAPS(s1)
        li      t0, 2
        bne     s2, t0, 1f
        ld      t0, S_ILLEGAL(s1)
        addi    t0, t0, 1
        sd      t0, S_ILLEGAL(s1)
1:      ld      t0, P_VERBOSE(s0)
        beqz    t0, 2f
        li      a0, 'T'
        call    putc
        mv      a0, s2
        call    put_word
        mv      a0, s4
        call    put_word
        mv      a0, s3
        call    put_word
        call    newline
        # After a failed fetch there is nothing to skip: give the block up.
2:      li      t0, 1
        bleu    s2, t0, 3f
        li      t0, 12
        beq     s2, t0, 3f
        lhu     t0, 0(s3)
        andi    t0, t0, 3
        addi    s3, s3, 2
        li      t1, 3
        bne     t0, t1, resume
        addi    s3, s3, 2
        j       resume
3:      ld      t0, S_INDEX(s1)
        slli    t0, t0, 3
        ld      t1, P_ENDS(s0)
        add     t1, t1, t0
        ld      s3, 0(t1)
resume:
        csrw    mepc, s3
        ld      t0, 0(s1)
        fscsr   t0
        mv      sp, s1
        j       restore

# Print "D" and every word of the state.
dump:
        li      a0, 'D'
        call    putc
        mv      s5, s1
        li      s6, 64
        call    put_words
        ld      s5, P_MEM_A(s0)
        li      s6, MEM_WORDS
        call    put_words
        ld      s5, P_MEM_B(s0)
        li      s6, MEM_WORDS
        call    put_words
        call    newline
        addi    s3, s3, 4
        j       resume

# Print "B", the hash of the state and the number of illegal instructions; go on with the next block.
end_of_block:
        ld      a0, S_TRAPS(s1)
        mv      s5, s1
        li      s6, 64
        call    mix_words
        ld      s5, P_MEM_A(s0)
        li      s6, MEM_WORDS
        call    mix_words
        ld      s5, P_MEM_B(s0)
        li      s6, MEM_WORDS
        call    mix_words
        mv      s4, a0
        li      a0, 'B'
        call    putc
        mv      a0, s4
        call    put_word
        ld      a0, S_ILLEGAL(s1)
        call    put_word
        call    newline
        ld      t0, S_INDEX(s1)
        addi    t0, t0, 1
        sd      t0, S_INDEX(s1)
        j       enter_block

finish:
        li      a0, 'E'
        call    putc
        call    newline
        li      t0, FINISHER
        li      t1, 0x5555
        sw      t1, 0(t0)
        j       park

# a0 = hash of a0 and the word a1. Clobbers t0.
mix:
        xor     a0, a0, a1
        li      t0, 0x9e3779b97f4a7c15
        mul     a0, a0, t0
        srli    t0, a0, 29
        xor     a0, a0, t0
        ret

# Mix s6 words from s5 into a0.
mix_words:
        li      t1, 0x9e3779b97f4a7c15
1:      ld      a1, 0(s5)
        xor     a0, a0, a1
        mul     a0, a0, t1
        srli    t0, a0, 29
        xor     a0, a0, t0
        addi    s5, s5, 8
        addi    s6, s6, -1
        bnez    s6, 1b
        ret

# Print s6 words from s5.
put_words:
        addi    sp, sp, -16
        sd      ra, 0(sp)
1:      ld      a0, 0(s5)
        call    put_word
        addi    s5, s5, 8
        addi    s6, s6, -1
        bnez    s6, 1b
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# Print a space and a0 in hexadecimal without leading zeros.
put_word:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        mv      t3, a0
        li      a0, ' '
        call    putc
        li      t4, 60
1:      srl     t5, t3, t4
        bnez    t5, 2f
        beqz    t4, 2f
        addi    t4, t4, -4
        j       1b
2:      srl     a0, t3, t4
        andi    a0, a0, 15
        li      t5, 10
        bltu    a0, t5, 3f
        addi    a0, a0, 'a'-'0'-10
3:      addi    a0, a0, '0'
        call    putc
        addi    t4, t4, -4
        bgez    t4, 2b
        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

newline:
        li      a0, '\n'
# Print the byte a0. Clobbers t0 and t1.
putc:
        li      t0, UART
1:      lbu     t1, 5(t0)
        andi    t1, t1, 0x20
        beqz    t1, 1b
        sb      a0, 0(t0)
        ret
