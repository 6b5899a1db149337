//! Address translation: Sv39, Sv48 and Sv57 (privileged spec chapter 11), with PMP.
//!
//! What [`Hierarchy`](crate::mem::tlb::Hierarchy) remembers is asked first. It keeps what leaves say; whether they allow the
//! access is checked here, against the present `SUM`, `MXR` and privilege. What it has of a page is never used to raise
//! anything: where that does not allow the access, the page table is walked, which may have been changed meanwhile.

use super::csr::{envcfg, mstatus};
use super::hart::{Hart, Privilege};
use super::pmp::Verdict;
use super::trap::{Cause, Exception};
use crate::mem::tlb::core::{Entry, Rights, Table, size_bits};
use crate::mem::tlb::optimization::Ahead;
use crate::mem::{Bus, PAGE_SIZE, Ram};

/// Kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Access {
    Read,
    Write,
    Execute,
}

impl Access {
    /// The page fault of this access.
    pub fn page_fault(self, vaddr: u64) -> Exception {
        let cause = match self {
            Access::Read => Cause::LoadPage,
            Access::Write => Cause::StorePage,
            Access::Execute => Cause::InstructionPage,
        };
        Exception::new(cause, vaddr)
    }

    /// The access fault of this access.
    pub fn access_fault(self, vaddr: u64) -> Exception {
        let cause = match self {
            Access::Read => Cause::LoadAccess,
            Access::Write => Cause::StoreAccess,
            Access::Execute => Cause::InstructionAccess,
        };
        Exception::new(cause, vaddr)
    }
}

/// Bits of a page-table entry.
mod pte {
    pub const V: u64 = 1 << 0;
    pub const R: u64 = 1 << 1;
    pub const W: u64 = 1 << 2;
    pub const X: u64 = 1 << 3;
    pub const U: u64 = 1 << 4;
    pub const G: u64 = 1 << 5;
    pub const A: u64 = 1 << 6;
    pub const D: u64 = 1 << 7;
    pub const PBMT: u64 = 3 << 61;
    /// Svnapot is not implemented, so `N` is reserved, like the bits below `PBMT`.
    pub const RESERVED: u64 = 1 << 63 | 0x7f << 54;
}

/// A successful translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Guest-physical address.
    pub physical: u64,
    /// The page may be loaded from, by the same privilege.
    pub readable: bool,
    /// The page may be stored to without its D bit having to be set first.
    pub writable: bool,
    /// The page is there in every address space.
    pub global: bool,
    /// The level of the page table that maps it: the page covers `12 + 9 * size` bits of address.
    pub size: u32,
}

/// Where an instruction would be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Guest-physical address.
    pub physical: u64,
    /// The page is there in every address space.
    pub global: bool,
}

/// A leaf of the page table: an entry that maps a page.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    /// The entry as it was read.
    read: u64,
    /// The same, with the bit G if any on the way to it had that.
    entry: u64,
    /// Its guest-physical address.
    address: u64,
    /// Its level.
    size: u32,
}

/// What an entry of a table leads to.
enum Step {
    Leaf(Leaf),
    Table(Table),
}

/// Why a walk came to no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WalkFault {
    Page,
    Access,
}

impl WalkFault {
    fn of(self, access: Access, vaddr: u64) -> Exception {
        match self {
            WalkFault::Page => access.page_fault(vaddr),
            WalkFault::Access => access.access_fault(vaddr),
        }
    }
}

/// Walks for one access at most. Another is only needed where the entry changed between being read and being updated, which
/// each time means that somebody else got on.
const MOST_WALKS: usize = 16;

/// Levels of the page table that `satp.MODE` asks for; `None` for Bare.
fn levels(satp: u64) -> Option<u32> {
    match satp >> 60 {
        8 => Some(3),
        9 => Some(4),
        10 => Some(5),
        _ => None,
    }
}

/// `value` as `satp` keeps it; `None` where the mode is not supported, and the write has no effect.
pub fn legal_satp(value: u64) -> Option<u64> {
    matches!(value >> 60, 0 | 8..=10).then_some(value)
}

/// Whether bits above those that `levels` levels translate are copies of the highest of these.
fn is_canonical(vaddr: u64, levels: u32) -> bool {
    let unused = 64 - size_bits(levels);
    ((vaddr << unused) as i64 >> unused) as u64 == vaddr
}

