//! A descriptor chain, parsed: the buffers of one request, readable ones first.

use serde::{Deserialize, Serialize};

use super::QueueError;
use super::view::{DESC_INDIRECT, DESC_NEXT, DESC_SIZE, DESC_WRITE, Table};
use crate::mem::Ram;

/// A piece of guest memory, known to lie in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Guest-physical address.
    pub addr: u64,
    /// Bytes; never zero.
    pub len: u32,
}

/// One request from the driver. Its segments lay wholly in RAM when it was parsed, and RAM never shrinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Index of the first descriptor: what the driver knows the request by.
    pub head: u16,
    segments: Vec<Segment>,
    /// How many of `segments` the device reads; it writes the others.
    readable: usize,
}

/// What a chain may contain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Whether INDIRECT_DESC was negotiated.
    pub indirect: bool,
    /// Most descriptors in a chain, those in an indirect table included.
    pub descriptors: u16,
}

impl Chain {
    /// Follows the chain that starts at `head` of `table`. Ends after at most `limits.descriptors` steps.
    pub(super) fn parse(ram: &Ram, table: Table<'_>, head: u16, limits: Limits) -> Result<Self, QueueError> {
        let mut chain = Self {
            head,
            segments: Vec::new(),
            readable: 0,
        };
        let (mut table, mut index, mut in_indirect) = (table, head, false);
        let mut total = 0u64;
        for _ in 0..=limits.descriptors {
            let descriptor = table.get(index).ok_or(QueueError::DescriptorIndex {
                index,
                count: table.count(),
            })?;
            if descriptor.has(DESC_INDIRECT) {
                if !limits.indirect {
                    return Err(QueueError::IndirectNotNegotiated);
                }
                if in_indirect || descriptor.has(DESC_NEXT) {
                    return Err(QueueError::IndirectMisplaced);
                }
                let len = u64::from(descriptor.len);
                if len == 0 || !len.is_multiple_of(DESC_SIZE) {
                    return Err(QueueError::IndirectLength(descriptor.len));
                }
                table = Table::new_checked(ram, descriptor.addr, len / DESC_SIZE)?;
                (index, in_indirect) = (0, true);
                continue;
            }
            chain.add(ram, descriptor.addr, descriptor.len, descriptor.has(DESC_WRITE))?;
            total += u64::from(descriptor.len);
            if total > ram.size() || total > u64::from(u32::MAX) {
                return Err(QueueError::TooManyBytes);
            }
            if !descriptor.has(DESC_NEXT) {
                return Ok(chain);
            }
            index = descriptor.next;
        }
        Err(QueueError::ChainTooLong(limits.descriptors))
    }

    fn add(&mut self, ram: &Ram, addr: u64, len: u32, write: bool) -> Result<(), QueueError> {
        if len == 0 {
            return Ok(());
        }
        ram.host_ptr(addr, u64::from(len))?;
        if !write {
            if self.readable != self.segments.len() {
                return Err(QueueError::ReadableAfterWritable);
            }
            self.readable += 1;
        }
        self.segments.push(Segment { addr, len });
        Ok(())
    }

    /// The buffers the device reads.
    pub fn readable(&self) -> &[Segment] {
        &self.segments[..self.readable]
    }

    /// The buffers the device writes.
    pub fn writable(&self) -> &[Segment] {
        &self.segments[self.readable..]
    }

    /// Bytes of all the buffers together.
    pub fn total(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.len)).sum()
    }

    /// A reader over the readable buffers, which to it are one run of bytes.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            cursor: Cursor::new(self.readable()),
        }
    }

    /// A writer over the writable buffers, which to it are one run of bytes.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            cursor: Cursor::new(self.writable()),
            written: 0,
        }
    }
}

/// A place in a run of segments.
#[derive(Debug, Clone)]
struct Cursor<'c> {
    segments: &'c [Segment],
    /// Bytes of the first segment already passed.
    offset: u32,
    /// Bytes from here to the end.
    left: u64,
}

impl<'c> Cursor<'c> {
    fn new(segments: &'c [Segment]) -> Self {
        let left = segments.iter().map(|segment| u64::from(segment.len)).sum();
        Self {
            segments,
            offset: 0,
            left,
        }
    }

