/* The NS16550A serial port: polled output, input by interrupt through the PLIC into a ring. */
#include "monitor.h"

/* Registers, one byte each. */
enum { DATA = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, MODEM_CONTROL = 4, LINE_STATUS = 5 };
#define RECEIVED 0x01
#define TRANSMITTER_EMPTY 0x20

#define CONTROL_C 3

volatile bool command_running;

/* The interrupt handler alone moves `head`, the reader alone moves `tail`. */
static volatile char ring[1024];
static volatile uint32_t head, tail;

static volatile uint8_t *reg(int number)
{
    return (volatile uint8_t *)UART_BASE + number;
}

static volatile uint32_t *plic(uint64_t offset)
{
    return (volatile uint32_t *)(PLIC_BASE + offset);
}

/* On this board every hart has two PLIC contexts: machine mode's, then supervisor mode's. */
static uint64_t context(void)
{
    return 2 * this_hart()->id + 1;
}

void uart_start(void)
{
    *reg(INTERRUPT_ENABLE) = 0;
    *reg(FIFO_CONTROL) = 0x07;   /* on, both emptied, interrupt at the first byte */
    *reg(MODEM_CONTROL) = 0x0b;  /* DTR, RTS, and OUT2, which PCs wire as the interrupt's gate */
    *reg(INTERRUPT_ENABLE) = 0x01;

    *plic(4 * UART_IRQ) = 1;                                  /* its priority */
    *plic(0x2000 + 0x80 * context()) = 1u << UART_IRQ;        /* enabled for us */
    *plic(0x200000 + 0x1000 * context()) = 0;                 /* our threshold */
    csr_set(sie, SIE_EXTERNAL);
}

/* Takes what the PLIC offers. Control-C during a command is not stored: the caller asks `aborted` below. */
static bool aborted;

static void take(char c)
{
    if (c == CONTROL_C && command_running) {
        tail = head; /* what was typed ahead dies with the command */
        aborted = true;
    } else if (head - tail < sizeof ring) {
        ring[head % sizeof ring] = c;
        head++;
    }
}

void uart_interrupt(void)
{
    volatile uint32_t *claim = plic(0x200004 + 0x1000 * context());
    uint32_t irq;
    while ((irq = *claim) != 0) {
        if (irq == UART_IRQ)
            while (*reg(LINE_STATUS) & RECEIVED)
                take((char)*reg(DATA));
        *claim = irq;
    }
}

/* Whether control-C came since the last question. */
bool uart_aborted(void)
{
    bool was = aborted;
    aborted = false;
    return was;
}

void uart_write(char c)
{
    while (!(*reg(LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    *reg(DATA) = (uint8_t)c;
}

char uart_read(void)
{
    while (head == tail) {
        /* With interrupts off, a byte that comes between the test and WFI still ends WFI, which looks at what is
         * pending, not at what is allowed. The handler runs when they are on again. */
        csr_clear(sstatus, SSTATUS_SIE);
        if (head == tail)
            __asm__ volatile("wfi");
        csr_set(sstatus, SSTATUS_SIE);
    }
    char c = ring[tail % sizeof ring];
    tail++;
    return c;
}
