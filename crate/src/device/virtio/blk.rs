//! The block device (virtio 1.2, chapter 5.2): one queue, 512-byte sectors, over any [`BlockBackend`].
//!
//! A disk need not have everything at hand. Requests that must wait for it are parked; those behind them go on, so that all
//! that the guest has asked for is under way at once, and answers come in the order in which they are ready.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Chain, Queue, QueueError, Reader, VirtioDevice, Writer, id, read_config_bytes};
use crate::device::DeviceContext;
use crate::mem::Ram;
use crate::storage::{Access, BlockBackend, BlockError, Readiness};

/// Feature bit: `seg_max` is valid.
pub const F_SEG_MAX: u64 = 1 << 2;
/// Feature bit: the disk is read-only.
pub const F_RO: u64 = 1 << 5;
/// Feature bit: `blk_size` is valid.
pub const F_BLK_SIZE: u64 = 1 << 6;
/// Feature bit: flush requests.
pub const F_FLUSH: u64 = 1 << 9;
/// Feature bit: the topology fields are valid.
pub const F_TOPOLOGY: u64 = 1 << 10;
/// Feature bit: discard requests.
pub const F_DISCARD: u64 = 1 << 13;
/// Feature bit: write-zeroes requests.
pub const F_WRITE_ZEROES: u64 = 1 << 14;

/// Bytes of a sector, whatever the disk's own block size.
pub const SECTOR: u64 = 512;

/// Request types.
mod request {
    pub const IN: u32 = 0;
    pub const OUT: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
    pub const WRITE_ZEROES: u32 = 13;
}

/// Answers.
const STATUS_OK: u8 = 0;
const STATUS_IOERR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;

const QUEUE_SIZE: u16 = 256;
/// Data buffers per request: the queue's size less the header and the status.
const SEG_MAX: u32 = QUEUE_SIZE as u32 - 2;
/// Ranges in one discard or write-zeroes request.
const MAX_RANGES: u32 = 64;
/// Sectors in one such range: 2 GiB.
const MAX_RANGE_SECTORS: u32 = 1 << 22;
const ID_LEN: usize = 20;
/// Bytes that are read of a request in one go: the disk must hold them all at once.
const PIECE: u64 = 1 << 20;
/// Bytes that parked requests may have the disk make ready at once. Others wait behind them.
const MOST_PREPARED: u64 = 16 << 20;

/// A disk that cannot be offered to a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a disk of {0} bytes is not a whole number of 512-byte sectors; pad it to the next multiple of 512")]
pub struct PartialSector(pub u64);

/// What the block device remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlkState {
    /// Up to 20 bytes the guest can ask for.
    serial: Vec<u8>,
    /// The driver knows no flush, so every write must last at once.
    write_through: bool,
    /// Requests that wait for the disk, oldest first: never more than the queue's size.
    parked: VecDeque<Parked>,
}

/// A request that waits for the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Parked {
    chain: Chain,
    /// Bytes that were read already.
    done: u64,
}

/// The block device.
#[derive(Debug)]
pub struct Blk {
    state: BlkState,
    backend: Box<dyn BlockBackend>,
}

/// How a request failed, short of a malformed queue.
enum Failure {
    Io(BlockError),
    Unsupported,
    /// Range or length outside what the device promised.
    Invalid,
}

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        Self::Io(error)
    }
}

/// Why a request is not done.
enum Halt {
    /// The queue cannot be used any more.
    Queue(QueueError),
    /// This request failed.
    Request(Failure),
    /// It waits for the disk to make so many bytes ready.
    Wait(u64),
}

impl From<QueueError> for Halt {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Request(failure)
    }
}

impl From<BlockError> for Halt {
    fn from(error: BlockError) -> Self {
        Self::Request(error.into())
    }
}

type Outcome = Result<(), Halt>;

impl Blk {
    /// A device over `backend`, whose length must be whole sectors. At most 20 bytes of `serial` are kept.
    pub fn new(backend: Box<dyn BlockBackend>, serial: &str) -> Result<Self, PartialSector> {
        if !backend.len().is_multiple_of(SECTOR) {
            return Err(PartialSector(backend.len()));
        }
        let serial = serial.bytes().take(ID_LEN).collect();
        Ok(Self {
            state: BlkState {
                serial,
                ..BlkState::default()
            },
            backend,
        })
    }

    /// Its state, for saving.
    pub fn state(&self) -> &BlkState {
        &self.state
    }

