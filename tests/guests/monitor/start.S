# Entry of the first hart and of those started later through SBI HSM. Both find a0 = hart id and a1 = a value of their
# own: the device tree for the first, the address of its struct hart for a later one. Paging and interrupts are off.

#define HART_STACK  0           /* offset in struct hart, see monitor.h */
#define SSTATUS_FS  (1 << 13)   /* floating point on, state "initial" */

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    addi t0, t0, 8
    j 1b
2:  la sp, boot_stack_top
    la tp, harts
    la t0, trap_entry
    csrw stvec, t0
    csrw sscratch, zero
    csrw sie, zero
    li t0, SSTATUS_FS
    csrs sstatus, t0
    fscsr zero
    call monitor_main
1:  wfi
    j 1b

    .globl secondary_start
secondary_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    mv tp, a1
    ld sp, HART_STACK(tp)
    la t0, trap_entry
    csrw stvec, t0
    csrw sscratch, zero
    csrw sie, zero
    li t0, SSTATUS_FS
    csrs sstatus, t0
    fscsr zero
    call secondary_main
1:  wfi
    j 1b

    .section .bss
    .align 4
    .skip 32768
boot_stack_top:
