# Interrupts: priorities, enables, delegation, vectors, WFI, and the devices and registers they come from.
        .include "support.inc"

        .equ    INTERRUPT, 1 << 63
        .equ    PLIC, 0xc000000
        .equ    PLIC_PENDING, PLIC + 0x1000
        .equ    PLIC_ENABLE_M, PLIC + 0x2000
        .equ    PLIC_ENABLE_S, PLIC + 0x2080
        .equ    PLIC_THRESHOLD_M, PLIC + 0x200000
        .equ    PLIC_CLAIM_M, PLIC + 0x200004
        .equ    PLIC_THRESHOLD_S, PLIC + 0x201000
        .equ    PLIC_CLAIM_S, PLIC + 0x201004
        .equ    UART_IRQ, 10
        .equ    RTC_IRQ, 11
        .equ    RTC, 0x101000
        .equ    STCE, 1 << 63

        .macro  POKE address, value
        li      t0, \address
        li      t1, \value
        sw      t1, 0(t0)
        .endm
# Enables sources for a context. QEMU 7.2 takes notice at the next write of a threshold or priority.
        .macro  ENABLE context, sources
        POKE    PLIC_ENABLE_\context, \sources
        PEEK    t1, PLIC_THRESHOLD_\context
        sw      t1, 0(t0)
        .endm
        .macro  PEEK register, address
        li      t0, \address
        lwu     \register, 0(t0)
        .endm
# The machine timer: never, or at once.
        .macro  TIMER value
        li      t0, CLINT_MTIMECMP
        li      t1, \value
        sd      t1, 0(t0)
        .endm
        .macro  PENDING label, mask, expected
        csrr    s0, mip
        li      t0, \mask
        and     s0, s0, t0
        CHECK   "\label", s0, \expected
        .endm
# The trap came before the first instruction under test.
        .macro  AT_ONCE label
        la      t0, 7702b
        sub     s0, s8, t0
        CHECK   "\label: before the first instruction", s0, 0
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        csrw    mie, x0
        csrw    mideleg, x0
        TIMER   -1
        POKE    CLINT_MSIP, 0

        # Software interrupt of the CLINT.
        PENDING "MSIP, clear", 8, 0
        POKE    CLINT_MSIP, 0xffffffff
        PEEK    s0, CLINT_MSIP
        CHECK   "msip: one bit", s0, 1
        PENDING "MSIP, set", 8, 8
        csrci   mip, 8
        PENDING "MSIP cannot be written", 8, 8
        IN      U, nop
        CHECK   "MSI, mie clear: not taken", s10, 8
        csrsi   mie, 8
        IN      U, nop
        TRAPS   "MSI in U with MIE clear", INTERRUPT + 3, 0
        AT_ONCE "MSI in U"
        IN      S, nop
        TRAPS   "MSI in S with MIE clear", INTERRUPT + 3, 0
        IN      M, nop
        CHECK   "MSI in M with MIE clear: not taken", s10, 11
        SET     mstatus, MSTATUS_MPIE
        IN      M, nop
        TRAPS   "MSI in M with MIE set", INTERRUPT + 3, 0
        AT_ONCE "MSI in M"
        li      t0, MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE
        and     s0, s7, t0
        CHECK   "MSI in M: MPP, MPIE, MIE", s0, 0x1880
        IN      M, "csrsi mstatus, 8; 1: nop; nop"
        CHECK   "MSI on setting MIE", s10, INTERRUPT + 3
        POKE    CLINT_MSIP, 0
        PENDING "MSIP, cleared again", 8, 0
        csrw    mie, x0

        # Timer of the CLINT.
        PENDING "MTIP, far away", 0x80, 0
        TIMER   0
        PENDING "MTIP, past", 0x80, 0x80
        li      t0, 0x80
        csrc    mip, t0
        PENDING "MTIP cannot be written", 0x80, 0x80
        SET     mie, 0x80
        IN      S, nop
        TRAPS   "MTI in S", INTERRUPT + 7, 0
        TIMER   0x123456789abcdef0
        li      t0, CLINT_MTIMECMP
        ld      s0, 0(t0)
        CHECK   "mtimecmp: read back", s0, 0x123456789abcdef0
        li      t0, CLINT_MTIMECMP
        lwu     s0, 4(t0)
        li      t1, 0x7fffffff
        li      t0, CLINT_MTIMECMP
        sw      t1, 4(t0)
        CHECK   "mtimecmp: upper half", s0, 0x12345678
        li      t0, CLINT_MTIMECMP
        ld      s0, 0(t0)
        CHECK   "mtimecmp: upper half written", s0, 0x7fffffff9abcdef0
        PENDING "MTIP, far away again", 0x80, 0
        li      t0, CLINT_MTIME
        ld      s0, 0(t0)
        csrr    s1, time
        ld      s2, 0(t0)
        sltu    t1, s1, s0
        sltu    t2, s2, s1
        or      s0, t1, t2
        CHECK   "time is mtime", s0, 0

        # Waiting: wfi ends at the timer although interrupts are off, and execution goes on behind it.
        csrci   mstatus, MSTATUS_MIE
        li      t0, CLINT_MTIME
        ld      s1, 0(t0)
        li      t1, 20000
        add     s1, s1, t1
        li      t0, CLINT_MTIMECMP
        sd      s1, 0(t0)
