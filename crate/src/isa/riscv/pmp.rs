//! Physical memory protection (privileged spec section 3.7): 16 entries, 4-byte grain.

use serde::{Deserialize, Serialize};

use super::hart::Privilege;
use super::mmu::Access;

/// Entries that exist; the CSRs of the others read as zero.
const ENTRIES: usize = 16;

const R: u8 = 1;
const W: u8 = 2;
const X: u8 = 4;
const MODE: u8 = 3 << 3;
const TOR: u8 = 1 << 3;
const NA4: u8 = 2 << 3;
const NAPOT: u8 = 3 << 3;
const LOCK: u8 = 1 << 7;

/// Bits of a `pmpaddr` register: physical addresses have 56 bits.
const ADDRESS: u64 = (1 << 54) - 1;

/// The PMP registers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pmp {
    config: [u8; ENTRIES],
    address: [u64; ENTRIES],
}

/// What PMP says of a range of physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it may be accessed.
    Allowed,
    /// None of it may.
    Denied,
    /// An entry's border runs through it.
    Mixed,
}

impl Pmp {
    /// Reads `pmpcfg{register}`; on RV64 only the even ones exist.
    pub fn read_config(&self, register: usize) -> u64 {
        self.config
            .get(register * 4..register * 4 + 8)
            .map_or(0, |config| {
                config
                    .iter()
                    .rev()
                    .fold(0, |value, &byte| value << 8 | u64::from(byte))
            })
    }

    /// Writes `pmpcfg{register}`. Locked entries keep theirs, and W without R is reserved.
    pub fn write_config(&mut self, register: usize, value: u64) {
        let Some(config) = self.config.get_mut(register * 4..register * 4 + 8) else {
            return;
        };
        for (entry, new) in config.iter_mut().zip(value.to_le_bytes()) {
            if *entry & LOCK == 0 && new & (R | W) != W {
                *entry = new & (R | W | X | MODE | LOCK);
            }
        }
    }

    /// Reads `pmpaddr{index}`.
    pub fn read_address(&self, index: usize) -> u64 {
        self.address.get(index).copied().unwrap_or(0)
    }

    /// Writes `pmpaddr{index}`, unless its entry is locked, or the next one is and uses it as its lower bound.
    pub fn write_address(&mut self, index: usize, value: u64) {
        let locked = |i: usize| self.config.get(i).is_some_and(|c| c & LOCK != 0);
        let bounds_next = locked(index + 1) && self.config[index + 1] & MODE == TOR;
        if index < ENTRIES && !locked(index) && !bounds_next {
            self.address[index] = value & ADDRESS;
        }
    }

    /// Lets S- and U-mode access everything, as firmware does at boot.
    pub fn open(&mut self) {
        self.config[0] = NAPOT | R | W | X;
        self.address[0] = ADDRESS;
    }

    /// The range `[start, end)` of an entry that is on.
    fn range(&self, index: usize) -> Option<(u64, u64)> {
        let address = self.address[index];
        match self.config[index] & MODE {
            TOR => {
                let start = if index == 0 {
                    0
                } else {
                    self.address[index - 1] << 2
                };
                Some((start, address << 2))
            }
            NA4 => Some((address << 2, (address << 2) + 4)),
            NAPOT => {
                let grain = address ^ (address + 1);
                let start = (address & !grain) << 2;
                Some((start, start + ((grain + 1) << 2)))
            }
            _ => None,
        }
    }

    /// May `privilege` make `access` to `len` bytes at `addr`? The first entry that matches any byte decides, and
    /// denies an access that it matches only in part.
    pub fn check(&self, privilege: Privilege, access: Access, addr: u64, len: u64) -> Verdict {
        let end = addr.saturating_add(len);
        // Where the first entry allows everything, as firmware leaves it, the others have nothing to say.
        let allows_all =
            self.config[0] & (MODE | R | W | X) == NAPOT | R | W | X && self.address[0] == ADDRESS;
        if allows_all && end <= ADDRESS << 2 {
            return Verdict::Allowed;
        }
        for (index, &config) in self.config.iter().enumerate() {
            let Some((from, to)) = self.range(index) else {
                continue;
            };
            if addr >= to || end <= from {
                continue;
            }
            if addr < from || end > to {
                return Verdict::Mixed;
            }
            let needed = match access {
                Access::Read => R,
                Access::Write => W,
                Access::Execute => X,
            };
            let exempt = privilege == Privilege::Machine && config & LOCK == 0;
            return if exempt || config & needed != 0 {
                Verdict::Allowed
            } else {
                Verdict::Denied
            };
        }
        if privilege == Privilege::Machine {
            Verdict::Allowed
        } else {
            Verdict::Denied
        }
    }
}
