//! The memory-mapped transport, version 2 (virtio 1.2, chapter 4.2). Not offered: legacy registers, queue reset, shared
//! memory regions (their length reads as all ones, "none"), notification data.

use serde::{Deserialize, Serialize};

use super::VirtioDevice;
use super::queue::{Queue, QueueError};
use crate::device::{AccessFault, DeviceContext, MmioDevice};
use crate::mem::Ram;

/// Bytes of one device's window.
pub const WINDOW: u64 = 0x1000;

/// Feature bit: descriptors may point to tables of descriptors.
pub const F_INDIRECT_DESC: u64 = 1 << 28;
/// Feature bit: interrupts and notifications by index rather than by flag.
pub const F_EVENT_IDX: u64 = 1 << 29;
/// Feature bit: the device follows virtio 1.0 or later. A driver must accept it.
pub const F_VERSION_1: u64 = 1 << 32;

/// Status bit: the driver has the features it wants and the device agreed.
pub const STATUS_FEATURES_OK: u32 = 8;
/// Status bit: the driver is ready to drive.
pub const STATUS_DRIVER_OK: u32 = 4;
/// Status bit: something went wrong that only a reset mends.
pub const STATUS_NEEDS_RESET: u32 = 64;

/// Interrupt cause: a queue has used buffers.
pub const INTERRUPT_QUEUE: u32 = 1;
/// Interrupt cause: the configuration or the status changed.
pub const INTERRUPT_CONFIG: u32 = 2;

/// "virt", little-endian.
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// "TABV": identifies the maker, of no consequence to drivers.
const VENDOR: u32 = 0x5642_4154;

/// Register offsets (table 4.1).
mod reg {
    pub const MAGIC: u64 = 0x00;
    pub const VERSION: u64 = 0x04;
    pub const DEVICE_ID: u64 = 0x08;
    pub const VENDOR_ID: u64 = 0x0c;
    pub const DEVICE_FEATURES: u64 = 0x10;
    pub const DEVICE_FEATURES_SEL: u64 = 0x14;
    pub const DRIVER_FEATURES: u64 = 0x20;
    pub const DRIVER_FEATURES_SEL: u64 = 0x24;
    pub const QUEUE_SEL: u64 = 0x30;
    pub const QUEUE_NUM_MAX: u64 = 0x34;
    pub const QUEUE_NUM: u64 = 0x38;
    pub const QUEUE_READY: u64 = 0x44;
    pub const QUEUE_NOTIFY: u64 = 0x50;
    pub const INTERRUPT_STATUS: u64 = 0x60;
    pub const INTERRUPT_ACK: u64 = 0x64;
    pub const STATUS: u64 = 0x70;
    pub const QUEUE_DESC: u64 = 0x80;
    pub const QUEUE_DRIVER: u64 = 0x90;
    pub const QUEUE_DEVICE: u64 = 0xa0;
    pub const SHM_LEN_LOW: u64 = 0xb0;
    pub const SHM_BASE_HIGH: u64 = 0xbc;
    pub const CONFIG_GENERATION: u64 = 0xfc;
    pub const CONFIG: u64 = 0x100;
}

/// What the transport remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransportState {
    status: u32,
    interrupt_status: u32,
    device_features_sel: u32,
    driver_features: u64,
    driver_features_sel: u32,
    queue_sel: u32,
    config_generation: u32,
    queues: Vec<Queue>,
}

/// One slot of the board: a virtio device behind its registers, or an empty slot (device id 0).
#[derive(Debug)]
pub struct VirtioMmio {
    device: Option<Box<dyn VirtioDevice>>,
    state: TransportState,
}

impl VirtioMmio {
    /// A slot with `device` in it.
    pub fn new(device: Box<dyn VirtioDevice>) -> Self {
        let mut slot = Self {
            device: Some(device),
            state: TransportState::default(),
        };
        slot.reset();
        slot
    }

    /// A slot without a device: drivers find id 0 and go on.
    pub fn empty() -> Self {
        Self {
            device: None,
            state: TransportState::default(),
        }
    }

    /// The transport's state, for saving.
    pub fn state(&self) -> &TransportState {
        &self.state
    }

    /// The device, if it is a `T`: for the host's side of it (console input, balloon target).
    pub fn device<T: VirtioDevice>(&self) -> Option<&T> {
        let device: &dyn std::any::Any = self.device.as_deref()?;
        device.downcast_ref()
    }

    /// The device, if it is a `T`. What is changed through this reaches the guest at the next [`Self::poll`].
    pub fn device_mut<T: VirtioDevice>(&mut self) -> Option<&mut T> {
        let device: &mut dyn std::any::Any = self.device.as_deref_mut()?;
        device.downcast_mut()
    }

