//! The board: RAM, devices and time, as the harts see them.

use super::config::{Clock, Entropy};
use super::map;
use crate::device::clint::Clint;
use crate::device::finisher::Finisher;
use crate::device::plic::Plic;
use crate::device::rtc::Rtc;
use crate::device::uart::Uart;
use crate::device::virtio::VirtioDevice;
use crate::device::virtio::console::Console;
use crate::device::virtio::mmio::VirtioMmio;
use crate::device::{AccessFault, DeviceContext, MmioDevice};
use crate::isa::riscv::csr::irq;
use crate::mem::{Bus, BusFault, Ram};

/// Everything around the harts.
#[derive(Debug)]
pub struct Board {
    /// Guest RAM.
    pub ram: Ram,
    pub clint: Clint,
    pub plic: Plic,
    pub uart: Uart,
    pub rtc: Rtc,
    pub finisher: Finisher,
    pub virtio: Vec<VirtioMmio>,
    clock: Clock,
    /// Time when it was last looked at.
    now_ns: u64,
    /// Set by a device access: the devices' interrupt lines may have changed.
    lines_changed: bool,
}

/// Which device answers at an address.
#[derive(Debug, Clone, Copy)]
enum Target {
    Clint,
    Plic,
    Uart,
    Rtc,
    Finisher,
    Virtio(usize),
}

impl Target {
    /// The device at `addr` and the offset into its window.
    fn find(addr: u64) -> Option<(Target, u64)> {
        let virtio = map::virtio(0).base;
        if let Some(offset) = addr.checked_sub(virtio)
            && offset < map::VIRTIO_SLOTS as u64 * map::virtio(0).size
        {
            let slot = (offset / map::virtio(0).size) as usize;
            return Some((Target::Virtio(slot), offset % map::virtio(0).size));
        }
        [
            (map::UART, Target::Uart),
            (map::PLIC, Target::Plic),
            (map::CLINT, Target::Clint),
            (map::RTC, Target::Rtc),
            (map::FINISHER, Target::Finisher),
        ]
        .into_iter()
        .find_map(|(window, target)| Some((target, window.offset(addr)?)))
    }
}

impl Board {
    /// A board in its reset state.
    pub fn new(
        ram: Ram,
        harts: usize,
        clock: Clock,
        epoch_ns: u64,
        devices: Vec<Box<dyn VirtioDevice>>,
    ) -> Self {
        let mut virtio: Vec<_> = devices.into_iter().map(VirtioMmio::new).collect();
        virtio.resize_with(map::VIRTIO_SLOTS, VirtioMmio::empty);
        Board {
            ram,
            clint: Clint::new(harts),
            plic: Plic::new(harts),
            uart: Uart::new(),
            rtc: Rtc::new(epoch_ns),
            finisher: Finisher::new(),
            virtio,
            clock,
            now_ns: 0,
            lines_changed: true,
        }
    }

    /// Puts all devices back into their reset state; RAM, time and what stands behind the devices stay.
    pub fn reset(&mut self, harts: usize, epoch_ns: u64) {
        self.clint = Clint::new(harts);
        self.plic = Plic::new(harts);
        self.uart = Uart::new();
        self.rtc = Rtc::new(epoch_ns);
        self.finisher = Finisher::new();
        for slot in &mut self.virtio {
            slot.reset();
        }
        self.lines_changed = true;
    }

    /// Looks at the clock.
    pub fn update_time(&mut self) -> u64 {
        if let Clock::Host(clock) = &mut self.clock {
            self.now_ns = self.now_ns.max(clock());
        }
        self.now_ns
    }

    /// Lets a virtual clock advance by `instructions`.
    pub fn advance(&mut self, instructions: u64) {
        if let Clock::Virtual { ns_per_instruction } = self.clock {
            self.now_ns = self
                .now_ns
                .saturating_add(instructions.saturating_mul(ns_per_instruction));
        }
    }

    /// Lets a virtual clock jump to `until_ns`; false with a host's clock, which cannot.
    pub fn skip_to(&mut self, until_ns: u64) -> bool {
        let is_virtual = matches!(self.clock, Clock::Virtual { .. });
        if is_virtual {
            self.now_ns = self.now_ns.max(until_ns);
        }
        is_virtual
    }

