//! The network card (virtio 1.2, chapter 5.1): one pair of queues, over any [`NetBackend`]. No offloads are offered, so
//! every buffer of the driver's holds one whole frame behind a header of no meaning.

use serde::{Deserialize, Serialize};

use super::{Queue, QueueError, VirtioDevice, id, read_config_bytes};
use crate::device::DeviceContext;
use crate::net::{MAX_FRAME, NetBackend};

/// Feature bit: `mtu` is valid.
pub const F_MTU: u64 = 1 << 3;
/// Feature bit: `mac` is valid.
pub const F_MAC: u64 = 1 << 5;
/// Feature bit: `status` is valid.
pub const F_STATUS: u64 = 1 << 16;

const RX: usize = 0;
const TX: usize = 1;

/// Bytes of `struct virtio_net_hdr`, which comes before every frame.
const HEADER: usize = 12;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Status bit: the cable is in.
const LINK_UP: u16 = 1;

/// What the network card remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetState {
    mac: [u8; 6],
    link_up: bool,
    config_changed: bool,
    /// Frames that could not be carried, either way.
    dropped: u64,
}

/// The network card.
#[derive(Debug)]
pub struct Net {
    state: NetState,
    backend: Box<dyn NetBackend>,
}

impl Net {
    /// A card at the end of `backend`'s cable.
    pub fn new(backend: Box<dyn NetBackend>) -> Self {
        let mac = backend.mac();
        Self {
            state: NetState {
                mac,
                link_up: true,
                config_changed: false,
                dropped: 0,
            },
            backend,
        }
    }

    /// Its state, for saving.
    pub fn state(&self) -> &NetState {
        &self.state
    }

    /// Plugs the cable in or out.
    pub fn set_link(&mut self, up: bool) {
        self.state.config_changed |= self.state.link_up != up;
        self.state.link_up = up;
    }

    /// Frames that could not be carried: malformed, too long, or sent with the cable out.
    pub fn dropped(&self) -> u64 {
        self.state.dropped
    }

    fn receive(&mut self, queue: &mut Queue, cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        while self.state.link_up && queue.has_next(cx.ram)? && queue.may_pop() {
            let Some(frame) = self.backend.receive() else {
                break;
            };
            let Some(chain) = queue.pop(cx.ram)? else {
                break;
            };
            let mut writer = chain.writer();
            let mut written = 0;
            if writer.left() >= (HEADER + frame.len()) as u64 {
                // All zero but `num_buffers`, which is 1.
                let mut header = [0; HEADER];
                header[10] = 1;
                writer.write_all(cx.ram, &header)?;
                writer.write_all(cx.ram, &frame)?;
                written = writer.written();
            } else {
                self.state.dropped += 1;
            }
            queue.push(cx.ram, chain.head, written)?;
        }
        Ok(())
    }

    fn transmit(&mut self, queue: &mut Queue, cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        while let Some(chain) = queue.pop(cx.ram)? {
            let mut reader = chain.reader();
            reader.skip(HEADER as u64);
            let carried = (ETHERNET as u64..=MAX_FRAME as u64).contains(&reader.left());
            if carried && self.state.link_up {
                self.backend.send(&reader.read_rest(cx.ram, MAX_FRAME)?);
            } else {
                self.state.dropped += 1;
            }
            queue.push(cx.ram, chain.head, 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Net {
    fn id(&self) -> u32 {
        id::NET
    }

    fn features(&self) -> u64 {
        F_MTU | F_MAC | F_STATUS
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[256, 256]
    }

    fn read_config(&self, offset: u64, into: &mut [u8]) {
        let mut config = [0; 12];
        config[0..6].copy_from_slice(&self.state.mac);
        let status = if self.state.link_up { LINK_UP } else { 0 };
        config[6..8].copy_from_slice(&status.to_le_bytes());
        config[10..12].copy_from_slice(&((MAX_FRAME - ETHERNET) as u16).to_le_bytes());
        read_config_bytes(&config, offset, into);
    }

    fn reset(&mut self) {
        self.state.config_changed = false;
    }

    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        if index == TX {
            self.transmit(&mut queues[TX], cx)?;
        }
        // Some answers are there as soon as the question is asked.
        self.receive(&mut queues[RX], cx)
    }

    fn poll(&mut self, queues: &mut [Queue], cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        self.receive(&mut queues[RX], cx)
    }

    fn take_config_change(&mut self) -> bool {
        std::mem::take(&mut self.state.config_changed)
    }
}