    /// The next contiguous piece, of at most `max` bytes; passes over it.
    fn next(&mut self, max: u64) -> Option<Segment> {
        let first = self.segments.first()?;
        let rest = first.len - self.offset;
        let len = u64::from(rest).min(max).min(self.left) as u32;
        if len == 0 {
            return None;
        }
        let piece = Segment {
            addr: first.addr + u64::from(self.offset),
            len,
        };
        if len == rest {
            self.segments = &self.segments[1..];
            self.offset = 0;
        } else {
            self.offset += len;
        }
        self.left -= u64::from(len);
        Some(piece)
    }

    fn skip(&mut self, mut bytes: u64) {
        while let Some(piece) = self.next(bytes) {
            bytes -= u64::from(piece.len);
        }
    }
}

/// Reads the device-readable bytes of a chain in order.
#[derive(Debug, Clone)]
pub struct Reader<'c> {
    cursor: Cursor<'c>,
}

impl Reader<'_> {
    /// Bytes not read yet.
    pub fn left(&self) -> u64 {
        self.cursor.left
    }

    /// Passes over `bytes` bytes, or to the end.
    pub fn skip(&mut self, bytes: u64) {
        self.cursor.skip(bytes);
    }

    /// The next contiguous bytes, at most `max` of them; `None` at the end.
    pub fn next_slice<'r>(&mut self, ram: &'r Ram, max: u64) -> Result<Option<&'r [u8]>, QueueError> {
        match self.cursor.next(max) {
            Some(piece) => Ok(Some(ram.slice(piece.addr, u64::from(piece.len))?)),
            None => Ok(None),
        }
    }

    /// Fills `into`, or errs if fewer bytes are left.
    pub fn read_exact(&mut self, ram: &Ram, into: &mut [u8]) -> Result<(), QueueError> {
        let mut done = 0;
        while done < into.len() {
            let wanted = into.len() - done;
            let Some(bytes) = self.next_slice(ram, wanted as u64)? else {
                return Err(QueueError::BufferTooShort {
                    missing: wanted as u64,
                });
            };
            into[done..done + bytes.len()].copy_from_slice(bytes);
            done += bytes.len();
        }
        Ok(())
    }

    /// All bytes that are left, if they are no more than `limit`.
    pub fn read_rest(&mut self, ram: &Ram, limit: usize) -> Result<Vec<u8>, QueueError> {
        if self.left() > limit as u64 {
            return Err(QueueError::RequestTooLarge { limit });
        }
        let mut bytes = vec![0; self.left() as usize];
        self.read_exact(ram, &mut bytes)?;
        Ok(bytes)
    }
}

/// Writes the device-writable bytes of a chain in order.
#[derive(Debug, Clone)]
pub struct Writer<'c> {
    cursor: Cursor<'c>,
    written: u32,
}

impl<'c> Writer<'c> {
    /// Bytes of room left.
    pub fn left(&self) -> u64 {
        self.cursor.left
    }

    /// Bytes written, which the used ring must tell.
    pub fn written(&self) -> u32 {
        self.written
    }

    /// Passes over `bytes` bytes that were written before, or to the end.
    pub fn pass(&mut self, bytes: u64) {
        let before = self.cursor.left;
        self.cursor.skip(bytes);
        self.written += (before - self.cursor.left) as u32;
    }

    /// Cuts the last `bytes` bytes off into a writer of their own, if there are that many.
    pub fn split_tail(&mut self, bytes: u64) -> Option<Writer<'c>> {
        let front = self.left().checked_sub(bytes)?;
        let mut tail = Writer {
            cursor: self.cursor.clone(),
            written: 0,
        };
        tail.cursor.skip(front);
        self.cursor.left = front;
        Some(tail)
    }

    /// The next contiguous room, at most `max` bytes of it, which counts as written; `None` when there is none.
    pub fn next_slice<'r>(&mut self, ram: &'r mut Ram, max: u64) -> Result<Option<&'r mut [u8]>, QueueError> {
        match self.cursor.next(max) {
            Some(piece) => {
                self.written += piece.len;
                Ok(Some(ram.slice_mut(piece.addr, u64::from(piece.len))?))
            }
            None => Ok(None),
        }
    }

    /// Writes all of `from`, or errs if there is not room enough.
    pub fn write_all(&mut self, ram: &mut Ram, mut from: &[u8]) -> Result<(), QueueError> {
        while !from.is_empty() {
            let Some(room) = self.next_slice(ram, from.len() as u64)? else {
                return Err(QueueError::BufferTooShort {
                    missing: from.len() as u64,
                });
            };
            let (now, later) = from.split_at(room.len());
            room.copy_from_slice(now);
            from = later;
        }
        Ok(())
    }
}
