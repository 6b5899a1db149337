//! Regions held against the interpreter, and the shapes that regions take.

mod differential;
mod golden;
mod programs;
mod shapes;

use super::slots;
use crate::ir::{Abi, Region, generate, verify::verify};

/// An ABI with a hart's slots.
fn abi() -> Abi {
    Abi {
        slots: slots::slot_infos(|slot| 1024 + u32::from(slot.0) * 8),
        ..generate::abi(8)
    }
}

fn check(region: &Region) {
    if let Err(malformed) = verify(region, &abi()) {
        panic!("{malformed}\n{region:#?}");
    }
}

/// A small generator of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
