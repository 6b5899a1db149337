//! The guest code that a translation was made of, to be held against what is there later.

use std::ops::Range;

use crate::engine::profile;
use crate::mem::{PAGE_SIZE, Ram};

/// Guest code: which ranges of guest-virtual addresses, and their bytes, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    ranges: Box<[(u64, u16)]>,
    bytes: Box<[u8]>,
    hash: u64,
}

/// Where pages are: guest-virtual and guest-physical.
type Pages = [(u64, u64)];

fn physical(pages: &Pages, pc: u64) -> Option<u64> {
    let page = pages.iter().find(|page| page.0 == pc & !(PAGE_SIZE - 1))?;
    Some(page.1 | pc & (PAGE_SIZE - 1))
}

impl Original {
    /// What these ranges, each within one of `pages`, hold now.
    pub fn read(ranges: &[Range<u64>], pages: &Pages, ram: &Ram) -> Option<Self> {
        let mut bytes = Vec::new();
        for range in ranges {
            let at = physical(pages, range.start)?;
            bytes.extend_from_slice(ram.slice(at, range.end - range.start).ok()?);
        }
        let ranges = ranges
            .iter()
            .map(|range| (range.start, (range.end - range.start) as u16));
        let ranges: Box<[_]> = ranges.collect();
        let start = ranges.first().map_or(0, |range| range.0);
        Some(Original {
            hash: profile::contents(&bytes) ^ start.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ranges,
            bytes: bytes.into(),
        })
    }

    /// Whether the same code is in `pages` now.
    pub fn is_in(&self, pages: &Pages, ram: &Ram) -> bool {
        let mut rest = &self.bytes[..];
        self.ranges.iter().all(|&(pc, len)| {
            let (expected, after) = rest.split_at(usize::from(len));
            rest = after;
            physical(pages, pc)
                .and_then(|at| ram.slice(at, u64::from(len)).ok())
                .is_some_and(|bytes| bytes == expected)
        })
    }

    /// An address of an instruction in a page.
    pub fn instruction_in(&self, virtual_page: u64) -> Option<u64> {
        let mut starts = self.ranges.iter().map(|range| range.0);
        starts.find(|pc| pc & !(PAGE_SIZE - 1) == virtual_page)
    }

    /// A hash of the code and where it is.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_the_same_bytes_are() {
        const BASE: u64 = 0x8000_0000;
        let mut ram = Ram::new(BASE, 0x8000).unwrap();
        ram.write(BASE + 0xffc, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        let (low, high) = (0xffff_0000_u64, 0xffff_1000_u64);
        let ranges = [low + 0xffc..low + 0x1000, high..high + 4];
        let pages = [(low, BASE), (high, BASE + 0x1000)];
        let original = Original::read(&ranges, &pages, &ram).unwrap();
        assert!(original.is_in(&pages, &ram));
        assert_eq!(original.instruction_in(high), Some(high));
        // Its pages lie apart now, the second first.
        ram.write(BASE + 0x3000, &[5, 6, 7, 8]).unwrap();
        ram.write(BASE + 0x5ffc, &[1, 2, 3, 4]).unwrap();
        let moved = [(low, BASE + 0x5000), (high, BASE + 0x3000)];
        assert!(original.is_in(&moved, &ram));
        // Data beside it is nothing to it.
        ram.write(BASE + 0x3004, &[9]).unwrap();
        assert!(original.is_in(&moved, &ram));
        ram.write(BASE + 0x3003, &[9]).unwrap();
        assert!(!original.is_in(&moved, &ram));
        assert!(original.is_in(&pages, &ram));
        assert!(!original.is_in(&pages[..1], &ram), "a page that is not there");
        assert!(
            !original.is_in(&[(low, 0), (high, BASE)], &ram),
            "one outside memory"
        );
        assert!(Original::read(&ranges, &[(low, 0)], &ram).is_none());
    }
}
