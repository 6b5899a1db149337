//! The console device (virtio 1.2, chapter 5.3): one port, a size that may change. Multiple ports and emergency writes
//! are not offered.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Queue, QueueError, VirtioDevice, id, read_config_bytes};
use crate::device::DeviceContext;

/// Feature bit: the size fields are valid.
pub const F_SIZE: u64 = 1;

const RX: usize = 0;
const TX: usize = 1;

/// Most input that waits for the guest: a large paste, but not an endless one.
const INPUT_LIMIT: usize = 1 << 20;
/// Output the host has not taken; past this the guest's writes wait.
const OUTPUT_LIMIT: usize = 1 << 20;

/// What the console remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsoleState {
    columns: u16,
    rows: u16,
    active: bool,
    spoken: bool,
    config_changed: bool,
    input: VecDeque<u8>,
    output: Vec<u8>,
}

/// The console: bytes both ways, and the terminal's size.
#[derive(Debug)]
pub struct Console {
    state: ConsoleState,
}

impl Console {
    /// A console of `columns` by `rows` characters.
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            state: ConsoleState {
                columns,
                rows,
                ..ConsoleState::default()
            },
        }
    }

    /// Its state, for saving.
    pub fn state(&self) -> &ConsoleState {
        &self.state
    }

    /// Whether a driver is running.
    pub fn has_driver(&self) -> bool {
        self.state.active
    }

    /// Whether the guest has written here since its driver started: then this, and not the serial port, is where its
    /// user is.
    pub fn has_spoken(&self) -> bool {
        self.state.active && self.state.spoken
    }

    /// Queues input for the guest and returns how much of it was accepted: all, unless a megabyte is waiting already.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let accepted = bytes
            .len()
            .min(INPUT_LIMIT - self.state.input.len().min(INPUT_LIMIT));
        self.state.input.extend(&bytes[..accepted]);
        accepted
    }

    /// Takes what the guest has written since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.state.output)
    }

    /// Tells the guest a new size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        if (self.state.columns, self.state.rows) != (columns, rows) {
            (self.state.columns, self.state.rows) = (columns, rows);
            self.state.config_changed = true;
        }
    }

    fn receive(&mut self, queue: &mut Queue, cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        let input = &mut self.state.input;
        while !input.is_empty() {
            let Some(chain) = queue.pop(cx.ram)? else {
                break;
            };
            let mut writer = chain.writer();
            while let Some(room) = writer.next_slice(cx.ram, input.len() as u64)? {
                let taken = input.drain(..room.len());
                room.iter_mut().zip(taken).for_each(|(to, from)| *to = from);
            }
            queue.push(cx.ram, chain.head, writer.written())?;
        }
        Ok(())
    }

    fn transmit(&mut self, queue: &mut Queue, cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        while self.state.output.len() < OUTPUT_LIMIT {
            let Some(chain) = queue.pop(cx.ram)? else {
                break;
            };
            let bytes = chain.reader().read_rest(cx.ram, OUTPUT_LIMIT)?;
            self.state.spoken |= !bytes.is_empty();
            self.state.output.extend_from_slice(&bytes);
            queue.push(cx.ram, chain.head, 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Console {
    fn id(&self) -> u32 {
        id::CONSOLE
    }

    fn features(&self) -> u64 {
        F_SIZE
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64, 64]
    }

    fn read_config(&self, offset: u64, into: &mut [u8]) {
        let mut config = [0; 12];
        config[0..2].copy_from_slice(&self.state.columns.to_le_bytes());
        config[2..4].copy_from_slice(&self.state.rows.to_le_bytes());
        config[4..8].copy_from_slice(&1u32.to_le_bytes());
        read_config_bytes(&config, offset, into);
    }

    fn activate(&mut self, _features: u64) {
        self.state.active = true;
    }

    fn reset(&mut self) {
        self.state.active = false;
        self.state.spoken = false;
        self.state.config_changed = false;
        self.state.input.clear();
    }

    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        match index {
            RX => self.receive(&mut queues[RX], cx),
            _ => self.transmit(&mut queues[TX], cx),
        }
    }

    fn poll(&mut self, queues: &mut [Queue], cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        self.receive(&mut queues[RX], cx)?;
        self.transmit(&mut queues[TX], cx)
    }

    fn take_config_change(&mut self) -> bool {
        std::mem::take(&mut self.state.config_changed)
    }
}