    /// Lets the devices take what has come for them, and sets their interrupt lines.
    pub fn poll(&mut self) {
        let now_ns = self.update_time();
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns,
        };
        for slot in &mut self.virtio {
            slot.poll(&mut cx);
        }
        self.rtc.poll(now_ns);
        self.update_lines();
    }

    fn update_lines(&mut self) {
        self.plic.set_level(map::UART_IRQ as usize, self.uart.interrupt());
        self.plic.set_level(map::RTC_IRQ as usize, self.rtc.interrupt());
        for (slot, device) in self.virtio.iter().enumerate() {
            self.plic
                .set_level(map::virtio_irq(slot) as usize, device.interrupt());
        }
        self.lines_changed = false;
    }

    /// The interrupt lines of a hart, as `mip` bits; `stimecmp` is given where it drives the supervisor's timer. Timers
    /// go by the time when it was last looked at, which is in this turn: asking the host is slow in a browser.
    pub fn lines(&mut self, hart: usize, stimecmp: Option<u64>) -> u64 {
        if self.lines_changed {
            self.update_lines();
        }
        let now_ns = self.now_ns;
        let bit = |raised: bool, number: u64| u64::from(raised) << number;
        bit(self.clint.software(hart), irq::MSI)
            | bit(self.clint.timer(hart, now_ns), irq::MTI)
            | bit(self.plic.output(2 * hart), irq::MEI)
            | bit(self.plic.output(2 * hart + 1), irq::SEI)
            | bit(
                stimecmp.is_some_and(|at| self.clint.mtime(now_ns) >= at),
                irq::STI,
            )
    }

    /// When a device wants to be polled next.
    pub fn next_device_deadline(&self) -> Option<u64> {
        let virtio = self.virtio.iter().filter_map(VirtioMmio::next_deadline);
        virtio.chain(self.rtc.next_alarm_ns(self.now_ns)).min()
    }

    /// Guest time when it was last looked at.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The virtio console.
    pub fn console(&mut self) -> Option<&mut Console> {
        self.virtio.iter_mut().find_map(VirtioMmio::device_mut)
    }

    /// Does `f` with the device at `addr`.
    fn access<T>(
        &mut self,
        addr: u64,
        f: impl FnOnce(&mut dyn MmioDevice, u64, &mut DeviceContext<'_>) -> Result<T, AccessFault>,
    ) -> Result<T, BusFault> {
        let fault = BusFault { addr };
        let (target, offset) = Target::find(addr).ok_or(fault)?;
        let now_ns = match target {
            Target::Clint | Target::Rtc => self.update_time(),
            // The others want no better than the turn's.
            _ => self.now_ns,
        };
        self.lines_changed = true;
        let device: &mut dyn MmioDevice = match target {
            Target::Clint => &mut self.clint,
            Target::Plic => &mut self.plic,
            Target::Uart => &mut self.uart,
            Target::Rtc => &mut self.rtc,
            Target::Finisher => &mut self.finisher,
            Target::Virtio(slot) => &mut self.virtio[slot],
        };
        // A claim must see the lines as they are after the accesses before it.
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns,
        };
        f(device, offset, &mut cx).map_err(|_| fault)
    }
}

impl Bus for Board {
    fn ram(&self) -> &Ram {
        &self.ram
    }

    fn ram_mut(&mut self) -> &mut Ram {
        &mut self.ram
    }

    fn mmio_read(&mut self, addr: u64, size: u8) -> Result<u64, BusFault> {
        if self.lines_changed {
            self.update_lines();
        }
        let value = self.access(addr, |device, offset, cx| device.read(offset, size, cx));
        log::trace!(target: "mmio", "read {addr:#x} size {size}: {value:x?}");
        value
    }

    fn mmio_write(&mut self, addr: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if self.lines_changed {
            self.update_lines();
        }
        let result = self.access(addr, |device, offset, cx| device.write(offset, size, value, cx));
        log::trace!(target: "mmio", "write {addr:#x} size {size}: {value:#x} {result:?}");
        result
    }

    fn mtime(&mut self) -> u64 {
        let now_ns = self.update_time();
        self.clint.mtime(now_ns)
    }
}

/// Entropy that a device and the device tree share.
pub fn share_entropy(entropy: Entropy) -> (Entropy, Entropy) {
    let shared = std::rc::Rc::new(std::cell::RefCell::new(entropy));
    let other = shared.clone();
    let ask = |from: std::rc::Rc<std::cell::RefCell<Entropy>>| -> Entropy {
        Box::new(move |bytes: &mut [u8]| (from.borrow_mut())(bytes))
    };
    (ask(shared), ask(other))
}