    /// Power-on state; also what the driver gets by writing 0 to the status register.
    pub fn reset(&mut self) {
        let generation = self.state.config_generation;
        self.state = TransportState {
            config_generation: generation,
            ..TransportState::default()
        };
        if let Some(device) = &mut self.device {
            device.reset();
            self.state.queues = device
                .queue_sizes()
                .iter()
                .map(|&size| Queue::new(size))
                .collect();
        }
    }

    /// Lets the device bring in what arrived from outside, and tells the driver.
    pub fn poll(&mut self, cx: &mut DeviceContext<'_>) {
        if !self.is_live() {
            return;
        }
        let queues = self.state.queues.iter_mut().enumerate();
        let starved: Vec<usize> = queues
            .filter_map(|(index, queue)| queue.take_starved().then_some(index))
            .collect();
        self.turn(cx, |device, queues, cx| {
            for index in starved {
                device.notify(index, queues, cx)?;
            }
            device.poll(queues, cx)
        });
    }

    /// Guest time by which [`Self::poll`] must be called; 0 if work is left over already.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.is_live() {
            None
        } else if self.state.queues.iter().any(Queue::starved) {
            Some(0)
        } else {
            self.device.as_ref()?.next_deadline()
        }
    }

    fn is_live(&self) -> bool {
        self.state.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET) == STATUS_DRIVER_OK
    }

    /// Runs one piece of device work, then raises whatever interrupts it calls for.
    fn turn(
        &mut self,
        cx: &mut DeviceContext<'_>,
        work: impl FnOnce(&mut dyn VirtioDevice, &mut [Queue], &mut DeviceContext<'_>) -> Result<(), QueueError>,
    ) {
        let Some(device) = &mut self.device else {
            return;
        };
        let queues = &mut self.state.queues;
        queues.iter_mut().for_each(Queue::begin_turn);
        let mut outcome = work(device.as_mut(), queues, cx);
        for queue in queues {
            match queue.take_interrupt(cx.ram) {
                Ok(true) => self.state.interrupt_status |= INTERRUPT_QUEUE,
                Ok(false) => {}
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        if device.take_config_change() {
            self.state.config_generation = self.state.config_generation.wrapping_add(1);
            self.state.interrupt_status |= INTERRUPT_CONFIG;
        }
        if let Err(error) = outcome {
            log::warn!(
                "virtio device {}: {error}; it needs a reset by its driver",
                device.id()
            );
            self.fail();
        }
    }

    fn fail(&mut self) {
        self.state.status |= STATUS_NEEDS_RESET;
        if self.state.status & STATUS_DRIVER_OK != 0 {
            self.state.interrupt_status |= INTERRUPT_CONFIG;
        }
    }

    fn offered_features(&self) -> u64 {
        let own = self.device.as_ref().map_or(0, |device| device.features());
        own | F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1
    }

    fn selected(&self) -> Option<&Queue> {
        self.state.queues.get(self.state.queue_sel as usize)
    }

    fn read_register(&self, offset: u64) -> u32 {
        let state = &self.state;
        match offset {
            reg::MAGIC => return MAGIC,
            reg::VERSION => return VERSION,
            reg::VENDOR_ID => return VENDOR,
            _ => {}
        }
        let Some(device) = &self.device else {
            return 0;
        };
        match offset {
            reg::DEVICE_ID => device.id(),
            reg::DEVICE_FEATURES => half(self.offered_features(), state.device_features_sel),
            reg::QUEUE_NUM_MAX => self.selected().map_or(0, |queue| queue.max_size.into()),
            reg::QUEUE_READY => self.selected().map_or(0, |queue| queue.ready.into()),
            reg::INTERRUPT_STATUS => state.interrupt_status,
            reg::STATUS => state.status,
            reg::SHM_LEN_LOW..=reg::SHM_BASE_HIGH => u32::MAX,
            reg::CONFIG_GENERATION => state.config_generation,
            _ => 0,
        }
    }

    fn write_register(&mut self, offset: u64, value: u32, cx: &mut DeviceContext<'_>) {
        if self.device.is_none() {
            return;
        }
        let state = &mut self.state;
        match offset {
            reg::DEVICE_FEATURES_SEL => state.device_features_sel = value,
            reg::DRIVER_FEATURES_SEL => state.driver_features_sel = value,
            reg::DRIVER_FEATURES if state.status & STATUS_FEATURES_OK == 0 => {
                set_half(&mut state.driver_features, state.driver_features_sel, value);
            }
            reg::QUEUE_SEL => state.queue_sel = value,
            reg::QUEUE_NUM..=0xaf => self.write_queue_register(offset, value, cx),
            _ => {}
        }
    }

    fn write_queue_register(&mut self, offset: u64, value: u32, cx: &mut DeviceContext<'_>) {
        match offset {
            reg::QUEUE_NOTIFY => return self.notify(value as usize, cx),
            reg::INTERRUPT_ACK => return self.state.interrupt_status &= !value,
            reg::STATUS => return self.write_status(value, cx),
            _ => {}
        }
        let Some(queue) = self.state.queues.get_mut(self.state.queue_sel as usize) else {
            return;
        };
        if offset == reg::QUEUE_READY {
            return self.write_ready(value, cx.ram);
        }
        if queue.ready {
            return;
        }
        match offset {
            // A size over 16 bits is as wrong as 0, which `enable` refuses.
            reg::QUEUE_NUM => queue.size = u16::try_from(value).unwrap_or(0),
            0x80 | 0x84 => set_half(&mut queue.table, u32::from(offset != reg::QUEUE_DESC), value),
            0x90 | 0x94 => set_half(&mut queue.avail, u32::from(offset != reg::QUEUE_DRIVER), value),
            0xa0 | 0xa4 => set_half(&mut queue.used, u32::from(offset != reg::QUEUE_DEVICE), value),
            _ => {}
        }
    }

    fn write_ready(&mut self, value: u32, ram: &Ram) {
        let features = self.state.driver_features;
        let Some(queue) = self.state.queues.get_mut(self.state.queue_sel as usize) else {
            return;
        };
        if value & 1 == 0 {
            queue.ready = false;
        } else if !queue.ready {
            queue.indirect = features & F_INDIRECT_DESC != 0;
            queue.event_idx = features & F_EVENT_IDX != 0;
            if let Err(error) = queue.enable(ram) {
                log::warn!("virtio queue {}: {error}", self.state.queue_sel);
                self.fail();
            }
        }
    }

    fn write_status(&mut self, value: u32, cx: &mut DeviceContext<'_>) {
        if value == 0 {
            return self.reset();
        }
        let old = self.state.status;
        // The driver only ever adds bits, and NEEDS_RESET is not its to set.
        let mut status = old | (value & 0xff & !STATUS_NEEDS_RESET);
        let features = self.state.driver_features;
        let acceptable = features & F_VERSION_1 != 0 && features & !self.offered_features() == 0;
        if !acceptable {
            status &= !STATUS_FEATURES_OK;
        }
        let may_start = status & STATUS_FEATURES_OK != 0;
        if !may_start {
            status &= !STATUS_DRIVER_OK;
        }
        self.state.status = status;
        if status & !old & STATUS_DRIVER_OK != 0 {
            self.turn(cx, |device, queues, cx| {
                device.activate(features);
                // Buffers may have been put in the queues before the driver was ready.
                (0..queues.len()).try_for_each(|index| device.notify(index, queues, cx))
            });
        }
    }

    fn notify(&mut self, index: usize, cx: &mut DeviceContext<'_>) {
        if self.is_live() && self.state.queues.get(index).is_some_and(|queue| queue.ready) {
            self.turn(cx, |device, queues, cx| device.notify(index, queues, cx));
        }
    }
}

impl MmioDevice for VirtioMmio {
    fn read(&mut self, offset: u64, size: u8, _cx: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        if offset < reg::CONFIG {
            if size != 4 || !offset.is_multiple_of(4) {
                return Err(AccessFault { offset, size });
            }
            return Ok(self.read_register(offset).into());
        }
        let mut bytes = [0; 8];
        let into = bytes
            .get_mut(..usize::from(size))
            .ok_or(AccessFault { offset, size })?;
        if let Some(device) = &self.device {
            device.read_config(offset - reg::CONFIG, into);
        }
        Ok(u64::from_le_bytes(bytes))
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        if offset < reg::CONFIG {
            if size != 4 || !offset.is_multiple_of(4) {
                return Err(AccessFault { offset, size });
            }
            self.write_register(offset, value as u32, cx);
            return Ok(());
        }
        let bytes = value.to_le_bytes();
        let from = bytes
            .get(..usize::from(size))
            .ok_or(AccessFault { offset, size })?;
        if let Some(device) = &mut self.device {
            device.write_config(offset - reg::CONFIG, from);
        }
        Ok(())
    }

    fn interrupt(&self) -> bool {
        self.state.interrupt_status != 0
    }
}

/// The 32 bits of `value` that `select` names; beyond 64 there are none.
fn half(value: u64, select: u32) -> u32 {
    match select {
        0 => value as u32,
        1 => (value >> 32) as u32,
        _ => 0,
    }
}

fn set_half(value: &mut u64, select: u32, new: u32) {
    match select {
        0 => *value = *value & !0xffff_ffff | u64::from(new),
        1 => *value = *value & 0xffff_ffff | u64::from(new) << 32,
        _ => {}
    }
}
