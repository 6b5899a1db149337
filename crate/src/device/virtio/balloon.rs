//! The memory balloon (virtio 1.2, chapter 5.5): pages the guest does not need go back to the host, either on the host's
//! wish (inflating), or as the guest finds them free (reporting). Free-page hints and page poisoning are not offered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Chain, Queue, QueueError, VirtioDevice, id, read_config_bytes};
use crate::device::DeviceContext;
use crate::mem::{PAGE_SIZE, Ram};

/// Feature bit: a queue of statistics.
pub const F_STATS: u64 = 1 << 1;
/// Feature bit: the guest may take pages back when it runs out.
pub const F_DEFLATE_ON_OOM: u64 = 1 << 2;
/// Feature bit: a queue of free pages.
pub const F_REPORTING: u64 = 1 << 5;

const INFLATE: usize = 0;
const DEFLATE: usize = 1;
/// The optional queues follow in this order, without gaps for those not negotiated.
const FIRST_OPTIONAL: usize = 2;

/// Most bytes of page numbers in one request: a gigabyte of pages.
const MAX_LIST: u64 = 1 << 20;
/// Page numbers handled at a time.
const BATCH: usize = 1024;
/// Most statistics kept; Linux has about sixteen.
const MAX_STATS: usize = 64;

/// What the balloon remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BalloonState {
    /// Pages the host wants.
    target: u32,
    /// Pages the guest says it gave.
    actual: u32,
    /// Features the driver accepted.
    features: u64,
    config_changed: bool,
    /// The request the guest keeps with the device, to be returned when new statistics are wanted.
    stats_request: Option<u16>,
    stats_wanted: bool,
    stats: BTreeMap<u16, u64>,
    /// Bytes given back by reporting since power-on.
    reported: u64,
}

/// The memory balloon.
#[derive(Debug, Default)]
pub struct Balloon {
    state: BalloonState,
}

impl Balloon {
    /// An empty balloon.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its state, for saving.
    pub fn state(&self) -> &BalloonState {
        &self.state
    }

    /// Asks the guest to give back `bytes` of its memory in all (or, if fewer than before, to take some again).
    pub fn set_target(&mut self, bytes: u64) {
        let target = u32::try_from(bytes / PAGE_SIZE).unwrap_or(u32::MAX);
        self.state.config_changed |= self.state.target != target;
        self.state.target = target;
    }

    /// Bytes the guest says it has given back.
    pub fn actual(&self) -> u64 {
        u64::from(self.state.actual) * PAGE_SIZE
    }

    /// Bytes the guest has reported free since power-on; it may have taken some again.
    pub fn reported(&self) -> u64 {
        self.state.reported
    }

    /// Asks the guest for new statistics.
    pub fn request_stats(&mut self) {
        self.state.stats_wanted = true;
    }

    /// The statistics the guest sent last, by their tag (table in chapter 5.5.6.3.1).
    pub fn stats(&self) -> &BTreeMap<u16, u64> {
        &self.state.stats
    }

    fn stats_queue(&self) -> Option<usize> {
        (self.state.features & F_STATS != 0).then_some(FIRST_OPTIONAL)
    }

    fn reporting_queue(&self) -> Option<usize> {
        let index = FIRST_OPTIONAL + usize::from(self.state.features & F_STATS != 0);
        (self.state.features & F_REPORTING != 0).then_some(index)
    }

    /// Takes the listed pages away. They read as zero if the guest uses them all the same.
    fn inflate(chain: &Chain, ram: &mut Ram) -> Result<(), QueueError> {
        let mut reader = chain.reader();
        if reader.left() > MAX_LIST {
            return Err(QueueError::RequestTooLarge {
                limit: MAX_LIST as usize,
            });
        }
        let mut bytes = [0; BATCH * 4];
        while reader.left() >= 4 {
            let len = (reader.left() as usize & !3).min(bytes.len());
            reader.read_exact(ram, &mut bytes[..len])?;
            let numbers = bytes[..len]
                .as_chunks::<4>()
                .0
                .iter()
                .map(|number| u32::from_le_bytes(*number));
            let mut pages: Vec<u32> = numbers.collect();
            pages.sort_unstable();
            // Neighbours go in one piece, which is one call of the host's instead of many.
            for run in pages.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
                let (addr, len) = (u64::from(run[0]) * PAGE_SIZE, run.len() as u64 * PAGE_SIZE);
                if let Err(error) = ram.discard(addr, len) {
                    log::debug!("balloon: {error}");
                }
            }
        }
        Ok(())
    }

    fn keep_stats(&mut self, queue: &mut Queue, chain: &Chain, ram: &mut Ram) -> Result<(), QueueError> {
        let mut reader = chain.reader();
        self.state.stats.clear();
        while reader.left() >= 10 && self.state.stats.len() < MAX_STATS {
            let mut stat = [0; 10];
            reader.read_exact(ram, &mut stat)?;
            let [tag0, tag1, value @ ..] = stat;
            self.state
                .stats
                .insert(u16::from_le_bytes([tag0, tag1]), u64::from_le_bytes(value));
        }
        // The device keeps one request only.
        if let Some(earlier) = self.state.stats_request.replace(chain.head) {
            queue.push(ram, earlier, 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Balloon {
    fn id(&self) -> u32 {
        id::BALLOON
    }

    fn features(&self) -> u64 {
        F_STATS | F_DEFLATE_ON_OOM | F_REPORTING
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[128, 128, 128, 128]
    }

    fn read_config(&self, offset: u64, into: &mut [u8]) {
        let mut config = [0; 8];
        config[..4].copy_from_slice(&self.state.target.to_le_bytes());
        config[4..].copy_from_slice(&self.state.actual.to_le_bytes());
        read_config_bytes(&config, offset, into);
    }

    fn write_config(&mut self, offset: u64, from: &[u8]) {
        if let (4, &[a, b, c, d]) = (offset, from) {
            self.state.actual = u32::from_le_bytes([a, b, c, d]);
        }
    }

    fn activate(&mut self, features: u64) {
        self.state.features = features;
    }

    fn reset(&mut self) {
        // A driver that starts anew owns all its memory; what the host wants of it stays.
        let BalloonState { target, reported, .. } = self.state;
        self.state = BalloonState {
            target,
            reported,
            ..BalloonState::default()
        };
    }

    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        let (stats, reporting) = (self.stats_queue(), self.reporting_queue());
        let Some(queue) = queues.get_mut(index) else {
            return Ok(());
        };
        while let Some(chain) = queue.pop(cx.ram)? {
            match index {
                INFLATE => Self::inflate(&chain, cx.ram)?,
                // Memory comes back by being used.
                DEFLATE => {}
                _ if Some(index) == stats => {
                    self.keep_stats(queue, &chain, cx.ram)?;
                    continue;
                }
                _ if Some(index) == reporting => {
                    for segment in chain.writable() {
                        cx.ram.discard(segment.addr, segment.len.into())?;
                        self.state.reported += u64::from(segment.len);
                    }
                }
                _ => {}
            }
            queue.push(cx.ram, chain.head, 0)?;
        }
        Ok(())
    }

    fn poll(&mut self, queues: &mut [Queue], cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        if let Some(index) = self.stats_queue()
            && self.state.stats_wanted
            && let Some(head) = self.state.stats_request.take()
        {
            self.state.stats_wanted = false;
            queues[index].push(cx.ram, head, 0)?;
        }
        Ok(())
    }

    fn take_config_change(&mut self) -> bool {
        std::mem::take(&mut self.state.config_changed)
    }
}
