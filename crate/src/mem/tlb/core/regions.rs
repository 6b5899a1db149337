//! Which addresses may lie in superpages of which smaller parts are remembered somewhere.
//!
//! The fast table and the fetch caches hold 4 KiB of a superpage at a time. A fence for one address of the page is one for
//! all of it, so whoever hears one must know whether there may be parts. This says so: never no by mistake, and yes
//! by mistake only rarely.

use super::entry::{SIZES, size_bits};

/// Words of bits for each half of the addresses: the kernel's superpages are many, and say nothing about programs'.
const WORDS: usize = 32;

/// A Bloom filter of superpages.
#[derive(Debug, Default)]
pub struct Superpages {
    bits: [[u64; WORDS]; 2],
    /// A bit for each size that was noted.
    sizes: u8,
}

/// The half, the word and the bit of the page of `size` around an address.
fn place(vaddr: u64, size: u32) -> (usize, usize, u64) {
    let page = vaddr >> size_bits(size);
    let hash = (page ^ page >> 10 ^ u64::from(size) << 7) as usize % (WORDS * 64);
    ((vaddr >> 63) as usize, hash / 64, 1 << (hash % 64))
}

impl Superpages {
    /// A part of the page of `size` around `vaddr` is remembered from now on. Pages of the smallest size have no parts.
    pub fn note(&mut self, vaddr: u64, size: u32) {
        if size > 0 {
            let (half, word, bit) = place(vaddr, size);
            self.bits[half][word] |= bit;
            self.sizes |= 1 << size;
        }
    }

    /// The largest size of a superpage around `vaddr` of which a part may be remembered.
    pub fn around(&self, vaddr: u64) -> Option<u32> {
        (1..SIZES).rev().find(|&size| {
            let (half, word, bit) = place(vaddr, size);
            self.sizes >> size & 1 != 0 && self.bits[half][word] & bit != 0
        })
    }

    /// Nothing is remembered any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