    /// What the disk is kept in.
    pub fn backend(&self) -> &dyn BlockBackend {
        self.backend.as_ref()
    }

    /// Does a request, as far as it goes: the bytes written if it is answered, or how many bytes it waits for.
    fn handle(&mut self, request: &mut Parked, ram: &mut Ram) -> Result<Result<u32, u64>, QueueError> {
        let Parked { chain, done } = request;
        let mut reader = chain.reader();
        let mut writer = chain.writer();
        let mut status = writer
            .split_tail(1)
            .ok_or(QueueError::BufferTooShort { missing: 1 })?;
        let mut header = [0; 16];
        reader.read_exact(ram, &mut header)?;
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = header;
        let kind = u32::from_le_bytes([k0, k1, k2, k3]);
        let sector = u64::from_le_bytes(sector);
        let outcome = match kind {
            request::IN => self.read(sector, &mut writer, done, ram),
            request::OUT => self.write(sector, &mut reader, ram),
            request::FLUSH => self.backend.flush().map_err(Halt::from),
            request::GET_ID => self.identify(&mut writer, ram),
            request::DISCARD | request::WRITE_ZEROES => self.ranges(kind, &reader, ram),
            _ => Err(Failure::Unsupported.into()),
        };
        let code = match outcome {
            Ok(()) => STATUS_OK,
            Err(Halt::Wait(bytes)) => return Ok(Err(bytes)),
            Err(Halt::Queue(error)) => return Err(error),
            Err(Halt::Request(Failure::Unsupported)) => STATUS_UNSUPPORTED,
            Err(Halt::Request(Failure::Invalid)) => STATUS_IOERR,
            Err(Halt::Request(Failure::Io(error))) => {
                log::warn!("disk request {kind} at sector {sector}: {error}");
                STATUS_IOERR
            }
        };
        status.write_all(ram, &[code])?;
        Ok(Ok(writer.written() + 1))
    }

    /// Goes on with parked requests, oldest first.
    fn unpark(&mut self, queue: &mut Queue, ram: &mut Ram) -> Result<(), QueueError> {
        let mut prepared = 0;
        for _ in 0..self.state.parked.len() {
            let Some(mut request) = self.state.parked.pop_front() else {
                break;
            };
            // What waits stays in its order: all are gone through once.
            if prepared < MOST_PREPARED {
                match self.handle(&mut request, ram)? {
                    Ok(written) => {
                        queue.push(ram, request.chain.head, written)?;
                        continue;
                    }
                    Err(bytes) => prepared += bytes,
                }
            }
            self.state.parked.push_back(request);
        }
        Ok(())
    }

    /// Takes requests from the queue, as many as can be parked.
    fn take(&mut self, queue: &mut Queue, ram: &mut Ram) -> Result<(), QueueError> {
        while self.state.parked.len() < usize::from(QUEUE_SIZE) {
            let Some(chain) = queue.pop(ram)? else {
                break;
            };
            let mut request = Parked { chain, done: 0 };
            match self.handle(&mut request, ram)? {
                Ok(written) => queue.push(ram, request.chain.head, written)?,
                Err(_) => self.state.parked.push_back(request),
            }
        }
        Ok(())
    }

    fn prepare(&mut self, access: Access, offset: u64, len: u64) -> Outcome {
        match self.backend.prepare(access, offset, len) {
            Readiness::Now => Ok(()),
            Readiness::Later => Err(Halt::Wait(len)),
        }
    }

    /// Offset in bytes of a range of whole sectors inside the disk.
    fn offset(&self, sector: u64, bytes: u64) -> Option<u64> {
        let offset = sector.checked_mul(SECTOR)?;
        let inside = offset.checked_add(bytes)? <= self.backend.len();
        (inside && bytes.is_multiple_of(SECTOR)).then_some(offset)
    }

    fn read(&mut self, sector: u64, writer: &mut Writer<'_>, done: &mut u64, ram: &mut Ram) -> Outcome {
        let offset = self.offset(sector, writer.left()).ok_or(Failure::Invalid)?;
        writer.pass(*done);
        while writer.left() > 0 {
            let piece = writer.left().min(PIECE);
            self.prepare(Access::Read, offset + *done, piece)?;
            let end = *done + piece;
            while let Some(room) = writer.next_slice(ram, end - *done)? {
                self.backend.read_at(offset + *done, room)?;
                *done += room.len() as u64;
            }
        }
        Ok(())
    }

    fn write(&mut self, sector: u64, reader: &mut Reader<'_>, ram: &Ram) -> Outcome {
        let mut offset = self.offset(sector, reader.left()).ok_or(Failure::Invalid)?;
        self.prepare(Access::Write, offset, reader.left())?;
        while let Some(bytes) = reader.next_slice(ram, u64::MAX)? {
            self.prepare(Access::Write, offset, bytes.len() as u64)?;
            self.backend.write_at(offset, bytes)?;
            offset += bytes.len() as u64;
        }
        Ok(self.write_through()?)
    }

    fn write_through(&mut self) -> Result<(), Failure> {
        if self.state.write_through {
            self.backend.flush()?;
        }
        Ok(())
    }

    fn identify(&self, writer: &mut Writer<'_>, ram: &mut Ram) -> Outcome {
        let mut serial = [0; ID_LEN];
        serial[..self.state.serial.len()].copy_from_slice(&self.state.serial);
        let len = writer.left().min(ID_LEN as u64) as usize;
        writer.write_all(ram, &serial[..len])?;
        Ok(())
    }

    /// Discard and write-zeroes: a list of `sector: u64, sectors: u32, flags: u32`.
    fn ranges(&mut self, kind: u32, reader: &Reader<'_>, ram: &Ram) -> Outcome {
        if !reader.left().is_multiple_of(16) || reader.left() > u64::from(MAX_RANGES) * 16 {
            return Err(Failure::Invalid.into());
        }
        // First all are made ready, then all are done.
        for only_prepare in [true, false] {
            let mut reader = reader.clone();
            while reader.left() > 0 {
                let mut range = [0; 16];
                reader.read_exact(ram, &mut range)?;
                let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, flags @ ..] = range;
                let sector = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
                let sectors = u32::from_le_bytes([n0, n1, n2, n3]);
                let flags = u32::from_le_bytes(flags);
                self.range(kind, sector, sectors, flags, only_prepare)?;
            }
        }
        Ok(self.write_through()?)
    }

    fn range(&mut self, kind: u32, sector: u64, sectors: u32, flags: u32, only_prepare: bool) -> Outcome {
        /// Flag: zeroed sectors may lose their room.
        const UNMAP: u32 = 1;
        let known = if kind == request::DISCARD { 0 } else { UNMAP };
        if flags & !known != 0 {
            return Err(Failure::Unsupported.into());
        }
        let len = u64::from(sectors) * SECTOR;
        let offset = self
            .offset(sector, len)
            .filter(|_| sectors <= MAX_RANGE_SECTORS)
            .ok_or(Failure::Invalid)?;
        self.prepare(Access::Write, offset, len)?;
        if only_prepare {
            return Ok(());
        }
        if kind == request::DISCARD {
            self.backend.discard(offset, len)?;
        } else {
            self.backend.write_zeroes(offset, len, flags & UNMAP != 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Blk {
    fn id(&self) -> u32 {
        id::BLOCK
    }

    fn features(&self) -> u64 {
        let always = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY;
        always
            | if self.backend.read_only() {
                F_RO
            } else {
                F_DISCARD | F_WRITE_ZEROES
            }
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[QUEUE_SIZE]
    }

    fn read_config(&self, offset: u64, into: &mut [u8]) {
        let mut config = [0; 60];
        let mut put = |at: usize, value: u32| config[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let capacity = self.backend.len() / SECTOR;
        put(0, capacity as u32);
        put(4, (capacity >> 32) as u32);
        put(12, SEG_MAX);
        put(20, SECTOR as u32);
        // Topology: eight sectors (4 KiB) to a physical block; no further wishes.
        put(24, 3);
        if !self.backend.read_only() {
            put(36, MAX_RANGE_SECTORS);
            put(40, MAX_RANGES);
            put(44, 8);
            put(48, MAX_RANGE_SECTORS);
            put(52, MAX_RANGES);
            put(56, 1);
        }
        read_config_bytes(&config, offset, into);
    }

    fn activate(&mut self, features: u64) {
        self.state.write_through = features & F_FLUSH == 0;
    }

    fn reset(&mut self) {
        self.state.parked.clear();
    }

    fn notify(
        &mut self,
        _index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        self.take(&mut queues[0], cx.ram)
    }

    fn poll(&mut self, queues: &mut [Queue], cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        if self.state.parked.is_empty() {
            return Ok(());
        }
        self.unpark(&mut queues[0], cx.ram)?;
        self.take(&mut queues[0], cx.ram)
    }
}
