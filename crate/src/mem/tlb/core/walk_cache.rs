//! The walk cache: where the tables below the root are, so that a walk need not begin at the root.
//!
//! It is direct-mapped, 64 entries for each level, keyed by address space and the bits of the address that lead to the
//! table. A pointer's own G bit, which makes all pages below global (privileged specification, section 11.3.1), is kept
//! with it.

use super::entry::size_bits;

/// Entries for each level.
const ENTRIES: usize = 64;
/// Levels whose tables are kept: all but the root of the deepest.
const LEVELS: u32 = 4;

/// A pointer to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The level of its entries: 0 for those that map 4 KiB.
    pub level: u32,
    /// Guest-physical address.
    pub address: u64,
    /// A pointer on the way to it says that all below is global.
    pub global: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Upper bits of the address, then the space, which is never 0.
    key: u64,
    /// The table's address; bit 0: global.
    table: u64,
}

const NOTHING: Slot = Slot { key: 0, table: 0 };

/// The tables that one hart has walked through.
#[derive(Debug)]
pub struct WalkCache {
    slots: Box<[[Slot; ENTRIES]; LEVELS as usize]>,
}

impl Default for WalkCache {
    fn default() -> Self {
        WalkCache {
            slots: Box::new([[NOTHING; ENTRIES]; LEVELS as usize]),
        }
    }
}

/// The bits of an address that lead to its table of a level.
fn upper(vaddr: u64, level: u32) -> u64 {
    vaddr >> size_bits(level + 1)
}

fn key(vaddr: u64, level: u32, space: u16) -> u64 {
    upper(vaddr, level) << 16 | u64::from(space)
}

fn index(vaddr: u64, level: u32) -> usize {
    upper(vaddr, level) as usize % ENTRIES
}

impl WalkCache {
    /// The lowest table on the way to `vaddr` that is known, of a page table of `levels` levels.
    pub fn find(&self, vaddr: u64, space: u16, levels: u32) -> Option<Table> {
        (0..LEVELS.min(levels.saturating_sub(1))).find_map(|level| {
            let slot = &self.slots[level as usize][index(vaddr, level)];
            (slot.key == key(vaddr, level, space)).then_some(Table {
                level,
                address: slot.table & !1,
                global: slot.table & 1 != 0,
            })
        })
    }

    /// Notes that a walk to `vaddr` came to this table, not the root.
    pub fn note(&mut self, vaddr: u64, space: u16, table: Table) {
        if table.level < LEVELS {
            self.slots[table.level as usize][index(vaddr, table.level)] = Slot {
                key: key(vaddr, table.level, space),
                table: table.address | u64::from(table.global),
            };
        }
    }

    /// Forgets every table on the way to an address, in all spaces.
    pub fn flush_address(&mut self, vaddr: u64) {
        for level in 0..LEVELS {
            let slot = &mut self.slots[level as usize][index(vaddr, level)];
            if slot.key >> 16 == key(vaddr, level, 0) >> 16 {
                *slot = NOTHING;
            }
        }
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.slots.fill([NOTHING; ENTRIES]);
    }
}
