//! Address spaces by number: how all that is known of one is forgotten at once.
//!
//! Entries are tagged with numbers that are given out here, not with the guest's address-space identifiers (ASIDs). To
//! forget an ASID is to give it a new number: entries that have the old one are never found again, and give way in time. To
//! forget everything is to give new numbers to all, and another to global pages. Numbers never come back, except that once
//! all are used up, the levels are really emptied.

use super::View;

/// ASIDs whose numbers are kept. One that is driven out gets a new number when it comes back.
const KEPT: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// What identifies the address space, besides its ASID: where its page table is and how deep.
    identity: u64,
    asid: u16,
    /// 0: none.
    number: u16,
}

const NOTHING: Slot = Slot {
    identity: 0,
    asid: 0,
    number: 0,
};

/// The address spaces of a hart.
#[derive(Debug)]
pub struct Spaces {
    slots: Box<[Slot; KEPT]>,
    last: u16,
    global: u16,
}

impl Default for Spaces {
    fn default() -> Self {
        Spaces {
            slots: Box::new([NOTHING; KEPT]),
            last: 1,
            global: 1,
        }
    }
}

/// The numbers are used up: everything must be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp;

impl Spaces {
    /// What is seen in the address space with this ASID and identity. An ASID that comes with another identity than it had
    /// is a new space.
    pub fn view(&mut self, asid: u16, identity: u64) -> Result<View, UsedUp> {
        let slot = &mut self.slots[usize::from(asid) % KEPT];
        if slot.number == 0 || slot.asid != asid || slot.identity != identity {
            self.last = self.last.checked_add(1).ok_or(UsedUp)?;
            *slot = Slot {
                identity,
                asid,
                number: self.last,
            };
        }
        Ok(View {
            local: slot.number,
            global: self.global,
        })
    }

    /// Whether an ASID that is known comes with another identity.
    pub fn is_replaced_by(&self, asid: u16, identity: u64) -> bool {
        let slot = &self.slots[usize::from(asid) % KEPT];
        slot.number != 0 && slot.asid == asid && slot.identity != identity
    }

    /// The number of an ASID, if it has one now.
    pub fn number(&self, asid: u16) -> Option<u16> {
        let slot = &self.slots[usize::from(asid) % KEPT];
        (slot.number != 0 && slot.asid == asid).then_some(slot.number)
    }

    /// Forgets what an ASID has of its own.
    pub fn forget(&mut self, asid: u16) {
        let slot = &mut self.slots[usize::from(asid) % KEPT];
        if slot.asid == asid {
            *slot = NOTHING;
        }
    }

    /// Forgets everything.
    pub fn forget_all(&mut self) -> Result<(), UsedUp> {
        self.last = self.last.checked_add(1).ok_or(UsedUp)?;
        self.global = self.last;
        self.slots.fill(NOTHING);
        Ok(())
    }

    /// Starts anew; whoever calls has emptied whatever holds entries.
    pub fn start_anew(&mut self) {
        *self = Self::default();
    }
}
