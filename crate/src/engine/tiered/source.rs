//! Guest code as region forming sees it, and what the run loop knows of how it behaves.

use std::cell::RefCell;
use std::rc::Rc;

use crate::engine::Core;
use crate::engine::code::{CodeCache, Page, UNDECODED};
use crate::engine::interpreter::{OFFSET, decoded_page};
use crate::engine::profile;
use crate::isa::riscv::hart::Privilege;
use crate::isa::riscv::insn::Insn;
use crate::isa::riscv::mmu::Probe;
use crate::jit::region::{Profile, Source};
use crate::mem::{Bus, PAGE_SIZE};
use rustc_hash::FxHashMap;

/// An address is often reached if its arrivals have used up one part in so many of its heat.
const OFTEN: u16 = 32;

/// Pages found so far: guest-virtual page to decoded page, `None` where there is none to be had.
type Pages = Rc<RefCell<FxHashMap<u64, Option<*const Page>>>>;

/// The code that a core sees now.
#[derive(Debug)]
pub struct GuestCode<'a, B> {
    pub core: &'a mut Core,
    pub code: &'a mut CodeCache,
    pub bus: &'a mut B,
    pages: Pages,
}

impl<'a, B: Bus> GuestCode<'a, B> {
    /// The code of `core`.
    pub fn new(core: &'a mut Core, code: &'a mut CodeCache, bus: &'a mut B) -> Self {
        GuestCode {
            core,
            code,
            bus,
            pages: Pages::default(),
        }
    }

    /// The decoded page of `pc`, if a fetch there would do nothing but fetch.
    fn page(&mut self, pc: u64) -> Option<*const Page> {
        let known = self.pages.borrow().get(&(pc & !OFFSET)).copied();
        if let Some(known) = known {
            let page = known?;
            // SAFETY: pages are dropped only by `CodeCache::drop_stale` and `clear`; neither happens while `self` lives.
            if unsafe { &*page }.index(pc) != UNDECODED {
                return known;
            }
        }
        let found = page_of(self.core, self.code, self.bus, pc);
        self.pages.borrow_mut().insert(pc & !OFFSET, found);
        found
    }

    /// The guest-physical page of a guest-virtual page that [`Source::instruction`] has looked into.
    pub fn physical_page(&self, virtual_page: u64) -> Option<u64> {
        let page = self.pages.borrow().get(&virtual_page).copied()??;
        // SAFETY: as in `page`.
        Some(unsafe { (*page).physical })
    }

    /// What a profile knows that page by.
    pub fn contents(&self, virtual_page: u64) -> Option<u64> {
        let page = self.pages.borrow().get(&virtual_page).copied()??;
        // SAFETY: as in `page`.
        Some(unsafe { (*page).contents })
    }

    /// What the heat of this code's addresses and `profile` tell. It must not be asked once `self` is gone.
    pub fn behaviour(&self, profile: profile::Shared) -> Behaviour {
        Behaviour {
            pages: Rc::clone(&self.pages),
            initial: self.code.initial_heat,
            profile,
        }
    }
}

/// What is known of where branches and jumps go.
#[derive(Debug)]
pub struct Behaviour {
    pages: Pages,
    initial: u16,
    profile: profile::Shared,
}

impl Behaviour {
    /// The page of an address, if it was looked into.
    fn page(&self, pc: u64) -> Option<&Page> {
        let page = self.pages.borrow().get(&(pc & !OFFSET)).copied()??;
        // SAFETY: as in `GuestCode::page`, which lives.
        Some(unsafe { &*page })
    }
}

impl Profile for Behaviour {
    /// A branch whose target was never jumped to is never taken. Of others the profile may know more.
    fn taken_ratio(&self, pc: u64) -> Option<f32> {
        let here = self.page(pc)?;
        let index = here.index(pc);
        if index == UNDECODED {
            return None;
        }
        // SAFETY: the index is the page's own, and the pointer is used at once.
        let target = pc.wrapping_add(i64::from(unsafe { (*here.insn(index)).imm }) as u64);
        if let Some(target_page) = self.page(target)
            && target_page.slot(target).heat() == self.initial
        {
            return Some(0.0);
        }
        let profile = self.profile.lock();
        profile.taken_ratio(here.contents, (pc & OFFSET) as u16)
    }

    fn targets(&self, pc: u64) -> Vec<u64> {
        let Some(here) = self.page(pc) else {
            return Vec::new();
        };
        let distances = self.profile.lock().targets(here.contents, (pc & OFFSET) as u16);
        distances
            .into_iter()
            .map(|distance| pc.wrapping_add(distance as u64))
            .collect()
    }

    fn often_reached(&self, pc: u64) -> Vec<u64> {
        let pages = self.pages.borrow();
        let mut reached = Vec::new();
        for base in [
            pc & !OFFSET,
            (pc & !OFFSET).wrapping_sub(PAGE_SIZE),
            (pc & !OFFSET).wrapping_add(PAGE_SIZE),
        ] {
            let Some(&Some(page)) = pages.get(&base) else {
                continue;
            };
            // SAFETY: as in `GuestCode::page`, which lives.
            let page = unsafe { &*page };
            for pc in (0..PAGE_SIZE).step_by(2).map(|offset| base | offset) {
                let slot = page.slot(pc);
                // More heat than at first means that it was compiled with something already.
                let usual = self.initial - self.initial / OFTEN..=self.initial;
                if slot.index != UNDECODED && !usual.contains(&slot.heat()) {
                    reached.push(pc);
                }
            }
        }
        // How often says less: in the page are other functions, which were hot at other times.
        reached.sort_by_key(|reached| reached.abs_diff(pc));
        reached
    }
}

/// The decoded page of `pc`, with the instruction there decoded, if a fetch there would do nothing but fetch.
pub fn page_of<B: Bus>(core: &mut Core, code: &mut CodeCache, bus: &mut B, pc: u64) -> Option<*const Page> {
    let privilege = core.hart.state.privilege;
    let Probe { physical, global } = match core.fetch.get_with_kind(pc, privilege) {
        // SAFETY: remembered pages are forgotten before they are dropped.
        Some((page, global)) => unsafe {
            if (*page).index(pc) != UNDECODED {
                return Some(page);
            }
            let physical = (*page).physical | pc & OFFSET;
            Probe { physical, global }
        },
        None => core.hart.probe_fetch(bus, pc)?,
    };
    let page = decoded_page(core, code, bus, physical)?;
    core.fetch.insert(pc, privilege, page, global);
    Some(page)
}

impl<B: Bus> Source for GuestCode<'_, B> {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        let page = self.page(pc)?;
        // SAFETY: as in `page`; the instruction at `pc` is decoded, and the pointer is used at once.
        Some(unsafe { *(*page).insn((*page).index(pc)) })
    }

    fn supervises(&self) -> bool {
        self.core.hart.state.privilege >= Privilege::Supervisor
    }
}