impl Leaf {
    /// Where the page begins, if it is aligned to its size.
    fn physical(&self) -> Option<u64> {
        let page = (self.entry >> 10 & ((1 << 44) - 1)) << 12;
        (page & ((1 << size_bits(self.size)) - 1) == 0).then_some(page)
    }
}

impl Hart {
    /// Translates `vaddr` for an access that `privilege` makes to `len` bytes, all in one page.
    pub fn translate<B: Bus>(
        &mut self,
        bus: &mut B,
        vaddr: u64,
        len: u64,
        access: Access,
        privilege: Privilege,
    ) -> Result<Translation, Exception> {
        let translation = match levels(self.state.csr.satp) {
            Some(levels) if privilege != Privilege::Machine => {
                self.translate_paged(bus, vaddr, access, privilege, levels)?
            }
            _ => Translation {
                physical: vaddr,
                readable: true,
                writable: true,
                // M-mode sees the same whatever `satp` says.
                global: privilege == Privilege::Machine,
                size: 0,
            },
        };
        match self
            .state
            .csr
            .pmp
            .check(privilege, access, translation.physical, len)
        {
            Verdict::Allowed => Ok(translation),
            Verdict::Denied | Verdict::Mixed => Err(access.access_fault(vaddr)),
        }
    }

    /// Translates through the page table, or what is remembered of it.
    fn translate_paged<B: Bus>(
        &mut self,
        bus: &mut B,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
        levels: u32,
    ) -> Result<Translation, Exception> {
        if !is_canonical(vaddr, levels) {
            return Err(access.page_fault(vaddr));
        }
        let fetch = access == Access::Execute;
        let known = self.translations.look_up(vaddr, fetch, self.state.csr.satp);
        let translation = match known.and_then(|entry| self.by_entry(entry, vaddr, access, privilege)) {
            Some(translation) => translation,
            None => self.walk(bus, vaddr, access, privilege, levels)?,
        };
        if let Some(ahead) = self.translations.take_ahead() {
            self.look_ahead(bus, ahead, levels);
        }
        Ok(translation)
    }

    /// What an entry that is remembered says of an access, if it allows it as it is: a store needs the D bit.
    fn by_entry(
        &self,
        entry: Entry,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
    ) -> Option<Translation> {
        let rights = u64::from(entry.rights().0);
        let allowed =
            self.permits(rights, access, privilege) && (access != Access::Write || rights & pte::D != 0);
        allowed.then(|| Translation {
            physical: entry.physical(vaddr),
            readable: self.permits(rights, Access::Read, privilege),
            writable: rights & pte::D != 0 && self.permits(rights, Access::Write, privilege),
            global: entry.is_global(),
            size: entry.size(),
        })
    }

    /// Where `privilege` would fetch the instruction at `vaddr` from, if it may from the whole page: looks without leaving a
    /// trace in the guest, so a page whose A bit is not set yet is refused.
    pub fn probe_fetch<B: Bus>(&mut self, bus: &mut B, vaddr: u64) -> Option<Probe> {
        let (access, privilege) = (Access::Execute, self.state.privilege);
        let translation = match levels(self.state.csr.satp) {
            Some(levels) if privilege != Privilege::Machine => {
                if !is_canonical(vaddr, levels) {
                    return None;
                }
                let known = self.translations.look_up(vaddr, true, self.state.csr.satp);
                match known.and_then(|entry| self.by_entry(entry, vaddr, access, privilege)) {
                    Some(translation) => translation,
                    None => {
                        let leaf = self.find_leaf(bus, vaddr, levels).ok()?;
                        let physical = leaf.physical()?;
                        if leaf.entry & pte::A == 0 || !self.permits(leaf.entry, access, privilege) {
                            return None;
                        }
                        self.by_leaf(leaf, physical, vaddr, privilege)
                    }
                }
            }
            _ => Translation {
                physical: vaddr,
                readable: true,
                writable: true,
                global: privilege == Privilege::Machine,
                size: 0,
            },
        };
        if !self.whole_page_allowed(privilege, access, translation.physical) {
            return None;
        }
        // Whoever asks remembers the page.
        self.superpages.note(vaddr, translation.size);
        Some(Probe {
            physical: translation.physical,
            global: translation.global,
        })
    }

    /// Whether PMP lets `privilege` make `access` to every byte of the page of `physical`.
    pub fn whole_page_allowed(&self, privilege: Privilege, access: Access, physical: u64) -> bool {
        let page = physical & !(PAGE_SIZE - 1);
        self.state.csr.pmp.check(privilege, access, page, PAGE_SIZE) == Verdict::Allowed
    }

