# Control and status registers: what can be written, who may reach them, views, counters and their gates.
        .include "support.inc"

# Writes a value to a CSR and checks what is read back.
        .macro  KEEPS label, csr, value, expected
        WRITE   \csr, \value
        csrr    s0, \csr
        CHECK   "\label", s0, \expected
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)

        csrr    s0, mhartid
        CHECK   "mhartid", s0, 0
        csrr    s0, misa
        CHECK   "misa: RV64IMAFDCSU", s0, 0x800000000014112d
        csrw    misa, x0
        csrr    s0, misa
        srli    s0, s0, 62
        CHECK   "misa.MXL stays", s0, 2

        # mstatus: XLEN fields, FS and SD, fields that hold what is written.
        csrr    s0, mstatus
        srli    s0, s0, 32
        andi    s0, s0, 0xf
        CHECK   "mstatus: UXL, SXL", s0, 0xa
        li      t0, -1 & ~MSTATUS_MPP & ~MSTATUS_MIE
        csrc    mstatus, t0
        csrr    s0, mstatus
        srli    s0, s0, 32
        andi    s0, s0, 0xf
        CHECK   "mstatus: UXL, SXL cannot be cleared", s0, 0xa
        SET     mstatus, MSTATUS_FS
        csrr    s0, mstatus
        srli    s0, s0, 63
        CHECK   "SD with FS dirty", s0, 1
        li      t0, 2 << 13
        CLEAR   mstatus, MSTATUS_FS
        SET     mstatus, 1<<13
        csrr    s0, mstatus
        srli    s0, s0, 63
        CHECK   "SD with FS initial", s0, 0
        fmv.d.x ft0, x0
        csrr    s0, mstatus
        srli    s0, s0, 13
        li      t0, 0x4000000000003
        and     s0, s0, t0
        CHECK   "a write of a float register makes FS dirty", s0, 0x4000000000003
        CLEAR   mstatus, MSTATUS_FS
        SET     mstatus, 1<<13
        csrwi   frm, 1
        csrr    s0, mstatus
        srli    s0, s0, 13
        andi    s0, s0, 3
        CHECK   "a write of frm makes FS dirty", s0, 3
        csrwi   frm, 0
        csrr    s0, sstatus
        srli    s0, s0, 13
        li      t0, 0x4000000000003
        and     s0, s0, t0
        CHECK   "sstatus shows FS and SD", s0, 0x4000000000003
        CLEAR   mstatus, MSTATUS_FS
        IN      M, "csrr a0, fcsr"
        TRAPS   "fcsr with FS off", 2, 0x00302573
        IN      M, "csrw frm, x0"
        TRAPS   "frm with FS off", 2, 0x00201073
        IN      U, "fadd.d ft0, ft0, ft0"
        TRAPS   "fadd.d with FS off", 2, 0x02007053 | 7<<12
        IN      U, ".2byte 0x2000; .2byte 1"
        TRAPS   "c.fld with FS off", 2, 0x2000
        SET     mstatus, MSTATUS_FS
        li      s1, MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR | MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_MPIE
        csrs    mstatus, s1
        csrr    s0, mstatus
        and     s0, s0, s1
        xor     s0, s0, s1
        CHECK   "mstatus: fields that can be set", s0, 0
        csrr    s0, sstatus
        li      t0, 0xde762
        and     s0, s0, t0
        CHECK   "sstatus: the supervisor's part", s0, 0xc6120
        csrc    mstatus, s1
        li      t0, -1
        csrc    sstatus, t0
        csrr    s0, mstatus
        li      t0, MSTATUS_MPP
        and     s0, s0, t0
        SHOW    "mstatus.MPP is not sstatus's", s0
        SET     mstatus, MSTATUS_FS

        # Floating point CSRs.
        KEEPS   "fcsr: eight bits", fcsr, 0x1ff, 0xff
        csrr    s0, frm
        CHECK   "frm", s0, 7
        csrr    s0, fflags
        CHECK   "fflags", s0, 0x1f
        csrwi   fflags, 0
        csrr    s0, fcsr
        CHECK   "fcsr after clearing fflags", s0, 0xe0
        IN      M, "fadd.d ft0, ft0, ft0"
        TRAPS   "dynamic rounding with frm 7", 2, 0x02007053 | 7<<12
        csrwi   frm, 5
        IN      M, "fsqrt.s ft0, ft0"
        TRAPS   "dynamic rounding with frm 5", 2, 0x58007053
        IN      M, "fadd.d ft0, ft0, ft0, rtz"
        OK      "static rounding with frm 5", M
        IN      M, ".4byte 0x02005053"
        TRAPS   "static rounding mode 5", 2, 0x02005053
        csrwi   fcsr, 0

        # Trap registers.
        KEEPS   "mscratch", mscratch, 0x123456789abcdef0, 0x123456789abcdef0
        KEEPS   "sscratch", sscratch, -1, -1
        KEEPS   "~ mepc drops bit 0", mepc, 0xffffffff80000003, 0xffffffff80000002
        KEEPS   "~ sepc drops bit 0", sepc, 0x80000001, 0x80000000
        KEEPS   "mcause", mcause, 7, 7
        KEEPS   "mcause: interrupt", mcause, 0x8000000000000007, 0x8000000000000007
        KEEPS   "scause", scause, 15, 15
        KEEPS   "mtval", mtval, 0x8000000000000001, 0x8000000000000001
        KEEPS   "stval", stval, -2, -2
        csrr    s1, mtvec
        KEEPS   "mtvec: direct", mtvec, 0x80001000, 0x80001000
        KEEPS   "mtvec: vectored", mtvec, 0x80001101, 0x80001101
        csrw    mtvec, s1
        csrr    s1, stvec
        KEEPS   "stvec: vectored", stvec, 0xffffffff80001101, 0xffffffff80001101
        csrw    stvec, s1

        # Set and clear, and the forms that do not write.
        csrw    mscratch, x0
        li      t0, 0xff
        csrrs   s0, mscratch, t0
        CHECK   "csrrs: old value", s0, 0
        li      t0, 0x0f
        csrrc   s0, mscratch, t0
        CHECK   "csrrc: old value", s0, 0xff
        csrrwi  s0, mscratch, 31
        CHECK   "csrrwi: old value", s0, 0xf0
        csrrsi  s0, mscratch, 0
        CHECK   "csrrsi 0: old value", s0, 31
        csrrci  s0, mscratch, 1
        csrr    s0, mscratch
        CHECK   "csrrci", s0, 30
        csrrw   s0, mscratch, s0
        csrr    s1, mscratch
        CHECK   "csrrw with one register", s1, 30
        IN      M, "csrrs a0, mhartid, x0"
        OK      "csrrs x0 of a read-only register", M
        IN      M, "csrrci a0, mvendorid, 0"
        OK      "csrrci 0 of a read-only register", M
        IN      M, "csrrw a0, mhartid, x0"
        TRAPS   "csrrw of a read-only register", 2, 0xf1401573
        IN      M, "li t0, 0; csrrs a0, mhartid, t0"
        ALONE   "csrrs of a read-only register, value 0: cause", s10, 2
        IN      M, "csrrwi x0, mhartid, 0"
        TRAPS   "csrrwi of a read-only register", 2, 0xf1405073
        IN      M, "csrr a0, 0x5c0"
        TRAPS   "no such CSR", 2, 0x5c002573
        IN      S, "csrr a0, 0x180"
        OK      "satp in S", S
        IN      U, "csrr a0, 0x180"
        TRAPS   "satp in U", 2, 0x18002573
        IN      S, "csrr a0, mideleg"
        TRAPS   "mideleg in S", 2, 0x30302573
        IN      S, "csrr a0, mhartid"
        TRAPS   "mhartid in S", 2, 0xf1402573
        IN      M, "csrr a0, mvendorid; csrr a0, marchid; csrr a0, mimpid; csrr a0, mconfigptr"
        OK      "identification registers", M
        # A CSR instruction that traps changes nothing.
        li      s0, 55
        IN      U, "csrrw s0, sscratch, x0"
        CHECK   "rd after a failed CSR access", s0, 55
        csrr    s0, sscratch
        CHECK   "CSR after a failed access", s0, -1

        # Interrupt registers and their supervisor views.
        csrw    mideleg, x0
        li      t0, -1
        csrw    mie, t0
        csrr    s0, mie
        li      t0, 0xaaa
        and     s0, s0, t0
        CHECK   "mie: what can be enabled", s0, 0xaaa
        csrr    s0, sie
        CHECK   "sie without delegation", s0, 0
        li      t0, -1
        csrw    mideleg, t0
        csrr    s0, mideleg
        li      t0, 0x222
        and     s0, s0, t0
        CHECK   "mideleg: supervisor interrupts", s0, 0x222
        csrr    s0, mideleg
        li      t0, 0x888
        and     s0, s0, t0
        ALONE   "mideleg: not the machine's", s0, 0
        WRITE   mideleg, 0x222
        csrr    s0, sie
        CHECK   "sie with delegation", s0, 0x222
        csrw    sie, x0
        csrr    s0, mie
        li      t0, 0xaaa
        and     s0, s0, t0
        CHECK   "mie after clearing sie", s0, 0x888
        csrw    mie, x0
        WRITE   mideleg, 0x20
        li      t0, 0x222
        csrw    sie, t0
        csrr    s0, mie
        CHECK   "sie writes what is delegated only", s0, 0x20
        csrw    mie, x0
        csrw    mideleg, x0
        li      t0, 0x222
        csrw    mip, t0
        csrr    s0, mip
        li      t0, 0x222
        and     s0, s0, t0
        CHECK   "mip: SSIP, STIP, SEIP can be written", s0, 0x222
        csrr    s0, sip
        CHECK   "sip without delegation", s0, 0
        WRITE   mideleg, 0x222
        csrr    s0, sip
        CHECK   "sip with delegation", s0, 0x222
        li      t0, 0x222
        csrc    sip, t0
        csrr    s0, mip
        li      t0, 0x222
        and     s0, s0, t0
        CHECK   "sip: only SSIP can be cleared", s0, 0x220
        csrwi   mip, 0
        csrw    mideleg, x0

        # Counters: gates for S and U.
        csrw    mcounteren, x0
        csrw    scounteren, x0
        IN      M, "rdcycle a0; rdtime a0; rdinstret a0"
        OK      "counters in M", M
        IN      S, "rdcycle a0"
        TRAPS   "mcounteren clear: cycle in S", 2, 0xc0002573
        IN      U, "rdtime a0"
        TRAPS   "mcounteren clear: time in U", 2, 0xc0102573
        WRITE   mcounteren, 7
        IN      S, "rdcycle a0; rdtime a0; rdinstret a0"
        OK      "mcounteren set: counters in S", S
        IN      U, "rdinstret a0"
        TRAPS   "scounteren clear: instret in U", 2, 0xc0202573
        WRITE   scounteren, 2
        IN      U, "rdtime a0"
        OK      "scounteren.TM: time in U", U
        IN      U, "rdcycle a0"
        TRAPS   "scounteren.TM: no cycle in U", 2, 0xc0002573
        WRITE   scounteren, 7
        IN      U, "rdcycle a0; rdtime a0; rdinstret a0"
        OK      "scounteren set: counters in U", U
        WRITE   mcounteren, 5
        IN      U, "rdtime a0"
        TRAPS   "mcounteren rules over scounteren", 2, 0xc0102573
        IN      M, "csrw cycle, x0"
        TRAPS   "cycle cannot be written", 2, 0xc0001073
        csrr    s0, mcounteren
        andi    s0, s0, 7
        CHECK   "mcounteren: as written", s0, 5

        # Counters move, and stand still when inhibited.
        rdinstret s0
        nop
        nop
        rdinstret s1
        sltu    s0, s0, s1
        CHECK   "instret moves", s0, 1
        rdcycle s0
        nop
        nop
        rdcycle s1
        sltu    s0, s0, s1
        CHECK   "cycle moves", s0, 1
        WRITE   mcountinhibit, 5
        csrr    s0, mcountinhibit
        andi    s0, s0, 7
        CHECK   "mcountinhibit: as written", s0, 5
        csrr    s0, minstret
        nop
        csrr    s1, minstret
        sub     s0, s1, s0
        CHECK   "instret inhibited", s0, 0
        csrr    s0, mcycle
        nop
        csrr    s1, mcycle
        sub     s0, s1, s0
        CHECK   "cycle inhibited", s0, 0
        KEEPS   "minstret holds what is written", minstret, 0x123456789, 0x123456789
        KEEPS   "mcycle holds what is written", mcycle, -2, -2
        csrr    s0, instret
        CHECK   "instret is minstret", s0, 0x123456789
        csrw    mcountinhibit, x0
        # Exactly one per instruction; the instruction that writes does not count itself.
        csrr    s0, minstret
        nop
        nop
        nop
        csrr    s1, minstret
        sub     s0, s1, s0
        ALONE   "four instructions from read to read", s0, 4
        csrw    minstret, x0
        csrr    s0, minstret
        ALONE   "minstret just written", s0, 0

        # menvcfg exists, and senvcfg.
        IN      M, "csrr a0, menvcfg; csrr a0, senvcfg"
        OK      "environment registers", M
        IN      S, "csrr a0, menvcfg"
        TRAPS   "menvcfg in S", 2, 0x30a02573
        IN      S, "csrr a0, senvcfg"
        OK      "senvcfg in S", S
        IN      U, "csrr a0, senvcfg"
        TRAPS   "senvcfg in U", 2, 0x10a02573
        KEEPS   "menvcfg: STCE, PBMTE", menvcfg, 0xc000000000000000, 0xc000000000000000
        KEEPS   "menvcfg: FIOM", menvcfg, 1, 1
        csrw    menvcfg, x0

        # satp: modes that do not exist are not taken.
        KEEPS   "satp: Sv39", satp, 0x8000000000080000, 0x8000000000080000
        KEEPS   "satp: Sv48", satp, 0x9000000000080001, 0x9000000000080001
        KEEPS   "satp: Sv57", satp, 0xa000000000080002, 0xa000000000080002
        KEEPS   "satp: mode 1 leaves it", satp, 0x1000000000000003, 0xa000000000080002
        KEEPS   "satp: mode 11 leaves it", satp, 0xb000000000000003, 0xa000000000080002
        KEEPS   "satp: 16 bits of ASID", satp, 0x8ffff00000000000, 0x8ffff00000000000
        csrw    satp, x0

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret
