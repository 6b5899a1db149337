//! The block device (virtio 1.2, chapter 5.2): one queue, 512-byte sectors, over any [`BlockBackend`].

use serde::{Deserialize, Serialize};

use super::{Chain, Queue, QueueError, Reader, VirtioDevice, Writer, id, read_config_bytes};
use crate::device::DeviceContext;
use crate::mem::Ram;
use crate::storage::{BlockBackend, BlockError};

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

/// Outer: the queue cannot be used any more. Inner: this request failed.
type Outcome = Result<Result<(), Failure>, QueueError>;

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

    fn handle(&mut self, chain: &Chain, ram: &mut Ram) -> Result<u32, QueueError> {
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
            request::IN => self.read(sector, &mut writer, ram)?,
            request::OUT => self.write(sector, &mut reader, ram)?,
            request::FLUSH => self.backend.flush().map_err(Failure::from),
            request::GET_ID => self.identify(&mut writer, ram)?,
            request::DISCARD | request::WRITE_ZEROES => self.ranges(kind, &mut reader, ram)?,
            _ => Err(Failure::Unsupported),
        };
        let code = match outcome {
            Ok(()) => STATUS_OK,
            Err(Failure::Unsupported) => STATUS_UNSUPPORTED,
            Err(Failure::Invalid) => STATUS_IOERR,
            Err(Failure::Io(error)) => {
                log::warn!("disk request {kind} at sector {sector}: {error}");
                STATUS_IOERR
            }
        };
        status.write_all(ram, &[code])?;
        Ok(writer.written() + 1)
    }

    /// Offset in bytes of a range of whole sectors inside the disk.
    fn offset(&self, sector: u64, bytes: u64) -> Option<u64> {
        let offset = sector.checked_mul(SECTOR)?;
        let inside = offset.checked_add(bytes)? <= self.backend.len();
        (inside && bytes.is_multiple_of(SECTOR)).then_some(offset)
    }

    fn read(&mut self, sector: u64, writer: &mut Writer<'_>, ram: &mut Ram) -> Outcome {
        let Some(mut offset) = self.offset(sector, writer.left()) else {
            return Ok(Err(Failure::Invalid));
        };
        while let Some(room) = writer.next_slice(ram, u64::MAX)? {
            if let Err(error) = self.backend.read_at(offset, room) {
                return Ok(Err(error.into()));
            }
            offset += room.len() as u64;
        }
        Ok(Ok(()))
    }

    fn write(&mut self, sector: u64, reader: &mut Reader<'_>, ram: &Ram) -> Outcome {
        let Some(mut offset) = self.offset(sector, reader.left()) else {
            return Ok(Err(Failure::Invalid));
        };
        while let Some(bytes) = reader.next_slice(ram, u64::MAX)? {
            if let Err(error) = self.backend.write_at(offset, bytes) {
                return Ok(Err(error.into()));
            }
            offset += bytes.len() as u64;
        }
        Ok(self.write_through())
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
        Ok(Ok(()))
    }

    /// Discard and write-zeroes: a list of `sector: u64, sectors: u32, flags: u32`.
    fn ranges(&mut self, kind: u32, reader: &mut Reader<'_>, ram: &Ram) -> Outcome {
        if !reader.left().is_multiple_of(16) || reader.left() > u64::from(MAX_RANGES) * 16 {
            return Ok(Err(Failure::Invalid));
        }
        while reader.left() > 0 {
            let mut range = [0; 16];
            reader.read_exact(ram, &mut range)?;
            let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, flags @ ..] = range;
            let sector = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
            let sectors = u32::from_le_bytes([n0, n1, n2, n3]);
            if let Err(failure) = self.range(kind, sector, sectors, u32::from_le_bytes(flags)) {
                return Ok(Err(failure));
            }
        }
        Ok(self.write_through())
    }

    fn range(&mut self, kind: u32, sector: u64, sectors: u32, flags: u32) -> Result<(), Failure> {
        /// Flag: zeroed sectors may lose their room.
        const UNMAP: u32 = 1;
        let known = if kind == request::DISCARD { 0 } else { UNMAP };
        if flags & !known != 0 {
            return Err(Failure::Unsupported);
        }
        let len = u64::from(sectors) * SECTOR;
        let offset = self
            .offset(sector, len)
            .filter(|_| sectors <= MAX_RANGE_SECTORS)
            .ok_or(Failure::Invalid)?;
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

    fn notify(
        &mut self,
        _index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        let queue = &mut queues[0];
        while let Some(chain) = queue.pop(cx.ram)? {
            let written = self.handle(&chain, cx.ram)?;
            queue.push(cx.ram, chain.head, written)?;
        }
        Ok(())
    }
}