    /// Walks the page table for an access, sets A and D bits as it needs, and remembers the page.
    fn walk<B: Bus>(
        &mut self,
        bus: &mut B,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
        levels: u32,
    ) -> Result<Translation, Exception> {
        for _ in 0..MOST_WALKS {
            let ticket = self.translations.begin_walk();
            let leaf = self
                .find_leaf(bus, vaddr, levels)
                .map_err(|fault| fault.of(access, vaddr))?;
            let physical = leaf.physical().ok_or(access.page_fault(vaddr))?;
            if !self.permits(leaf.entry, access, privilege) {
                return Err(access.page_fault(vaddr));
            }
            let Some(entry) = self.update_accessed(bus, leaf, access, vaddr)? else {
                // It is no longer what it was: all of it is checked again.
                continue;
            };
            let leaf = Leaf { entry, ..leaf };
            let rights = Rights(entry as u8);
            let fetch = access == Access::Execute;
            self.translations
                .insert(vaddr, fetch, leaf.size, physical, rights, ticket);
            return Ok(self.by_leaf(leaf, physical, vaddr, privilege));
        }
        Err(access.page_fault(vaddr))
    }

    /// What a leaf whose page is at `physical` says, where it allows the access.
    fn by_leaf(&self, leaf: Leaf, physical: u64, vaddr: u64, privilege: Privilege) -> Translation {
        Translation {
            physical: physical | vaddr & ((1 << size_bits(leaf.size)) - 1),
            readable: self.permits(leaf.entry, Access::Read, privilege),
            writable: leaf.entry & pte::D != 0 && self.permits(leaf.entry, Access::Write, privilege),
            global: leaf.entry & pte::G != 0,
            size: leaf.size,
        }
    }

    /// Looks pages up that are likely to be asked for, and remembers them if their A bit is set. Nothing else happens.
    #[cold]
    fn look_ahead<B: Bus>(&mut self, bus: &mut B, ahead: Ahead, levels: u32) {
        for vaddr in ahead {
            if !is_canonical(vaddr, levels) {
                return;
            }
            let Some(ticket) = self.translations.wants(vaddr) else {
                continue;
            };
            if let Ok(leaf) = self.find_leaf(bus, vaddr, levels)
                && let Some(physical) = leaf.physical()
                && leaf.entry & pte::A != 0
            {
                let rights = Rights(leaf.entry as u8);
                self.translations
                    .insert_ahead(vaddr, leaf.size, physical, rights, ticket);
            }
        }
    }

    /// Finds the leaf that maps a canonical address, from the lowest table that is remembered, else from the root.
    fn find_leaf<B: Bus>(&mut self, bus: &mut B, vaddr: u64, levels: u32) -> Result<Leaf, WalkFault> {
        let start = self.translations.start_of_walk(vaddr, levels);
        let mut table = start.unwrap_or_else(|| self.root(levels));
        loop {
            match self.step(bus.ram(), table, vaddr)? {
                Step::Leaf(leaf) => return Ok(leaf),
                Step::Table(next) => table = next,
            }
            self.translations.note_table(vaddr, table);
        }
    }

    /// The table that walks begin with.
    fn root(&self, levels: u32) -> Table {
        Table {
            level: levels - 1,
            address: (self.state.csr.satp & ((1 << 44) - 1)) << 12,
            global: false,
        }
    }

    /// Reads the entry of one table on the way to an address:
    ///
    /// ```text
    /// Sv39   vaddr  63      39 38    30 29    21 20    12 11       0
    ///               = bit 38   VPN[2]   VPN[1]   VPN[0]   offset
    /// ```
    ///
    /// Sv48 and Sv57 put one and two more levels of nine bits in front. A walk reads at most one entry for each level.
    fn step(&self, ram: &Ram, table: Table, vaddr: u64) -> Result<Step, WalkFault> {
        let address = table.address + (vaddr >> size_bits(table.level) & 0x1ff) * 8;
        let entry = self.read_entry(ram, address).ok_or(WalkFault::Access)?;
        let memory_type = entry & pte::PBMT;
        let memory_type_reserved = if self.state.csr.menvcfg & envcfg::PBMTE == 0 {
            memory_type != 0
        } else {
            memory_type == pte::PBMT
        };
        if entry & pte::V == 0
            || entry & (pte::R | pte::W) == pte::W
            || entry & pte::RESERVED != 0
            || memory_type_reserved
        {
            return Err(WalkFault::Page);
        }
        let global = table.global || entry & pte::G != 0;
        if entry & (pte::R | pte::X) != 0 {
            return Ok(Step::Leaf(Leaf {
                read: entry,
                entry: if global { entry | pte::G } else { entry },
                address,
                size: table.level,
            }));
        }
        // A pointer to the next table: of its bits, these must be clear.
        if entry & (pte::U | pte::A | pte::D | pte::PBMT) != 0 || table.level == 0 {
            return Err(WalkFault::Page);
        }
        Ok(Step::Table(Table {
            level: table.level - 1,
            address: (entry >> 10 & ((1 << 44) - 1)) << 12,
            global,
        }))
    }

