# Trap entry and return, the probe that catches traps, and the way into user mode.
#
# sscratch tells where a trap came from: it holds the supervisor stack pointer while user mode runs, and zero while
# supervisor mode runs.

#define FRAME       432     /* sizeof(struct trap_frame): pc, x1..x31, sstatus, 20 caller-saved float registers */
#define SSTATUS_SPP 0x100
#define SSTATUS_FS  (1 << 13)
#define HART_PROBE  8       /* offset in struct hart, see monitor.h */

    .macro each_integer op          # all but x0, which is not there, and x2, the stack pointer
    .irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \op x\n, 8*\n(sp)
    .endr
    .endm

    .macro each_float op            # ft0-7, fa0-7, ft8-11: those the C code of the handler may change
    .set slot, 264
    .irp n, 0,1,2,3,4,5,6,7,10,11,12,13,14,15,16,17,28,29,30,31
    \op f\n, slot(sp)
    .set slot, slot + 8
    .endr
    .endm

    .macro each_saved opx, opf      # what a C function must give back to its caller
    .set slot, 0
    .irp r, ra,s0,s1,s2,s3,s4,s5,s6,s7,s8,s9,s10,s11
    \opx \r, slot(sp)
    .set slot, slot + 8
    .endr
    .irp r, fs0,fs1,fs2,fs3,fs4,fs5,fs6,fs7,fs8,fs9,fs10,fs11
    \opf \r, slot(sp)
    .set slot, slot + 8
    .endr
    .endm

    .text
    .align 2
    .globl trap_entry
trap_entry:
    csrrw sp, sscratch, sp
    bnez sp, 1f
    csrrw sp, sscratch, sp          # from supervisor mode: keep its stack
1:  addi sp, sp, -FRAME
    each_integer sd
    csrrw t0, sscratch, zero
    bnez t0, 2f                     # from user mode: its sp was swapped into sscratch
    addi t0, sp, FRAME
2:  sd t0, 16(sp)
    csrr t0, sepc
    sd t0, 0(sp)
    csrr t0, sstatus
    sd t0, 256(sp)
    li t0, SSTATUS_FS               # the interrupted code may have had floating point off
    csrs sstatus, t0
    each_float fsd
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv a0, sp
    call trap_handle

    each_float fld
    ld t0, 0(sp)
    csrw sepc, t0
    ld t0, 256(sp)
    csrw sstatus, t0
    andi t0, t0, SSTATUS_SPP
    bnez t0, 3f
    addi t0, sp, FRAME              # back to user mode: leave our stack where the next trap finds it
    csrw sscratch, t0
3:  each_integer ld
    ld sp, 16(sp)
    sret

# int probe(void (*function)(void *), void *argument): calls it; 0 when it returned, 1 when a trap ended it. The chain of
# nested probes is kept on the stack: this frame's last slot holds the outer probe, and struct hart points to the inmost.
    .globl probe
probe:
    addi sp, sp, -208
    each_saved sd, fsd
    ld t0, HART_PROBE(tp)
    sd t0, 200(sp)
    sd sp, HART_PROBE(tp)
    mv t0, a0
    mv a0, a1
    jalr t0
    li a0, 0
    j 4f
    .globl probe_trapped
probe_trapped:                      # trap_handle sends the hart here with sp at this frame
    li a0, 1
4:  ld t0, 200(sp)
    sd t0, HART_PROBE(tp)
    each_saved ld, fld
    addi sp, sp, 208
    ret

# void user_run(uint64_t pc, uint64_t argument): runs pc in user mode with a0 = argument. Only a trap caught by a probe
# comes back.
    .globl user_run
user_run:
    csrw sscratch, sp
    csrw sepc, a0
    li t0, SSTATUS_SPP
    csrc sstatus, t0
    mv a0, a1
    sret

# Pieces of user-mode code, copied into a page of their own by the self-test.
    .globl user_code, user_code_end
    .align 3
user_code:                          # +0: a system call
    ecall
    .align 3
    csrr a0, sstatus                # +8: a supervisor register, forbidden
    .align 3
    ld a0, 0(a0)                    # +16: a load from a0, then a system call
    ecall
    .align 3
    ret                             # +24: a function for supervisor mode to call
user_code_end:
