//! Putting images into RAM.

use std::ops::Range;

use super::linux::Header;
use super::{Image, ImageError, compression, elf, firmware_info};
use crate::machine::map;
use crate::mem::{PAGE_SIZE, Ram};

const MIB: u64 = 1 << 20;

/// Linux maps it with a 2 MiB page, and wants it below 3 GiB physical.
const DEVICE_TREE_ROOM: u64 = 2 * MIB;
const DEVICE_TREE_TOP: u64 = 3 << 30;
/// Machines with less than this have no 2 MiB to spare.
const SMALL_MACHINE: u64 = 16 * MIB;
const SMALL_DEVICE_TREE_ROOM: u64 = 64 << 10;

/// How far above the kernel's start the initial RAM disk goes at most, as on QEMU: kernels may unpack themselves into
/// the space between.
const INITRD_DISTANCE: u64 = 128 * MIB;

/// Where an image was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Physical address of the first instruction.
    pub entry: u64,
    /// All it occupies, zeroed data included.
    pub range: Range<u64>,
}

/// Fills RAM and remembers what lies where. Load the kernel before the initial RAM disk: that goes above it.
#[derive(Debug)]
pub struct Loader<'a> {
    ram: &'a mut Ram,
    placed: Vec<(Range<u64>, String)>,
    kernel: Range<u64>,
}

impl<'a> Loader<'a> {
    /// A loader for RAM with nothing in it.
    pub fn new(ram: &'a mut Ram) -> Self {
        Self {
            ram,
            placed: Vec::new(),
            kernel: map::KERNEL..map::KERNEL,
        }
    }

    /// Loads M-mode firmware: an ELF file, or a raw one to the start of RAM.
    pub fn firmware(&mut self, image: &Image) -> Result<Loaded, ImageError> {
        self.program(image, map::FIRMWARE)
    }

    /// Loads a kernel: an ELF file, a Linux `Image`, or a raw one to [`map::KERNEL`].
    pub fn kernel(&mut self, image: &Image) -> Result<Loaded, ImageError> {
        let loaded = self.program(image, map::KERNEL)?;
        self.kernel = loaded.range.clone();
        Ok(loaded)
    }

    /// Loads an initial RAM disk, as it is, and returns its place: page-aligned, well above the kernel if memory
    /// allows, below the device tree.
    pub fn initrd(&mut self, image: &Image) -> Result<Range<u64>, ImageError> {
        let name = named(image)?;
        let size = image.bytes.len() as u64;
        let limit = self.device_tree_room().start;
        let kernel = &self.kernel;
        let lowest = kernel.end.next_multiple_of(PAGE_SIZE);
        let above = INITRD_DISTANCE.min(self.ram.size() / 2);
        let wanted = kernel
            .start
            .saturating_add(above)
            .next_multiple_of(PAGE_SIZE)
            .max(lowest);
        let room = limit.saturating_sub(lowest);
        let start = if limit.saturating_sub(wanted) >= size {
            wanted
        } else {
            lowest
        };
        if room < size {
            return Err(ImageError::NoRoom {
                image: name,
                size,
                room,
            });
        }
        self.place(&name, 0, start, &image.bytes, size)?;
        Ok(start..start + size)
    }

    /// Puts the device tree near the top of RAM, with room behind it for firmware to add to it, and returns its address.
    pub fn device_tree(&mut self, blob: &[u8]) -> Result<u64, ImageError> {
        let room = self.device_tree_room();
        // Half of it stays free for what firmware adds, and for `firmware_info`.
        let most = (room.end - room.start) / 2;
        if blob.len() as u64 > most {
            return Err(ImageError::NoRoom {
                image: "device tree".into(),
                size: blob.len() as u64,
                room: most,
            });
        }
        self.place("device tree", 0, room.start, blob, most)?;
        Ok(room.start)
    }

    /// Puts down the structure that tells `fw_dynamic` firmware what to start in S-mode, and returns its address, which
    /// the firmware wants in `a2`.
    pub fn firmware_info(&mut self, next: u64) -> Result<u64, ImageError> {
        let addr = self.device_tree_room().end - PAGE_SIZE;
        self.place(
            "firmware information",
            0,
            addr,
            &firmware_info::encode(next),
            PAGE_SIZE,
        )?;
        Ok(addr)
    }

    fn ram_range(&self) -> Range<u64> {
        // `Ram::new` has seen to it that this does not overflow.
        self.ram.base()..self.ram.base() + self.ram.size()
    }

    /// The space kept for the device tree. May begin below RAM on a machine too small for one: placing fails then.
    fn device_tree_room(&self) -> Range<u64> {
        let mut top = self.ram_range().end;
        if self.ram.base() < DEVICE_TREE_TOP {
            top = top.min(DEVICE_TREE_TOP);
        }
        let room = if self.ram.size() < SMALL_MACHINE {
            SMALL_DEVICE_TREE_ROOM
        } else {
            DEVICE_TREE_ROOM
        };
        let start = top.saturating_sub(room) / room * room;
        start..start + room
    }

    fn program(&mut self, image: &Image, default: u64) -> Result<Loaded, ImageError> {
        let name = named(image)?;
        let bytes = compression::unpack(&name, &image.bytes, self.ram.size())?;
        if bytes.is_empty() {
            return Err(ImageError::Empty { image: name });
        }
        if bytes.starts_with(elf::MAGIC) {
            return self.elf(&name, &bytes, default);
        }
        let len = bytes.len() as u64;
        let (offset, addr, size) = match Header::parse(&name, &bytes)? {
            Some(header) => {
                // Kernels for machines without an MMU say 0, and mean "wherever".
                let addr = match header.text_offset {
                    0 => default,
                    offset => self.ram.base().saturating_add(offset),
                };
                (Header::FIELD, addr, header.image_size.max(len))
            }
            None => (0, default, len),
        };
        self.place(&name, offset, addr, &bytes, size)?;
        Ok(Loaded {
            entry: addr,
            range: addr..addr + size,
        })
    }

    fn elf(&mut self, name: &str, bytes: &[u8], default: u64) -> Result<Loaded, ImageError> {
        let (segments, entry) = elf::parse(name, bytes, default)?;
        let (mut start, mut end) = (u64::MAX, 0);
        for segment in segments {
            self.place(name, segment.header_at, segment.addr, segment.bytes, segment.size)?;
            start = start.min(segment.addr);
            end = end.max(segment.addr + segment.size);
        }
        Ok(Loaded {
            entry,
            range: start..end,
        })
    }

    /// Writes `bytes`, followed by zeroes up to `size`, to where nothing lies yet. `offset` is where in the file it says
    /// so. Afterwards `addr + size` is known not to overflow.
    fn place(
        &mut self,
        image: &str,
        offset: u64,
        addr: u64,
        bytes: &[u8],
        size: u64,
    ) -> Result<(), ImageError> {
        let range = addr..addr.saturating_add(size);
        let overlaps =
            |(other, _): &&(Range<u64>, String)| range.start < other.end && other.start < range.end;
        if let Some((_, other)) = self.placed.iter().find(overlaps) {
            return Err(ImageError::Overlap {
                image: image.into(),
                offset,
                range,
                other: other.clone(),
            });
        }
        let outside = ImageError::OutsideRam {
            image: image.into(),
            offset,
            range: range.clone(),
            ram: self.ram_range(),
        };
        // Discarding first zeroes what `bytes` will not cover without touching fresh pages.
        self.ram.discard(addr, size).map_err(|_| outside.clone())?;
        self.ram.write(addr, bytes).map_err(|_| outside)?;
        self.placed.push((range, image.into()));
        Ok(())
    }
}

/// The image's name, if there is anything in it.
fn named(image: &Image) -> Result<String, ImageError> {
    if image.bytes.is_empty() {
        Err(ImageError::Empty {
            image: image.name.clone(),
        })
    } else {
        Ok(image.name.clone())
    }
}
