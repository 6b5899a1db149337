//! Looks at where branches and indirect jumps go: now and then some instructions are executed one by one, and what they
//! do is noted in the profile. Neither the interpreter nor compiled code counts anything for that.

use super::{Jit, synchronise};
use crate::engine::code::{CodeCache, UNDECODED};
use crate::engine::interpreter::{self, OFFSET};
use crate::engine::profile::Profile;
use crate::engine::{Core, Leave};
use crate::isa::riscv::insn::{Insn, Op};
use crate::jit::Tier;
use crate::jit::region::is_return;
use crate::mem::Bus;

/// Instructions of a look: enough to see a loop or two, few enough to cost nothing.
const SHORT: u64 = 32;
/// Those of a look at a loop that is going to be compiled with every optimisation.
const LONG: u64 = 1000;

/// Looks, which it is time to do, for at most `instructions` instructions. The engine is to be left if it gives a reason.
#[inline(never)]
pub fn look<B: Bus>(
    core: &mut Core,
    code: &mut CodeCache,
    jit: &mut Jit,
    bus: &mut B,
    instructions: u64,
) -> Option<Leave> {
    let length = if core.look_at == 0 { LONG } else { SHORT };
    core.look_at = core.hart.state.retired.saturating_add(jit.policy.look_every);
    for _ in 0..length.min(instructions) {
        synchronise(core, code, jit, bus);
        let pc = core.hart.state.pc;
        let seen = seen_at(core, pc);
        let (before, traps) = (core.hart.state.retired, core.hart.traps);
        if let Some(leave) = interpreter::step(core, code, bus) {
            return Some(leave);
        }
        jit.stats.looked_at += 1;
        if let Some((insn, contents)) = seen
            && core.hart.state.retired == before + 1
            && core.hart.traps == traps
        {
            note(&mut jit.profile.lock(), contents, pc, &insn, core.hart.state.pc);
        }
        // A device wants it and its interrupts looked at.
        if core.hart.run_until == 0 {
            return Some(Leave::Budget);
        }
    }
    None
}

/// The instruction at `pc` and what the profile knows its page by, if it is one whose way is worth a note.
fn seen_at(core: &Core, pc: u64) -> Option<(Insn, u64)> {
    let page = core.fetch.get(pc, core.hart.state.privilege)?;
    // SAFETY: remembered pages are forgotten before they are dropped, and the index is the page's own.
    let (insn, contents) = unsafe {
        let index = (*page).index(pc);
        if index == UNDECODED {
            return None;
        }
        (*(*page).insn(index), (*page).contents)
    };
    // Where functions return to is known where they are inlined; elsewhere it would make regions of their callers, with
    // three times as much to compile and no fewer ways out.
    let noted = insn.op == Op::Jalr && !is_return(&insn) || is_branch(insn.op);
    noted.then_some((insn, contents))
}

fn is_branch(op: Op) -> bool {
    (Op::Beq as u8..=Op::Bgeu as u8).contains(&(op as u8))
}

/// Notes that `insn` at `pc` went to `target`.
fn note(profile: &mut Profile, contents: u64, pc: u64, insn: &Insn, target: u64) {
    let offset = (pc & OFFSET) as u16;
    if is_branch(insn.op) {
        profile.note_branch(contents, offset, target != pc.wrapping_add(u64::from(insn.len)));
    } else {
        profile.note_jump(contents, offset, target.wrapping_sub(pc) as i64);
    }
}

impl Jit {
    /// Notes a region that is formed at `pc`, and by what its pages are known, that of the entry first. Returns the ticks it
    /// begins with: where the profile knows that the last run compiled it anew, the next turn that ends in it does.
    pub(super) fn note_region(&mut self, pc: u64, tier: Tier, pages: &[u64]) -> u32 {
        let mut profile = self.profile.lock();
        let Some((&first, others)) = pages.split_first() else {
            return 0;
        };
        let offset = (pc & OFFSET) as u16;
        let known = profile.entry(first, offset);
        profile.note_entry(first, offset, tier == Tier::Hot);
        others.iter().for_each(|&page| profile.note_page(page));
        match known {
            Some(known) if tier == Tier::Quick => {
                self.stats.foreseen += 1;
                match self.policy.hot_ticks {
                    Some(ticks) if known.hot => ticks.saturating_sub(1),
                    _ => 0,
                }
            }
            _ => 0,
        }
    }
}
