# Four harts: inter-processor interrupts, atomics under contention, reservations, timers and PLIC contexts of their own.
        .set    MANY_HARTS, 1
        .include "support.inc"

        .equ    HARTS, 4
        .equ    ROUNDS, 1000
        .equ    PLIC, 0xc000000
        .equ    UART_IRQ, 10

# Waits until the word at \symbol is \value.
        .macro  AWAIT symbol, value
        la      t0, \symbol
        li      t1, \value
7710:   ld      t2, 0(t0)
        bne     t1, t2, 7710b
        .endm

# Adds one to the word at \symbol.
        .macro  NOTE symbol
        la      t0, \symbol
        li      t1, 1
        amoadd.d x0, t1, (t0)
        .endm

main:
        addi    sp, sp, -16
        sd      ra, 0(sp)
        csrwi   mie, 8

        # The others sleep until they are called, one after the other.
        .irp    n, 1,2,3
        li      t0, CLINT_MSIP + 4 * \n
        li      t1, 1
        sw      t1, 0(t0)
        AWAIT   arrived, \n
        .endr
        la      t0, arrived
        ld      s0, 0(t0)
        CHECK   "harts called", s0, 3
        la      t0, ids
        ld      s0, 0(t0)
        CHECK   "their numbers", s0, 0x0003000200010000
        li      s0, 0
        .irp    n, 0,1,2,3
        li      t0, CLINT_MSIP + 4 * \n
        lw      t0, 0(t0)
        add     s0, s0, t0
        .endr
        CHECK   "their calls are answered", s0, 0

        # Contention.
        NOTE    start
        call    contend
        AWAIT   finished, HARTS
        la      s1, counters
        ld      s0, 0(s1)
        CHECK   "amoadd.d by all", s0, HARTS * ROUNDS
        ld      s0, 64(s1)
        CHECK   "lr.d, sc.d by all", s0, HARTS * ROUNDS
        ld      s0, 128(s1)
        CHECK   "under a lock by all", s0, HARTS * ROUNDS
        lwu     s0, 192(s1)
        CHECK   "amoadd.w by all, lower word", s0, HARTS * ROUNDS
        lwu     s0, 196(s1)
        CHECK   "amoadd.w by all, upper word untouched", s0, 0
        ld      s0, 256(s1)
        CHECK   "amomaxu.d by all", s0, 3 * 65536 + ROUNDS

        # A store of another hart breaks the reservation.
        la      s1, shared
        lr.d    s0, (s1)
        NOTE    store_now
        AWAIT   stored, 1
        li      t0, 99
        sc.d    s0, t0, (s1)
        snez    s0, s0
        CHECK   "sc.d after another hart's store", s0, 1
        ld      s0, 0(s1)
        CHECK   "the other hart's value", s0, 77

        # Each hart's timer wakes it alone.
        NOTE    sleep_now
        AWAIT   woken, 3
        la      t0, woken
        ld      s0, 0(t0)
        CHECK   "harts woken by their timers", s0, 3

        # The PLIC's context of hart 2's machine mode.
        li      t0, PLIC + 4 * UART_IRQ
        li      t1, 1
        sw      t1, 0(t0)
        li      t0, PLIC + 0x2000 + 0x80 * 4
        li      t1, 1 << UART_IRQ
        sw      t1, 0(t0)
        li      t0, PLIC + 0x200000 + 0x1000 * 4
        sw      x0, 0(t0)
        li      t0, UART
        li      t1, 2
        sb      t1, 1(t0)
        AWAIT   claimed, 1
        li      t0, UART
        sb      x0, 1(t0)
        csrr    s0, mip
        li      t0, 0xa00
        and     s0, s0, t0
        CHECK   "no external interrupt on hart 0", s0, 0
        la      t0, claims
        ld      s0, 16(t0)
        CHECK   "hart 2 claimed", s0, UART_IRQ
        la      t0, claims
        ld      s0, 8(t0)
        CHECK   "hart 1 did not", s0, 0

        # The last call comes from another hart, while this one waits.
        NOTE    call_now
