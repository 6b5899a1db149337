//! A 16550A serial port, byte-wide registers, as National Semiconductor's PC16550D data sheet and the drivers of Linux,
//! U-Boot, OpenSBI and xv6 have it. It has no baud rate: a byte is sent the moment it is written.
//!
//! Ours, although vm-superio has one: there received data has no trigger level or time-out, and its state could not be
//! saved with serde.

use std::collections::VecDeque;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::{AccessFault, DeviceContext, MmioDevice};

/// Bytes the receive FIFO holds when FIFOs are enabled; without them there is a single holding register.
const FIFO: usize = 16;
/// With this much output waiting for the host the transmitter says it is busy. Real back-pressure: drivers wait.
const OUTPUT_BUSY: usize = 256 << 10;
/// What a guest writes without looking whether the transmitter is busy is lost beyond this.
const OUTPUT_LIMIT: usize = 1 << 20;

// Register offsets; with DLAB set, 0 and 1 are the divisor latch.
const DATA: u64 = 0;
const IER: u64 = 1;
const IIR_FCR: u64 = 2;
const LCR: u64 = 3;
const MCR: u64 = 4;
const LSR: u64 = 5;
const MSR: u64 = 6;
const SCR: u64 = 7;

const LCR_DLAB: u8 = 0x80;
const MCR_LOOPBACK: u8 = 0x10;
const FCR_ENABLE: u8 = 0x01;
const FCR_CLEAR_RECEIVER: u8 = 0x02;
const FCR_CLEAR_TRANSMITTER: u8 = 0x04;
const FCR_KEPT: u8 = 0xc9;
const IIR_FIFOS: u8 = 0xc0;

/// The modem is there and ready: carrier, data set ready, clear to send.
const MSR_READY: u8 = 0xb0;

bitflags! {
    /// Interrupt enable register.
    #[derive(Clone, Copy)]
    struct Enable: u8 {
        const RECEIVED = 0x01;
        const TRANSMITTER_EMPTY = 0x02;
        const LINE_STATUS = 0x04;
        const MODEM_STATUS = 0x08;
    }

    /// Line status register.
    #[derive(Clone, Copy)]
    struct Line: u8 {
        const DATA_READY = 0x01;
        const OVERRUN = 0x02;
        const TRANSMITTER_EMPTY = 0x20;
        const IDLE = 0x40;
    }
}

/// What the interrupt identification register says, highest priority first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    LineStatus = 0x06,
    Received = 0x04,
    /// Data below the trigger level has been waiting.
    Timeout = 0x0c,
    TransmitterEmpty = 0x02,
    ModemStatus = 0x00,
    None = 0x01,
}

/// What a UART remembers. Output not yet taken by the host is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UartState {
    /// Interrupt enable register.
    pub ier: u8,
    /// FIFO control register, the bits that stay.
    pub fcr: u8,
    /// Line control register.
    pub lcr: u8,
    /// Modem control register.
    pub mcr: u8,
    /// Modem status register.
    pub msr: u8,
    /// Scratch register.
    pub scr: u8,
    /// Divisor latch.
    pub divisor: u16,
    /// Received bytes not yet read.
    pub received: VecDeque<u8>,
    /// A byte was lost because `received` was full.
    pub overrun: bool,
    /// The "transmitter empty" interrupt has been raised and not yet seen.
    pub transmitter_event: bool,
}

/// The device.
#[derive(Debug, Default)]
pub struct Uart {
    state: UartState,
    output: Vec<u8>,
}

impl Uart {
    /// A UART in its reset state.
    pub fn new() -> Self {
        Self {
            state: UartState {
                msr: MSR_READY,
                mcr: 0x08,
                divisor: 12,
                ..UartState::default()
            },
            output: Vec::new(),
        }
    }

    /// What a snapshot keeps.
    pub fn state(&self) -> &UartState {
        &self.state
    }

