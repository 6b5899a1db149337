# Exceptions: causes, values, return addresses, delegation, and what the privileged instructions need.
        .include "support.inc"

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)

        # Environment calls and breakpoints.
        IN      U, nop
        TRAPS   "ecall from U", 8, 0
        IN      S, nop
        TRAPS   "ecall from S", 9, 0
        IN      M, nop
        TRAPS   "ecall from M", 11, 0
        IN      U, "la s0, 1f; 1: ebreak"
        CHECK   "ebreak: cause", s10, 3
        sub     s0, s0, s8
        CHECK   "ebreak: mepc is its own address", s0, 0
        IN      S, ".option push; .option norvc; la s0, 1f; .option pop; .balign 4; nop; .2byte 1; 1: .2byte 0x9002"
        CHECK   "c.ebreak: cause", s10, 3
        sub     s0, s0, s8
        CHECK   "c.ebreak: mepc is its own address", s0, 0

        # Illegal instructions show their bits.
        IN      U, ".2byte 0; .2byte 0"
        TRAPS   "all zeros", 2, 0
        IN      U, ".4byte 0xffffffff"
        TRAPS   "all ones", 2, 0xffffffff
        IN      S, ".4byte 0x00c5f02b"
        TRAPS   "custom-1", 2, 0x00c5f02b
        IN      M, ".2byte 0x8000; .2byte 1"
        TRAPS   "reserved quadrant 0", 2, 0x8000
        IN      M, ".2byte 0x4002; .2byte 1"
        TRAPS   "c.lwsp to x0", 2, 0x4002

        # Accesses where nothing is.
        li      s0, HOLE
        IN      M, "lw a0, 4(s0)"
        TRAPS   "load from a hole", 5, HOLE+4
        IN      M, "sd a0, 8(s0)"
        TRAPS   "store to a hole", 7, HOLE+8
        IN      M, "amoadd.w a0, a0, (s0)"
        ALONE   "amo on a hole: cause", s10, 7
        CHECK   "amo on a hole: tval", s9, HOLE
        IN      M, "lr.w a0, (s0)"
        TRAPS   "lr on a hole", 5, HOLE
        IN      M, "fld ft0, (s0)"
        CHECK   "float load with FS off: cause", s10, 2
        SET     mstatus, MSTATUS_FS
        IN      M, "fld ft0, (s0)"
        TRAPS   "float load from a hole", 5, HOLE
        IN      M, "jr s0"
        TRAPS   "fetch from a hole", 1, HOLE
        li      t0, HOLE
        sub     s8, s8, t0
        CHECK   "fetch from a hole: mepc is the target", s8, 0
        IN      M, "addi s1, s0, 1; jr s1"
        TRAPS   "jalr drops bit 0", 1, HOLE
        li      s0, 0x88000000
        IN      M, "ld a0, (s0)"
        TRAPS   "load past the end of RAM", 5, 0x88000000
        IN      M, "ld a0, -8(s0)"
        OK      "load of the last word", M
        IN      M, "jr s0"
        TRAPS   "fetch past the end of RAM", 1, 0x88000000

        # A faulting load leaves its register alone.
        li      s0, HOLE
        li      s1, 77
        IN      M, "ld s1, (s0)"
        CHECK   "register after a faulting load", s1, 77
        IN      M, "jalr s1, (s0)"
        CHECK   "jalr to a hole has jumped", s10, 1
        la      t0, main
        sltu    t0, t0, s1
        CHECK   "jalr to a hole has linked", t0, 1

        # Misaligned: plain accesses work, atomics do not.
        la      s0, words
        IN      U, "ld s1, 3(s0)"
        OK      "misaligned load", U
        CHECK   "misaligned load: value", s1, 0xbbaa998877665544
        IN      U, "lw s1, 1(s0)"
        CHECK   "misaligned lw: value", s1, 0x55443322
        addi    s0, s0, 2
        IN      U, "amoadd.w a0, a0, (s0)"
        ALONE   "misaligned amo: cause", s10, 6
        sub     s9, s9, s0
        CHECK   "misaligned amo: tval is the address", s9, 0
        IN      U, "sc.w a0, a0, (s0)"
        ALONE   "misaligned sc: cause", s10, 6
        IN      U, "lr.d a0, (s0)"
        ALONE   "misaligned lr: cause", s10, 4

        # The stack of privilege modes and interrupt enables in mstatus.
        CLEAR   mstatus, MSTATUS_MIE | MSTATUS_MPIE
        IN      U, nop
        li      t0, MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE
        and     s7, s7, t0
        CHECK   "trap from U: MPP, MPIE, MIE", s7, 0
        SET     mstatus, MSTATUS_MPIE
        IN      S, nop
        li      t0, MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE
        and     s7, s7, t0
        CHECK   "trap from S with MIE: MPP, MPIE, MIE", s7, 0x880
        SET     mstatus, MSTATUS_MPIE
        IN      M, nop
        li      t0, MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE
        and     s7, s7, t0
        CHECK   "trap from M with MIE: MPP, MPIE, MIE", s7, 0x1880
        # After mret MPP is the least privileged mode and MPIE is set.
        IN      M, "csrr s0, mstatus"
        li      t0, MSTATUS_MPP | MSTATUS_MPIE
        and     s0, s0, t0
        CHECK   "mstatus after mret: MPP, MPIE", s0, 0x80

        # What needs which mode.
        IN      S, "mret"
        TRAPS   "mret in S", 2, 0x30200073
        IN      U, "mret"
        TRAPS   "mret in U", 2, 0x30200073
        IN      U, "sret"
        TRAPS   "sret in U", 2, 0x10200073
        IN      U, "wfi"
        TRAPS   "wfi in U", 2, 0x10500073
        IN      U, "sfence.vma"
        TRAPS   "sfence.vma in U", 2, 0x12000073
        IN      S, "sfence.vma"
        OK      "sfence.vma in S", S
        IN      U, ".4byte 0x16000073"
        CHECK   "sinval.vma in U: cause", s10, 2
        ALONE   "sinval.vma in U: tval", s9, 0x16000073
        IN      U, ".4byte 0x18000073"
        ALONE   "sfence.w.inval in U: cause", s10, 2
        ALONE   "sfence.w.inval in U: tval", s9, 0x18000073
        IN      U, ".4byte 0x18100073"
        ALONE   "sfence.inval.ir in U: cause", s10, 2
        ALONE   "sfence.inval.ir in U: tval", s9, 0x18100073
        IN      S, ".4byte 0x16b50073; .4byte 0x18000073; .4byte 0x18100073"
        OK      "Svinval in S", S
        IN      U, "csrr a0, sstatus"
        TRAPS   "sstatus in U", 2, 0x10002573
        IN      S, "csrr a0, mstatus"
        TRAPS   "mstatus in S", 2, 0x30002573
        IN      U, "csrr a0, mstatus"
        TRAPS   "mstatus in U", 2, 0x30002573

        # TVM, TW, TSR.
        SET     mstatus, MSTATUS_TVM
        IN      S, "csrr a0, satp"
        TRAPS   "TVM: satp is not read", 2, 0x18002573
        IN      S, "csrw satp, x0"
        TRAPS   "TVM: satp is not written", 2, 0x18001073
        IN      S, "sfence.vma a0, a1"
        TRAPS   "TVM: sfence.vma", 2, 0x12b50073
        IN      S, ".4byte 0x16b50073"
        ALONE   "TVM: sinval.vma: cause", s10, 2
        IN      S, ".4byte 0x18000073"
        OK      "TVM leaves sfence.w.inval", S
        IN      M, "csrr a0, satp; sfence.vma"
        OK      "TVM leaves machine mode", M
        CLEAR   mstatus, MSTATUS_TVM
        SET     mstatus, MSTATUS_TW
        IN      S, "wfi"
        TRAPS   "TW: wfi in S", 2, 0x10500073
        CLEAR   mstatus, MSTATUS_TW
        SET     mstatus, MSTATUS_TSR
        IN      S, "sret"
        TRAPS   "TSR: sret in S", 2, 0x10200073
        CLEAR   mstatus, MSTATUS_TSR

        # sret: to where SPP says, SIE from SPIE, MPRV cleared.
        IN      S, "li t0, 0x122; csrc sstatus, t0; li t0, 0x20; csrs sstatus, t0; la t0, 1f; csrw sepc, t0; sret; 1: nop"
        CHECK   "sret to U: ecall from U", s10, 8
        andi    s7, s7, 0x122
        CHECK   "sret to U: SPP, SPIE, SIE", s7, 0x22
        IN      S, "li t0, 0x122; csrc sstatus, t0; li t0, 0x100; csrs sstatus, t0; la t0, 1f; csrw sepc, t0; sret; 1: nop"
        CHECK   "sret to S: ecall from S", s10, 9
        andi    s7, s7, 0x122
        CHECK   "sret to S: SPP, SPIE, SIE", s7, 0x20
        IN      M, "li t0, 0x20100; csrs mstatus, t0; la t0, 1f; csrw sepc, t0; sret; 1: nop"
        CHECK   "sret in M: ecall from S", s10, 9
        li      t0, MSTATUS_MPRV
        and     s7, s7, t0
        ALONE   "sret clears MPRV", s7, 0
        SET     mstatus, MSTATUS_MPRV
        IN      U, nop
        li      t0, MSTATUS_MPRV
        and     s7, s7, t0
        ALONE   "mret to U clears MPRV", s7, 0
        SET     mstatus, MSTATUS_MPRV
        IN      M, nop
        li      t0, MSTATUS_MPRV
        and     s7, s7, t0
        CHECK   "mret to M keeps MPRV", s7, MSTATUS_MPRV
        CLEAR   mstatus, MSTATUS_MPRV

        # Delegation.
        li      t0, -1
        csrw    medeleg, t0
        csrr    s0, medeleg
        li      t0, 0xb3ff
        and     s0, s0, t0
        CHECK   "medeleg: what can be delegated", s0, 0xb3ff
        csrr    s0, medeleg
        srli    s0, s0, 11
        andi    s0, s0, 1
        ALONE   "medeleg: ecall from M cannot", s0, 0
        WRITE   medeleg, 1<<8
        csrr    s0, medeleg
        CHECK   "medeleg: as written", s0, 0x100
        li      t0, MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE
        csrc    mstatus, t0
        csrsi   mstatus, MSTATUS_SIE
        IN      U, "la s0, 1f; 1: ecall"
        CHECK   "delegated ecall: reached M from S", s10, 9
        CHECK   "delegated ecall: scause", s6, 8
        CHECK   "delegated ecall: stval", s5, 0
        sub     s0, s0, s4
        CHECK   "delegated ecall: sepc", s0, 0
        andi    s3, s3, 0x122
        CHECK   "delegated ecall: SPP, SPIE, SIE", s3, 0x20
        IN      S, nop
        CHECK   "ecall from S is not delegated", s10, 9
        CHECK   "ecall from S is not delegated: no scause", s6, -1
        WRITE   medeleg, 1<<2
        IN      U, ".4byte 0xffffffff"
        CHECK   "delegated illegal instruction: scause", s6, 2
        CHECK   "delegated illegal instruction: stval", s5, 0xffffffff
        IN      S, ".4byte 0xffffffff"
        CHECK   "illegal instruction delegated from S: scause", s6, 2
        andi    s3, s3, 0x100
        CHECK   "illegal instruction delegated from S: SPP", s3, 0x100
        IN      M, ".4byte 0xffffffff"
        TRAPS   "traps in M are never delegated", 2, 0xffffffff
        CHECK   "traps in M are never delegated: no scause", s6, -1
        WRITE   medeleg, 1<<5
        li      s0, HOLE
        IN      S, "lb a0, (s0)"
        CHECK   "delegated load fault: scause", s6, 5
        CHECK   "delegated load fault: stval", s5, HOLE
        IN      S, "sb a0, (s0)"
        TRAPS   "store fault not delegated", 7, HOLE
        csrw    medeleg, x0

        # Vectored trap vectors do not move exceptions.
        la      t0, vectored
        addi    t0, t0, 1
        csrw    mtvec, t0
        csrr    s0, mtvec
        andi    s0, s0, 3
        CHECK   "mtvec: vectored", s0, 1
        IN      U, ".4byte 0xffffffff"
        TRAPS   "exception with vectored mtvec", 2, 0xffffffff
        la      t0, machine_trap
        csrw    mtvec, t0

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

        .balign 256
vectored:
        .option push
        .option norvc
        j       machine_trap
        .rept   15
        j       unexpected
        .endr
        .option pop

        .data
        .balign 16
words:  .dword  0x8877665544332211, 0x00ffeeddccbbaa99