1:      wfi
        csrr    t0, mip
        andi    t0, t0, 0x80
        beqz    t0, 1b
        csrr    s0, time
        sltu    s0, s0, s1
        CHECK   "wfi until the timer", s0, 0
        IN      M, "wfi; wfi"
        CHECK   "wfi with an interrupt pending but disabled", s10, 11
        # With interrupts on the trap is taken, and returns behind the wfi.
        TIMER   -1
        li      t0, CLINT_MTIME
        ld      s1, 0(t0)
        li      t1, 20000
        add     s1, s1, t1
        li      t0, CLINT_MTIMECMP
        sd      s1, 0(t0)
        SET     mstatus, MSTATUS_MPIE
        IN      M, "wfi; nop; 1: j 1b"
        CHECK   "wfi, then the interrupt", s10, INTERRUPT + 7
        TIMER   -1
        li      t0, CLINT_MTIME
        ld      s1, 0(t0)
        li      t1, 20000
        add     s1, s1, t1
        li      t0, CLINT_MTIMECMP
        sd      s1, 0(t0)
        IN      S, "wfi; nop; 1: j 1b"
        CHECK   "wfi in S, then the machine's interrupt", s10, INTERRUPT + 7
        # A loop without wfi is interrupted too.
        TIMER   -1
        li      t0, CLINT_MTIME
        ld      s1, 0(t0)
        li      t1, 20000
        add     s1, s1, t1
        li      t0, CLINT_MTIMECMP
        sd      s1, 0(t0)
        IN      U, "1: j 1b"
        CHECK   "an endless loop is interrupted", s10, INTERRUPT + 7
        AT_ONCE "an endless loop is interrupted"
        TIMER   -1
        csrw    mie, x0

        # PLIC: the UART's transmitter is empty, and asks for an interrupt when allowed to.
        POKE    PLIC + 4 * UART_IRQ, 3
        PEEK    s0, PLIC + 4 * UART_IRQ
        CHECK   "PLIC: priority", s0, 3
        ENABLE  M, 1 << UART_IRQ
        PEEK    s0, PLIC_ENABLE_M
        CHECK   "PLIC: enable", s0, 1 << UART_IRQ
        POKE    PLIC_THRESHOLD_M, 0
        PEEK    s0, PLIC_CLAIM_M
        CHECK   "PLIC: nothing to claim", s0, 0
        PENDING "MEIP, nothing", 0x800, 0
        li      t0, UART
        li      t1, 2
        sb      t1, 1(t0)
        PEEK    s0, PLIC_PENDING
        CHECK   "PLIC: UART pending", s0, 1 << UART_IRQ
        PENDING "MEIP", 0xa00, 0x800
        POKE    PLIC_THRESHOLD_M, 3
        PENDING "MEIP, threshold as high as the priority", 0x800, 0
        POKE    PLIC_THRESHOLD_M, 2
        PENDING "MEIP, threshold below", 0x800, 0x800
        ENABLE  M, 0
        PENDING "MEIP, source disabled", 0x800, 0
        ENABLE  S, 1 << UART_IRQ
        POKE    PLIC_THRESHOLD_S, 0
        PENDING "SEIP from the PLIC", 0xa00, 0x200
        ENABLE  M, 1 << UART_IRQ
        PENDING "MEIP and SEIP", 0xa00, 0xa00
        POKE    PLIC + 4 * UART_IRQ, 0
        PENDING "priority 0 never interrupts", 0xa00, 0
        POKE    PLIC + 4 * UART_IRQ, 1
        POKE    PLIC_THRESHOLD_M, 0
        # A second source: the clock's alarm, long past.
        POKE    PLIC + 4 * RTC_IRQ, 1
        ENABLE  M, (1 << UART_IRQ) + (1 << RTC_IRQ)
        POKE    RTC + 0x10, 1
        POKE    RTC + 0x0c, 0
        POKE    RTC + 0x08, 1
        PEEK    s0, PLIC_PENDING
        CHECK   "PLIC: UART and clock pending", s0, (1 << UART_IRQ) + (1 << RTC_IRQ)
        # What is printed makes the UART ask again: print when all is done.
        PEEK    s1, PLIC_CLAIM_M
        PEEK    s2, PLIC_CLAIM_M
        PEEK    s3, PLIC_CLAIM_M
        csrr    s4, mip
        li      t0, UART
        sb      x0, 1(t0)
        POKE    RTC + 0x1c, 1
        POKE    PLIC_CLAIM_M, UART_IRQ
        POKE    PLIC_CLAIM_M, RTC_IRQ
        CHECK   "PLIC: equal priorities, the lower number first", s1, UART_IRQ
        CHECK   "PLIC: then the other", s2, RTC_IRQ
        CHECK   "PLIC: then nothing", s3, 0
        li      t0, 0xa00
        and     s4, s4, t0
        CHECK   "MEIP, SEIP, all claimed", s4, 0
        PENDING "MEIP, completed", 0xa00, 0
        POKE    PLIC + 4 * RTC_IRQ, 7
        li      t0, UART
        li      t1, 2
        sb      t1, 1(t0)
        POKE    RTC + 0x0c, 0
        POKE    RTC + 0x08, 1
        POKE    PLIC_THRESHOLD_M, 1
        PEEK    s1, PLIC_CLAIM_M
        csrr    s3, mip
        PEEK    s2, PLIC_CLAIM_S
        csrr    s4, mip
        POKE    RTC + 0x1c, 1
        POKE    RTC + 0x10, 0
        POKE    PLIC_CLAIM_M, RTC_IRQ
        li      t0, UART
        sb      x0, 1(t0)
        POKE    PLIC_CLAIM_S, UART_IRQ
        CHECK   "PLIC: the higher priority first", s1, RTC_IRQ
        li      t0, 0xa00
        and     s3, s3, t0
        CHECK   "each context has its own threshold", s3, 0x200
        CHECK   "PLIC: claimed by the supervisor's context", s2, UART_IRQ
        li      t0, 0xa00
        and     s4, s4, t0
        CHECK   "SEIP, claimed", s4, 0
        # SEIP is the PLIC's line or what was written.
        ENABLE  S, 0
        li      t0, 0x200
        csrs    mip, t0
        PENDING "SEIP, by software", 0x200, 0x200
        CLEAR   mip, 0x200
        PENDING "SEIP, cleared by software", 0x200, 0

        # All at once: the order in which they are taken (QEMU 7.2: by number).
        POKE    PLIC_THRESHOLD_M, 0
        li      t0, UART
        li      t1, 2
        sb      t1, 1(t0)
        POKE    CLINT_MSIP, 1
        TIMER   0
        WRITE   mip, 0x222
        PENDING "all pending", 0xaaa, 0xaaa
        WRITE   mie, 0xaaa
        .irp    cause, 11,3,7,9,1,5
        SET     mstatus, MSTATUS_MPIE
        IN      M, nop
        ALONE   "priority", s10, INTERRUPT + \cause
        CLEAR   mie, 1 << \cause
        .endr
        SET     mstatus, MSTATUS_MPIE
        IN      M, nop
        CHECK   "priority: nothing left", s10, 11

        # Delegated: the supervisor's own order and enable; the machine's go first.
        WRITE   mideleg, 0x222
        WRITE   mie, 0xaaa
        SET     mstatus, MSTATUS_MPIE
        .irp    cause, 11,3,7
        CLEAR   mstatus, MSTATUS_SIE
        IN      S, nop
        ALONE   "delegated, the machine's first", s10, INTERRUPT + \cause
        CLEAR   mie, 1 << \cause
        .endr
        IN      S, nop
        CHECK   "delegated, SIE clear: not taken in S", s10, 9
        CHECK   "delegated, SIE clear: not taken in S: no scause", s6, -1
        .irp    cause, 9,1,5
        csrsi   mstatus, MSTATUS_SIE
        IN      S, nop
        ALONE   "delegated, in S: scause", s6, INTERRUPT + \cause
        CHECK   "delegated, in S: stval", s5, 0
        la      t0, 7702b
        sub     s0, s4, t0
        CHECK   "delegated, in S: sepc", s0, 0
        andi    s0, s3, 0x122
        CHECK   "delegated, in S: SPP, SPIE, SIE", s0, 0x120
        CLEAR   mstatus, MSTATUS_SIE
        IN      U, nop
        ALONE   "delegated, in U with SIE clear: scause", s6, INTERRUPT + \cause
        CLEAR   mie, 1 << \cause
        .endr
        SET     mstatus, MSTATUS_MPIE | MSTATUS_SIE
        WRITE   mie, 0x222
        IN      M, nop
        CHECK   "delegated: never in M", s10, 11

        # An interrupt goes before the exception of the instruction it hits.
        WRITE   mideleg, 0
        WRITE   mie, 2
        IN      S, ".4byte 0xffffffff"
        CHECK   "interrupt before an illegal instruction", s10, INTERRUPT + 1

        # Vectored.
        la      t0, vectors
        addi    t0, t0, 1
        csrw    mtvec, t0
        .irp    cause, 11,3,7,9,1,5
        WRITE   mie, 1 << \cause
        li      s2, -1
        IN      S, nop
        CHECK   "vectored: slot", s2, \cause
        .endr
        WRITE   mie, 0
        li      s2, -1
        IN      S, nop
        CHECK   "vectored: exceptions use slot 0", s2, 0
        la      t0, machine_trap
        csrw    mtvec, t0
        WRITE   mideleg, 0x222
        csrr    s1, stvec
        la      t0, supervisor_vectors
        addi    t0, t0, 1
        csrw    stvec, t0
        .irp    cause, 9,1,5
        WRITE   mie, 1 << \cause
        li      s2, -1
        IN      U, nop
        CHECK   "supervisor, vectored: slot", s2, \cause
        .endr
        csrw    stvec, s1
        WRITE   mie, 0
        WRITE   mip, 0
        WRITE   mideleg, 0
        POKE    CLINT_MSIP, 0
        TIMER   -1
        li      t0, UART
        sb      x0, 1(t0)

        # The supervisor's software interrupt, from S itself.
        WRITE   mideleg, 2
        WRITE   mie, 2
        CLEAR   mstatus, MSTATUS_SIE
        IN      S, "csrsi sip, 2; csrsi sstatus, 2; nop; nop"
        CHECK   "SSI raised in S: scause", s6, INTERRUPT + 1
        csrci   sip, 2
        CLEAR   mstatus, MSTATUS_SIE
        WRITE   mideleg, 0
        WRITE   mie, 0

        # Sstc.
        csrw    menvcfg, x0
        WRITE   mcounteren, 2
        IN      S, "csrr a0, stimecmp"
        TRAPS   "stimecmp in S, STCE clear", 2, 0x14d02573
        SET     menvcfg, STCE
        IN      S, "csrr a0, stimecmp"
        OK      "stimecmp in S", S
        IN      U, "csrr a0, stimecmp"
        TRAPS   "stimecmp in U", 2, 0x14d02573
        WRITE   mcounteren, 0
        IN      S, "csrr a0, stimecmp"
        TRAPS   "stimecmp in S, TM clear", 2, 0x14d02573
        IN      M, "csrr a0, stimecmp"
        OK      "stimecmp in M", M
        WRITE   mcounteren, 2
        WRITE   stimecmp, 0x123456789abcdef0
        csrr    s0, stimecmp
        CHECK   "stimecmp: read back", s0, 0x123456789abcdef0
        PENDING "STIP, far away", 0x20, 0
        csrw    stimecmp, x0
        PENDING "STIP, past", 0x20, 0x20
        li      t0, 0x20
        csrc    mip, t0
        PENDING "STIP cannot be written with STCE", 0x20, 0x20
        WRITE   mideleg, 0x20
        WRITE   mie, 0x20
        IN      U, nop
        CHECK   "STI by stimecmp: scause", s6, INTERRUPT + 5
        WRITE   stimecmp, -1
        PENDING "STIP, far away again", 0x20, 0
        csrr    s1, time
        li      t0, 20000
        add     s1, s1, t0
        csrw    stimecmp, s1
        csrsi   mstatus, MSTATUS_SIE
        IN      S, "wfi; 1: j 1b"
        CHECK   "wfi until stimecmp: scause", s6, INTERRUPT + 5
        csrr    s0, time
        sltu    s0, s0, s1
        CHECK   "wfi until stimecmp: time", s0, 0
        WRITE   stimecmp, -1

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# Sixteen slots; s2 gets the number of the one that was used.
        .option push
        .option norvc
        .balign 256
vectors:
        .rept   16
        jal     t0, 1f
        .endr
1:      la      s2, vectors + 4
        sub     s2, t0, s2
        srli    s2, s2, 2
        j       machine_trap
        .balign 256
supervisor_vectors:
        .rept   16
        jal     t0, 2f
        .endr
2:      la      s2, supervisor_vectors + 4
        sub     s2, t0, s2
        srli    s2, s2, 2
        j       supervisor_trap
        .option pop