    /// Receives as many of `bytes` as there is room for and returns how many: keep the rest for later. In loopback the
    /// line is disconnected, and nothing is taken.
    pub fn push_input(&mut self, bytes: &[u8]) -> usize {
        if self.loopback() {
            return 0;
        }
        let taken = bytes.len().min(self.input_room());
        self.state.received.extend(&bytes[..taken]);
        taken
    }

    /// How many bytes [`Self::push_input`] would take.
    #[inline]
    pub fn input_room(&self) -> usize {
        self.capacity().saturating_sub(self.state.received.len())
    }

    /// The bytes the guest has sent since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        if self.busy() {
            self.state.transmitter_event = true;
        }
        std::mem::take(&mut self.output)
    }

    /// Adds output that did not come over the registers: firmware's, which shares the line.
    pub fn append_output(&mut self, bytes: &[u8]) {
        let room = OUTPUT_LIMIT.saturating_sub(self.output.len());
        self.output.extend(&bytes[..bytes.len().min(room)]);
    }

    /// Whether a driver waits for input: it wants an interrupt for each byte.
    pub fn is_listening(&self) -> bool {
        Enable::from_bits_truncate(self.state.ier).contains(Enable::RECEIVED)
    }

    /// Whether [`Self::take_output`] would return anything.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    fn fifos(&self) -> bool {
        self.state.fcr & FCR_ENABLE != 0
    }

    fn capacity(&self) -> usize {
        if self.fifos() { FIFO } else { 1 }
    }

    fn loopback(&self) -> bool {
        self.state.mcr & MCR_LOOPBACK != 0
    }

    fn busy(&self) -> bool {
        self.output.len() >= OUTPUT_BUSY
    }

    /// Received bytes that make the "received" interrupt rather than the time-out.
    fn trigger(&self) -> usize {
        if self.fifos() {
            [1, 4, 8, 14][usize::from(self.state.fcr >> 6)]
        } else {
            1
        }
    }

    fn line(&self) -> Line {
        let mut line = Line::empty();
        line.set(Line::DATA_READY, !self.state.received.is_empty());
        line.set(Line::OVERRUN, self.state.overrun);
        line.set(Line::TRANSMITTER_EMPTY | Line::IDLE, !self.busy());
        line
    }

    fn cause(&self) -> Cause {
        let enabled = Enable::from_bits_truncate(self.state.ier);
        let waiting = self.state.received.len();
        if enabled.contains(Enable::LINE_STATUS) && self.state.overrun {
            Cause::LineStatus
        } else if enabled.contains(Enable::RECEIVED) && waiting >= self.trigger() {
            Cause::Received
        } else if enabled.contains(Enable::RECEIVED) && waiting > 0 {
            Cause::Timeout
        } else if enabled.contains(Enable::TRANSMITTER_EMPTY) && self.state.transmitter_event {
            Cause::TransmitterEmpty
        } else if enabled.contains(Enable::MODEM_STATUS) && self.state.msr & 0x0f != 0 {
            Cause::ModemStatus
        } else {
            Cause::None
        }
    }

    fn transmit(&mut self, byte: u8) {
        self.send(byte);
        self.state.transmitter_event = !self.busy();
    }

    fn send(&mut self, byte: u8) {
        if self.loopback() {
            if self.input_room() == 0 {
                self.state.overrun = true;
                // A full FIFO keeps what it has; the holding register takes the newer byte.
                if self.fifos() {
                    return;
                }
                self.state.received.clear();
            }
            self.state.received.push_back(byte);
        } else if self.output.len() < OUTPUT_LIMIT {
            self.output.push(byte);
        }
    }

    /// Modem lines as seen in the status register: the other end's, or our own in loopback. Changes leave their delta
    /// bits behind.
    fn update_modem(&mut self) {
        let mcr = self.state.mcr;
        let lines = if self.loopback() {
            // DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD.
            (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4
        } else {
            MSR_READY
        };
        let changed = (lines ^ self.state.msr) >> 4;
        // The ring indicator's delta marks only its falling edge.
        let ring_kept = if lines & 0x40 != 0 { !0x04 } else { !0 };
        self.state.msr = lines | self.state.msr & 0x0f | changed & ring_kept;
    }

    fn read_register(&mut self, register: u64) -> u8 {
        let divisor = self.state.divisor.to_le_bytes();
        match register {
            DATA | IER if self.state.lcr & LCR_DLAB != 0 => divisor[register as usize],
            DATA => self.state.received.pop_front().unwrap_or(0),
            IER => self.state.ier,
            IIR_FCR => {
                let cause = self.cause();
                if cause == Cause::TransmitterEmpty {
                    self.state.transmitter_event = false;
                }
                cause as u8 | if self.fifos() { IIR_FIFOS } else { 0 }
            }
            LCR => self.state.lcr,
            MCR => self.state.mcr,
            LSR => {
                let line = self.line();
                self.state.overrun = false;
                line.bits()
            }
            MSR => {
                let msr = self.state.msr;
                self.state.msr &= 0xf0;
                msr
            }
            _ => self.state.scr,
        }
    }

    fn write_register(&mut self, register: u64, value: u8) {
        let mut divisor = self.state.divisor.to_le_bytes();
        match register {
            DATA | IER if self.state.lcr & LCR_DLAB != 0 => {
                divisor[register as usize] = value;
                self.state.divisor = u16::from_le_bytes(divisor);
            }
            DATA => self.transmit(value),
            IER => {
                let old = Enable::from_bits_truncate(self.state.ier);
                let new = Enable::from_bits_truncate(value);
                self.state.ier = new.bits();
                // Enabling the interrupt while the transmitter is empty raises it: drivers start sending this way.
                if (new - old).contains(Enable::TRANSMITTER_EMPTY) {
                    self.state.transmitter_event = !self.busy();
                }
            }
            IIR_FCR => {
                let switched = (value ^ self.state.fcr) & FCR_ENABLE != 0;
                if switched || value & FCR_CLEAR_RECEIVER != 0 {
                    self.state.received.clear();
                }
                if switched || value & FCR_CLEAR_TRANSMITTER != 0 {
                    self.state.transmitter_event = !self.busy();
                }
                self.state.fcr = if value & FCR_ENABLE != 0 {
                    value & FCR_KEPT
                } else {
                    0
                };
            }
            LCR => self.state.lcr = value,
            MCR => {
                self.state.mcr = value & 0x1f;
                self.update_modem();
            }
            // Status registers are for reading.
            LSR | MSR => {}
            _ => self.state.scr = value,
        }
    }
}

