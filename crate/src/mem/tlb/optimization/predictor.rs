//! Which pages come next.

use super::Pattern;

/// The next pages of a pattern, as addresses, nearest first. They need not be canonical, nor mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    at: u64,
    step: i64,
    left: u8,
}

impl Ahead {
    /// The `depth` pages after that of `vaddr`, if the pattern has any.
    pub fn of(pattern: Pattern, vaddr: u64, depth: u8) -> Option<Self> {
        let step = match pattern {
            Pattern::Sequential { step } | Pattern::Strided { step } => step,
            Pattern::Unknown | Pattern::Random => return None,
        };
        Some(Ahead {
            at: vaddr & !0xfff,
            step,
            left: depth,
        })
    }
}

impl Iterator for Ahead {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.at = self.at.wrapping_add((self.step as u64) << 12);
        Some(self.at)
    }
}
