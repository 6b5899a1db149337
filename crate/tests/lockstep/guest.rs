//! What a machine runs: a program for each hart. Harts share memory that they load from and store to, and interrupt each
//! other; code, page tables and stacks of traps are each hart's own.

use std::fmt;

use crate::encode::{i_type, r_type};
use crate::image::{BASE, MOST_HARTS, START, STRIDE_BITS};
use crate::piece::Code;
use crate::prng::Prng;
use crate::program::Program;

/// The programs, in the harts' order.
#[derive(Clone, Debug)]
pub struct Guest {
    pub programs: Vec<Program>,
}

impl Guest {
    /// One hart in most, up to [`MOST_HARTS`] in the others.
    pub fn random(seed: u64) -> Self {
        let mut r = Prng::new(seed ^ 0x4a27);
        let harts = if r.one_in(3) {
            2 + r.below(MOST_HARTS - 1)
        } else {
            1
        };
        let programs =
            (0..harts).map(|hart| Program::random(seed.wrapping_mul(MOST_HARTS) + hart, hart, harts));
        Guest {
            programs: programs.collect(),
        }
    }

    pub fn harts(&self) -> usize {
        self.programs.len()
    }

    /// What is in memory from [`BASE`] on.
    pub fn build(&self) -> Vec<u8> {
        const T0: u32 = 5;
        const T1: u32 = 6;
        let mut code = Code::at(BASE);
        // mhartid
        code.word(i_type(0x2073, T0, 0, 0xf14));
        code.word(i_type(0x1013, T0, T0, STRIDE_BITS));
        code.set(T1, START);
        code.word(r_type(0x33, T0, T0, T1));
        code.word(i_type(0x67, 0, T0, 0));
        let mut bytes = code.bytes;
        self.programs
            .iter()
            .for_each(|program| program.put_into(&mut bytes));
        bytes
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.programs.iter().try_for_each(|program| program.fmt(f))
    }
}
