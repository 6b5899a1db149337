//! The levels of one hart: first levels for instructions and for data, and a second for both.

use std::sync::Arc;

use super::shared::{SharedTlb, Ticket};
use super::{Entry, Policy, Select, TlbLevel, View};
use crate::mem::tlb::management::TlbStats;

/// The second level.
#[derive(Debug)]
pub enum Second<const POLICY: u8>
where
    Policy<POLICY>: Select<8>,
{
    /// The hart's own.
    Private(TlbLevel<512, 8, POLICY>),
    /// That of all harts, where entries are tagged with `satp`.
    Shared(Arc<SharedTlb>),
}

/// The levels of one hart, of which `POLICY` chooses what gives way.
///
/// What is found in the second level is copied to the first. Neither level holds what the other must hold.
#[derive(Debug)]
pub struct Unified<const POLICY: u8>
where
    Policy<POLICY>: Select<4> + Select<8>,
{
    instructions: TlbLevel<64, 4, POLICY>,
    data: TlbLevel<64, 4, POLICY>,
    second: Second<POLICY>,
}

/// Who asks: which address space, under which `satp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// What is seen.
    pub view: View,
    /// The tag of the shared level.
    pub satp: u64,
}

impl<const POLICY: u8> Unified<POLICY>
where
    Policy<POLICY>: Select<4> + Select<8>,
{
    /// Empty levels, in front of the shared one if it is given.
    pub fn new(shared: Option<Arc<SharedTlb>>) -> Self {
        Unified {
            instructions: TlbLevel::default(),
            data: TlbLevel::default(),
            second: match shared {
                Some(shared) => Second::Shared(shared),
                None => Second::Private(TlbLevel::default()),
            },
        }
    }

    fn first(&mut self, fetch: bool) -> &mut TlbLevel<64, 4, POLICY> {
        if fetch {
            &mut self.instructions
        } else {
            &mut self.data
        }
    }

    /// The translation of the page around `vaddr`, for a fetch or for data. An entry of the second level that nobody
    /// asked for yet is marked so, this time only.
    #[inline(always)]
    pub fn get(&mut self, vaddr: u64, fetch: bool, asker: Asker, stats: &mut TlbStats) -> Option<Entry> {
        let first = self.first(fetch);
        if let Some(entry) = first.get(vaddr, asker.view) {
            if fetch {
                stats.l1_instruction_hits += 1;
            } else {
                stats.l1_data_hits += 1;
            }
            return Some(entry);
        }
        self.get_second(vaddr, fetch, asker, stats)
    }

    /// The same where the first level has nothing. Apart, so that a hit there needs few registers.
    #[cold]
    #[inline(never)]
    fn get_second(&mut self, vaddr: u64, fetch: bool, asker: Asker, stats: &mut TlbStats) -> Option<Entry> {
        let entry = match &mut self.second {
            Second::Private(level) => {
                let entry = level.get(vaddr, asker.view)?;
                if entry.is_ahead() {
                    level.note_asked_for(vaddr, entry);
                }
                entry
            }
            Second::Shared(level) => level.get(vaddr, asker.satp, asker.view)?,
        };
        stats.l2_hits += 1;
        self.first(fetch).insert(vaddr, entry.asked_for());
        Some(entry)
    }

    /// Whether the second level has the page. It may answer no when it has.
    pub fn has(&mut self, vaddr: u64, asker: Asker) -> bool {
        match &mut self.second {
            Second::Private(level) => level.get(vaddr, asker.view).is_some(),
            Second::Shared(level) => level.get(vaddr, asker.satp, asker.view).is_some(),
        }
    }

    /// What must be kept from before a walk to enter its result.
    pub fn ticket(&self) -> Option<Ticket> {
        match &self.second {
            Second::Private(_) => None,
            Second::Shared(level) => Some(level.ticket()),
        }
    }

    /// Enters what a walk found, into both levels. Returns what the second had to give up.
    pub fn insert(
        &mut self,
        vaddr: u64,
        fetch: bool,
        entry: Entry,
        asker: Asker,
        ticket: Option<Ticket>,
    ) -> Option<Entry> {
        self.first(fetch).insert(vaddr, entry);
        self.insert_second(vaddr, entry, asker, ticket)
    }

    /// Enters what nobody asked for yet, into the second level.
    pub fn insert_second(
        &mut self,
        vaddr: u64,
        entry: Entry,
        asker: Asker,
        ticket: Option<Ticket>,
    ) -> Option<Entry> {
        match (&mut self.second, ticket) {
            (Second::Private(level), _) => level.insert(vaddr, entry),
            (Second::Shared(level), Some(ticket)) => {
                // The mark would be seen by all harts, and could be taken away by none.
                level.insert(ticket, vaddr, asker.satp, entry.asked_for());
                None
            }
            (Second::Shared(_), None) => None,
        }
    }

    /// Forgets an address: of every space, or of that with this number and ASID, but then no global page.
    pub fn flush_address(&mut self, vaddr: u64, space: Option<(u16, u16)>) {
        let number = space.map(|(number, _)| number);
        self.instructions.flush_address(vaddr, number);
        self.data.flush_address(vaddr, number);
        match &mut self.second {
            Second::Private(level) => level.flush_address(vaddr, number),
            Second::Shared(level) => level.flush_address(vaddr, space.map(|(_, asid)| asid)),
        }
    }

    /// Forgets an address of an ASID in the shared level, where others may have entered it.
    pub fn flush_shared_address(&self, vaddr: u64, asid: u16) {
        if let Second::Shared(level) = &self.second {
            level.flush_address(vaddr, Some(asid));
        }
    }

    /// Forgets an ASID, or everything, in the shared level. In a hart's own levels that is done by giving new numbers.
    pub fn flush_shared(&self, asid: Option<u16>) {
        if let Second::Shared(level) = &self.second {
            match asid {
                Some(asid) => level.flush_asid(asid),
                None => level.flush(),
            }
        }
    }

    /// Really empties the hart's own levels, as when the numbers of spaces are used up.
    pub fn empty(&mut self) {
        self.instructions.flush();
        self.data.flush();
        if let Second::Private(level) = &mut self.second {
            level.flush();
        }
    }

    /// Opens only a part of the ways of the hart's own levels: `quarters` of four.
    pub fn open_ways(&mut self, quarters: usize) {
        self.instructions.open_ways(quarters);
        self.data.open_ways(quarters);
        if let Second::Private(level) = &mut self.second {
            level.open_ways(2 * quarters);
        }
    }
}