1:      wfi
        csrr    t0, mip
        andi    t0, t0, 8
        beqz    t0, 1b
        csrr    s0, mip
        andi    s0, s0, 8
        CHECK   "called by hart 3", s0, 8

        ld      ra, 0(sp)
        addi    sp, sp, 16
        ret

# What the other harts do, in step with main.
secondary:
        csrr    s0, mhartid
        li      t0, HARTS
        bgeu    s0, t0, park
        csrwi   mie, 8
1:      wfi
        csrr    t0, mip
        andi    t0, t0, 8
        beqz    t0, 1b
        slli    t0, s0, 2
        li      t1, CLINT_MSIP
        add     t0, t0, t1
        sw      x0, 0(t0)
        # The number, in its place.
        slli    t0, s0, 1
        la      t1, ids
        add     t0, t0, t1
        sh      s0, 0(t0)
        fence   w, w
        NOTE    arrived

        AWAIT   start, 1
        call    contend

        li      t0, 1
        bne     s0, t0, 2f
        AWAIT   store_now, 1
        la      t0, shared
        li      t1, 77
        sd      t1, 0(t0)
        fence   w, w
        NOTE    stored

2:      AWAIT   sleep_now, 1
        li      t0, CLINT_MTIME
        ld      t1, 0(t0)
        li      t2, 2000
        add     t1, t1, t2
        slli    t0, s0, 3
        li      t2, CLINT_MTIMECMP
        add     s1, t0, t2
        sd      t1, 0(s1)
        li      t0, 0x80
        csrw    mie, t0
3:      wfi
        csrr    t0, mip
        andi    t0, t0, 0x80
        beqz    t0, 3b
        li      t0, -1
        sd      t0, 0(s1)
        csrw    mie, x0
        NOTE    woken

        # Hart 2 waits for the UART.
        li      t0, 2
        bne     s0, t0, 5f
        li      t0, 0x800
        csrw    mie, t0
4:      wfi
        csrr    t0, mip
        li      t1, 0x800
        and     t0, t0, t1
        beqz    t0, 4b
        li      t0, PLIC + 0x200004 + 0x1000 * 4
        lwu     t1, 0(t0)
        sw      t1, 0(t0)
        slli    t0, s0, 3
        la      t2, claims
        add     t0, t0, t2
        sd      t1, 0(t0)
        csrw    mie, x0
        fence   w, w
        NOTE    claimed

5:      li      t0, 3
        bne     s0, t0, park
        AWAIT   call_now, 1
        li      t0, CLINT_MSIP
        li      t1, 1
        sw      t1, 0(t0)
        csrw    mie, x0
        j       park

# Counts, in each way, ROUNDS times. Clobbers t0 to t6, s1, s2.
contend:
        csrr    t6, mhartid
        slli    t6, t6, 16
        la      s1, counters
        addi    t5, s1, 64
        addi    t4, s1, 128
        addi    s2, s1, 192
        addi    t3, s1, 256
        li      t2, ROUNDS
        li      t1, 1
1:      amoadd.d x0, t1, (s1)
2:      lr.d    t0, (t5)
        addi    t0, t0, 1
        sc.d    a0, t0, (t5)
        bnez    a0, 2b
        # The lock is the word behind what it guards.
        addi    a1, t4, 8
3:      amoswap.w.aq a0, t1, (a1)
        bnez    a0, 3b
        ld      a0, 0(t4)
        addi    a0, a0, 1
        sd      a0, 0(t4)
        amoswap.w.rl x0, x0, (a1)
        amoadd.w x0, t1, (s2)
        addi    t6, t6, 1
        amomaxu.d x0, t6, (t3)
        addi    t2, t2, -1
        bnez    t2, 1b
        fence   rw, rw
        NOTE    finished
        ret

        .data
        .balign 64
counters: .space 320
        .balign 64
shared: .dword  0
ids:    .dword  0
arrived: .dword 0
start:  .dword  0
finished: .dword 0
store_now: .dword 0
stored: .dword  0
sleep_now: .dword 0
woken:  .dword  0
claimed: .dword 0
call_now: .dword 0
claims: .dword  0, 0, 0, 0
