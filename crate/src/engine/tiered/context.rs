//! What compiled code and the run loop share of a core, and where it lies.

use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr::{null, null_mut};

use crate::engine::Core;
use crate::engine::branch_target::{DefaultBranchTargets, Entry as TargetEntry, Target};
use crate::ir::Slot;
use crate::ir::abi::{Abi, Helper, TableLayout};
use crate::isa::riscv::csr::number;
use crate::isa::riscv::float::Flags;
use crate::isa::riscv::hart::Privilege;
use crate::jit::region::slots;
use crate::mem::tlb;

/// The part of a core that only compiled code and its helpers look at. Pointers are good while compiled code runs.
#[derive(Debug)]
pub struct Context {
    /// The fast table of the current context.
    pub table: *const tlb::Entry,
    /// The branch-target cache of the current privilege.
    pub targets: *const TargetEntry,
    /// One function for each [`Helper`].
    pub helpers: [usize; Helper::COUNT],
    /// The bus, of the type that the helpers were made for.
    pub bus: *mut c_void,
    /// Set by a helper whose instruction stopped.
    pub trapped: u32,
    /// The region that was left.
    pub region: u32,
    /// The point at which it was left.
    pub point: u32,
}

// SAFETY: the pointers are set anew before each use, and mean nothing between uses.
unsafe impl Send for Context {}

impl Default for Context {
    fn default() -> Self {
        Context {
            table: null(),
            targets: null(),
            helpers: [0; Helper::COUNT],
            bus: null_mut(),
            trapped: 0,
            region: 0,
            point: 0,
        }
    }
}

/// A core's branch-target caches, one for each privilege: the same address means different code in each.
#[derive(Debug, Default)]
pub struct Targets {
    caches: [DefaultBranchTargets; 3],
    /// Of each, whether it may lead to code in pages that are not there in every address space.
    local: [bool; 3],
    /// Of what they have to forget, how much they have: see [`super::departures::Departures::count`].
    pub seen: u64,
}

impl Targets {
    /// The cache of `privilege`.
    #[inline]
    pub fn of(&mut self, privilege: Privilege) -> &mut DefaultBranchTargets {
        &mut self.caches[cache(privilege as u8)]
    }

    /// Remembers the target of `pc` for `privilege`; `global` if its code is the same in every address space.
    pub fn insert(&mut self, privilege: Privilege, pc: u64, target: Target, global: bool) {
        self.local[cache(privilege as u8)] |= !global;
        self.of(privilege).insert(pc, target);
    }

    /// Forgets the target of `pc` for a privilege, given as its number.
    pub fn forget(&mut self, pc: u64, privilege: u8) {
        self.caches[cache(privilege)].remove(pc);
    }

    /// Forgets the caches that lead to code of one address space.
    pub fn leave_address_space(&mut self) {
        for (cache, local) in self.caches.iter_mut().zip(&mut self.local) {
            if std::mem::take(local) {
                cache.flush();
            }
        }
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.caches.iter_mut().for_each(DefaultBranchTargets::flush);
        self.local = [false; 3];
    }

    /// Look-ups by the run loop that hit and that missed. Those of compiled code are not counted.
    pub fn lookups(&self) -> (u64, u64) {
        let stats = self.caches.iter().map(DefaultBranchTargets::stats);
        stats.fold((0, 0), |(hits, misses), stats| {
            (hits + stats.hits, misses + stats.misses)
        })
    }
}

/// Which cache is that of the privilege with this number.
fn cache(privilege: u8) -> usize {
    // There is no privilege 2; the machine's is 3.
    usize::from(privilege.min(2))
}

/// Where everything is in a [`Core`].
pub fn abi() -> Abi {
    let at = |offset: usize| offset as u32;
    let slot_offset = |Slot(number)| match number {
        0..32 => offset_of!(Core, hart.state.x) + 8 * usize::from(number),
        32..64 => offset_of!(Core, hart.state.f) + 8 * usize::from(number - 32),
        64 => offset_of!(Core, hart.state.csr.mstatus),
        69 => offset_of!(Core, hart.state.csr.menvcfg),
        other => match slots::CONTROL[usize::from(other) - 65].0 {
            number::SSCRATCH => offset_of!(Core, hart.state.csr.sscratch),
            number::SEPC => offset_of!(Core, hart.state.csr.sepc),
            number::SCAUSE => offset_of!(Core, hart.state.csr.scause),
            number::STVAL => offset_of!(Core, hart.state.csr.stval),
            _ => unreachable!("slots are control registers that are known here"),
        },
    };
    Abi {
        slots: slots::slot_infos(|slot| at(slot_offset(slot))),
        pc: at(offset_of!(Core, hart.state.pc)),
        retired: at(offset_of!(Core, hart.state.retired)),
        run_until: at(offset_of!(Core, hart.run_until)),
        table: at(offset_of!(Core, context.table)),
        table_layout: TableLayout {
            index_mask: at(tlb::ENTRIES - 1),
            entry_bytes: at(size_of::<tlb::Entry>()),
            read: at(offset_of!(tlb::Entry, read)),
            write: at(offset_of!(tlb::Entry, write)),
            addend: at(offset_of!(tlb::Entry, addend)),
        },
        targets: at(offset_of!(Core, context.targets)),
        target_layout: DefaultBranchTargets::layout(),
        helpers: at(offset_of!(Core, context.helpers)),
        trapped: at(offset_of!(Core, context.trapped)),
        region: at(offset_of!(Core, context.region)),
        point: at(offset_of!(Core, context.point)),
        float_flags: at(offset_of!(Core, hart.state.csr.fflags)),
        inexact: Flags::INEXACT.bits(),
        rounding: at(offset_of!(Core, hart.state.csr.frm)),
        pointer_bytes: at(size_of::<usize>()),
    }
}