    /// Where addresses lie in guest-physical memory, as who looks from outside sees them: nothing is remembered or changed, and
    /// rights are not asked. `None` for what is not mapped. Addresses that follow one another cost least in a row: those that
    /// one table maps share the way to it.
    pub fn locate<'a>(
        &'a self,
        ram: &'a Ram,
        addresses: impl IntoIterator<Item = u64> + 'a,
    ) -> impl Iterator<Item = Option<u64>> + 'a {
        let paged = levels(self.state.csr.satp).filter(|_| self.state.privilege != Privilege::Machine);
        // The table that the last leaf was found in, and an address that it maps.
        let mut last: Option<(Table, u64)> = None;
        addresses.into_iter().map(move |vaddr| {
            let Some(levels) = paged else {
                return Some(vaddr);
            };
            if !is_canonical(vaddr, levels) {
                return None;
            }
            let shared = last.filter(|(table, of)| (of ^ vaddr) >> size_bits(table.level + 1) == 0);
            let mut table = shared.map_or_else(|| self.root(levels), |(table, _)| table);
            loop {
                match self.step(ram, table, vaddr).ok()? {
                    Step::Table(next) => table = next,
                    Step::Leaf(leaf) => {
                        last = Some((table, vaddr));
                        return Some(leaf.physical()? | vaddr & ((1 << size_bits(leaf.size)) - 1));
                    }
                }
            }
        })
    }

    /// Whether a leaf allows an access.
    fn permits(&self, entry: u64, access: Access, privilege: Privilege) -> bool {
        let status = self.state.csr.mstatus;
        let right = match access {
            Access::Read if status & mstatus::MXR != 0 => pte::R | pte::X,
            Access::Read => pte::R,
            Access::Write => pte::W,
            Access::Execute => pte::X,
        };
        let user_page = entry & pte::U != 0;
        let whose = match privilege {
            Privilege::User => user_page,
            _ => !user_page || (access != Access::Execute && status & mstatus::SUM != 0),
        };
        whose && entry & right != 0
    }

    /// Sets the A and D bits that the access needs, or faults where software does that. `None` if the entry is no longer
    /// what was read (Svadu: the update is one atomic step with the check of the entry; section 11.3.1).
    fn update_accessed<B: Bus>(
        &mut self,
        bus: &mut B,
        leaf: Leaf,
        access: Access,
        vaddr: u64,
    ) -> Result<Option<u64>, Exception> {
        let needed = if access == Access::Write {
            pte::A | pte::D
        } else {
            pte::A
        };
        if leaf.entry & needed == needed {
            return Ok(Some(leaf.entry));
        }
        if self.state.csr.menvcfg & envcfg::ADUE == 0 {
            return Err(access.page_fault(vaddr));
        }
        let allowed = self
            .state
            .csr
            .pmp
            .check(Privilege::Supervisor, Access::Write, leaf.address, 8);
        if allowed != Verdict::Allowed {
            return Err(access.access_fault(vaddr));
        }
        let exchanged = bus
            .ram_mut()
            .compare_exchange_u64(leaf.address, leaf.read, leaf.read | needed)
            .map_err(|_| access.access_fault(vaddr))?;
        Ok(exchanged.then_some(leaf.entry | needed))
    }

    /// Reads a page-table entry, as S-mode. Tables are in RAM.
    fn read_entry(&self, ram: &Ram, address: u64) -> Option<u64> {
        let allowed = self
            .state
            .csr
            .pmp
            .check(Privilege::Supervisor, Access::Read, address, 8);
        if allowed != Verdict::Allowed {
            return None;
        }
        ram.read_u64(address).ok()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