impl MmioDevice for Uart {
    fn read(&mut self, offset: u64, size: u8, _: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        // Wider accesses act on the one register at their address, as on QEMU.
        if offset > SCR {
            return Err(AccessFault { offset, size });
        }
        Ok(self.read_register(offset).into())
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        _: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        if offset > SCR {
            return Err(AccessFault { offset, size });
        }
        self.write_register(offset, value as u8);
        Ok(())
    }

    fn interrupt(&self) -> bool {
        self.cause() != Cause::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{read, write};

    #[test]
    fn bytes_go_both_ways() {
        let mut uart = Uart::new();
        for byte in b"hi" {
            uart.write_register(DATA, *byte);
        }
        assert_eq!(uart.take_output(), b"hi");
        assert_eq!(
            uart.push_input(b"abc"),
            1,
            "without FIFOs there is one holding register"
        );
        uart.write_register(IIR_FCR, 0xc7);
        assert_eq!(uart.push_input(&[7; 20]), FIFO);
        assert_eq!(uart.read_register(LSR), 0x61);
        assert_eq!(uart.read_register(DATA), 7);
        assert_eq!(uart.input_room(), 1);
    }

    #[test]
    fn received_data_interrupts_at_the_trigger_and_by_time_out() {
        let mut uart = Uart::new();
        uart.write_register(IIR_FCR, 0x81);
        uart.push_input(&[1; 8]);
        assert!(!uart.interrupt());
        assert!(!uart.is_listening());
        uart.write_register(IER, 1);
        assert!(uart.is_listening());
        assert!(uart.interrupt());
        assert_eq!(uart.read_register(IIR_FCR), 0xc4);
        uart.read_register(DATA);
        assert_eq!(uart.read_register(IIR_FCR), 0xcc);
        while uart.read_register(LSR) & 1 != 0 {
            uart.read_register(DATA);
        }
        assert!(!uart.interrupt());
        assert_eq!(uart.read_register(IIR_FCR), 0xc1);
    }

    #[test]
    fn the_empty_transmitter_interrupts_until_seen() {
        let mut uart = Uart::new();
        uart.write_register(IER, 2);
        assert!(uart.interrupt());
        assert_eq!(uart.read_register(IIR_FCR), 0x02);
        assert!(!uart.interrupt());
        uart.write_register(DATA, b'x');
        assert!(uart.interrupt());
        uart.write_register(IER, 0);
        assert!(!uart.interrupt());
    }

    #[test]
    fn a_host_that_takes_no_output_makes_the_transmitter_busy() {
        let mut uart = Uart::new();
        uart.write_register(IER, 2);
        for _ in 0..2 * OUTPUT_LIMIT {
            uart.write_register(DATA, b'x');
        }
        assert_eq!(uart.read_register(LSR), 0);
        assert!(!uart.interrupt());
        assert_eq!(uart.take_output().len(), OUTPUT_LIMIT);
        assert_eq!(uart.read_register(LSR), 0x60);
        assert!(uart.interrupt());
    }

    /// What Linux's 8250 driver does to find out what it has.
    #[test]
    fn linux_recognises_a_16550a() {
        let mut uart = Uart::new();
        uart.write_register(IER, 0xff);
        assert_eq!(uart.read_register(IER), 0x0f);
        uart.write_register(IER, 0);
        uart.write_register(MCR, 0x1a);
        assert_eq!(uart.read_register(MSR) & 0xf0, 0x90);
        uart.write_register(MCR, 0x08);
        assert_eq!(uart.read_register(MSR) & 0xf0, MSR_READY);
        uart.write_register(LCR, 0xbf);
        uart.write_register(DATA, 0x34);
        uart.write_register(IER, 0x12);
        assert_eq!(uart.state().divisor, 0x1234);
        assert_eq!((uart.read_register(DATA), uart.read_register(IER)), (0x34, 0x12));
        uart.write_register(LCR, 0x03);
        uart.write_register(IIR_FCR, 0x21);
        assert_eq!(uart.read_register(IIR_FCR) & 0xe0, 0xc0, "no 64-byte FIFO");
        uart.write_register(SCR, 0x5a);
        assert_eq!(uart.read_register(SCR), 0x5a);
    }

    #[test]
    fn loopback_returns_what_is_sent() {
        let mut uart = Uart::new();
        uart.write_register(MCR, 0x10);
        uart.write_register(IER, 4);
        uart.write_register(DATA, 1);
        assert!(!uart.interrupt());
        uart.write_register(DATA, 2);
        assert!(uart.interrupt());
        assert_eq!(uart.read_register(IIR_FCR), 0x06);
        assert_eq!(uart.read_register(LSR) & 3, 3);
        assert_eq!(uart.read_register(DATA), 2);
        assert_eq!(uart.push_input(b"x"), 0);
        assert!(!uart.has_output());
    }

    #[test]
    fn only_eight_registers_answer() {
        let mut uart = Uart::new();
        assert_eq!(read(&mut uart, LSR, 1, 0), Ok(0x60));
        assert_eq!(read(&mut uart, LSR, 4, 0), Ok(0x60));
        assert!(read(&mut uart, 8, 1, 0).is_err());
        assert!(write(&mut uart, 8, 1, 0, 0).is_err());
    }
}
