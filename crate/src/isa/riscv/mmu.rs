//! Address translation: Sv39, Sv48 and Sv57 (privileged spec chapter 11), with PMP.

use super::csr::{envcfg, mstatus};
use super::hart::{Hart, Privilege};
use super::pmp::Verdict;
use super::trap::{Cause, Exception};
use crate::mem::{Bus, PAGE_SIZE};

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
}

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
                self.walk(bus, vaddr, access, privilege, levels, true)?
            }
            _ => Translation {
                physical: vaddr,
                readable: true,
                writable: true,
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

    /// Where `privilege` would fetch the instruction at `vaddr` from, if it may from the whole page: looks without leaving a
    /// trace, so a page whose A bit is not set yet is refused.
    pub fn probe_fetch<B: Bus>(&mut self, bus: &mut B, vaddr: u64) -> Option<u64> {
        let (access, privilege) = (Access::Execute, self.state.privilege);
        let physical = match levels(self.state.csr.satp) {
            Some(levels) if privilege != Privilege::Machine => {
                let translation = self.walk(bus, vaddr, access, privilege, levels, false);
                translation.ok()?.physical
            }
            _ => vaddr,
        };
        self.whole_page_allowed(privilege, access, physical)
            .then_some(physical)
    }

    /// Whether PMP lets `privilege` make `access` to every byte of the page of `physical`.
    pub fn whole_page_allowed(&self, privilege: Privilege, access: Access, physical: u64) -> bool {
        let page = physical & !(PAGE_SIZE - 1);
        self.state.csr.pmp.check(privilege, access, page, PAGE_SIZE) == Verdict::Allowed
    }

    /// Walks the page table:
    ///
    /// ```text
    /// Sv39   vaddr  63      39 38    30 29    21 20    12 11       0
    ///               = bit 38   VPN[2]   VPN[1]   VPN[0]   offset
    /// ```
    ///
    /// Sv48 and Sv57 put one and two more levels of nine bits in front. Without `update`, A and D bits that are not set make a
    /// fault.
    fn walk<B: Bus>(
        &mut self,
        bus: &mut B,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
        levels: u32,
        update: bool,
    ) -> Result<Translation, Exception> {
        let fault = access.page_fault(vaddr);
        let unused = 64 - (12 + 9 * levels);
        if ((vaddr << unused) as i64 >> unused) as u64 != vaddr {
            return Err(fault);
        }
        let mut table = (self.state.csr.satp & ((1 << 44) - 1)) << 12;
        for level in (0..levels).rev() {
            let shift = 12 + 9 * level;
            let address = table + (vaddr >> shift & 0x1ff) * 8;
            let entry = self.read_entry(bus, address).ok_or(access.access_fault(vaddr))?;
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
                return Err(fault);
            }
            let next = (entry >> 10 & ((1 << 44) - 1)) << 12;
            if entry & (pte::R | pte::X) == 0 {
                // A pointer to the next table: of its bits, these must be clear.
                if entry & (pte::U | pte::A | pte::D | pte::PBMT) != 0 {
                    return Err(fault);
                }
                table = next;
                continue;
            }
            let offset_mask = (1 << shift) - 1;
            if next & offset_mask != 0 || !self.permits(entry, access, privilege) {
                return Err(fault);
            }
            let entry = if update || entry & pte::A != 0 {
                self.update_accessed(bus, address, entry, access, vaddr)?
            } else {
                return Err(fault);
            };
            return Ok(Translation {
                physical: next | vaddr & offset_mask,
                readable: self.permits(entry, Access::Read, privilege),
                writable: entry & pte::D != 0 && self.permits(entry, Access::Write, privilege),
            });
        }
        Err(fault)
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

    /// Sets the A and D bits that the access needs, or faults where software does that.
    fn update_accessed<B: Bus>(
        &mut self,
        bus: &mut B,
        address: u64,
        entry: u64,
        access: Access,
        vaddr: u64,
    ) -> Result<u64, Exception> {
        let needed = if access == Access::Write {
            pte::A | pte::D
        } else {
            pte::A
        };
        if entry & needed == needed {
            return Ok(entry);
        }
        if self.state.csr.menvcfg & envcfg::ADUE == 0 {
            return Err(access.page_fault(vaddr));
        }
        let updated = entry | needed;
        let allowed = self
            .state
            .csr
            .pmp
            .check(Privilege::Supervisor, Access::Write, address, 8);
        if allowed != Verdict::Allowed || bus.ram_mut().write_u64(address, updated).is_err() {
            return Err(access.access_fault(vaddr));
        }
        Ok(updated)
    }

    /// Reads a page-table entry, as S-mode. Tables are in RAM.
    fn read_entry<B: Bus>(&self, bus: &mut B, address: u64) -> Option<u64> {
        let allowed = self
            .state
            .csr
            .pmp
            .check(Privilege::Supervisor, Access::Read, address, 8);
        if allowed != Verdict::Allowed {
            return None;
        }
        bus.ram().read_u64(address).ok()
    }
}
