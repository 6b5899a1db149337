//! The interpreter.
//!
//! It walks decoded pages ([`super::code`]): straight lines by moving a pointer, jumps within a page by the page's map,
//! jumps between pages by the hart's fetch cache. Whatever is less common — traps, system instructions, pages not yet
//! seen, interrupts — goes through the top of [`run`], where all architectural state is exact.

mod exec;
mod memory;
mod system;

use super::code::{CodeCache, Page, UNDECODED};
use super::{Core, Leave};
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::hart::{FetchFlush, StopReason};
use crate::isa::riscv::insn::{Insn, Op};
use crate::isa::riscv::mmu::Access;
use crate::isa::riscv::semantics::execute;
use crate::isa::riscv::trap::{Cause, Exception};
use crate::mem::{Bus, PAGE_SIZE};
pub(super) use exec::Exec;
use exec::Flow;

/// Bytes into its page.
pub(super) const OFFSET: u64 = PAGE_SIZE - 1;

/// Runs `core` for about `instructions` instructions; up to a page's worth more may be retired. Traps count too, so that a
/// guest whose handler faults for ever comes back.
pub fn run<B: Bus>(core: &mut Core, code: &mut CodeCache, bus: &mut B, instructions: u64) -> Leave {
    core.hart.run_until = core.hart.state.retired.saturating_add(instructions);
    // Other harts and devices may have stored since: a reservation does not outlive a turn.
    core.hart.state.reservation = None;
    for _ in 0..=instructions {
        synchronise(core, code, bus);
        if let Some(number) = core.hart.pending_interrupt() {
            core.hart.take_interrupt(number);
        }
        if core.hart.state.waiting {
            if !core.hart.interrupt_wakes() {
                return Leave::Waiting;
            }
            core.hart.state.waiting = false;
        }
        if core.hart.state.retired >= core.hart.run_until {
            return Leave::Budget;
        }
        let entry = match locate(core, code, bus) {
            Ok(entry) => entry,
            Err(exception) => {
                core.hart.take_exception(exception);
                continue;
            }
        };
        if let Some(leave) = run_pages(core, bus, entry) {
            return leave;
        }
    }
    Leave::Budget
}

/// Executes one instruction, or takes one trap: what [`run`] does, stopped as early as can be. The hart may be found waiting.
pub fn step<B: Bus>(core: &mut Core, code: &mut CodeCache, bus: &mut B) -> Option<Leave> {
    synchronise(core, code, bus);
    if let Some(number) = core.hart.pending_interrupt() {
        core.hart.take_interrupt(number);
        return None;
    }
    if core.hart.state.waiting {
        if !core.hart.interrupt_wakes() {
            return Some(Leave::Waiting);
        }
        core.hart.state.waiting = false;
    }
    core.hart.run_until = core.hart.state.retired.saturating_add(1);
    let entry = match locate(core, code, bus) {
        Ok(Entry::Page(page)) => {
            // SAFETY: just found, with the instruction at `pc` decoded.
            let insn = unsafe { *(*page).insn((*page).index(core.hart.state.pc)) };
            apart(code, insn)
        }
        Ok(single) => single,
        Err(exception) => {
            core.hart.take_exception(exception);
            return None;
        }
    };
    run_pages(core, bus, entry)
}

/// Brings what the core remembers of code up to date.
pub(super) fn synchronise<B: Bus>(core: &mut Core, code: &mut CodeCache, bus: &mut B) {
    if bus.ram().has_stale_code() {
        code.drop_stale(bus.ram_mut());
    }
    if code.is_full() {
        code.drop_some();
    }
    let hart = &mut core.hart;
    match std::mem::replace(&mut hart.fetch_flush, FetchFlush::Nothing) {
        FetchFlush::Nothing => {}
        FetchFlush::Page(vaddr) => core.fetch.flush_page(vaddr),
        FetchFlush::AddressSpace => core.fetch.leave_address_space(),
        FetchFlush::All => core.fetch.flush(),
    }
    if core.fetch.seen_drops != code.drops {
        core.fetch.seen_drops = code.drops;
        core.fetch.flush();
    }
    if core.fetch.seen_marks != code.marks {
        core.fetch.seen_marks = code.marks;
        hart.tlb.protect_all();
    }
}

/// Where to start.
#[derive(Debug)]
pub(super) enum Entry {
    /// In this page, in which the instruction at `pc` is decoded.
    Page(*const Page),
    /// With this one instruction and a jump past it, in a page that must not be entered (the one given is empty).
    Single(*const Page, [Insn; 2]),
}

/// Finds and decodes the code at `pc`.
pub(super) fn locate<B: Bus>(core: &mut Core, code: &mut CodeCache, bus: &mut B) -> Result<Entry, Exception> {
    let (pc, privilege) = (core.hart.state.pc, core.hart.state.privilege);
    if let Some(page) = core.fetch.get(pc, privilege) {
        // SAFETY: remembered pages are forgotten before they are dropped.
        if unsafe { &*page }.index(pc) != UNDECODED {
            return Ok(Entry::Page(page));
        }
    }
    let translation = core.hart.translate(bus, pc, 2, Access::Execute, privilege)?;
    let page = decoded_page(core, code, bus, translation.physical)
        .ok_or_else(|| Access::Execute.access_fault(pc))?;
    if core
        .hart
        .whole_page_allowed(privilege, Access::Execute, translation.physical)
    {
        core.hart.superpages.note(pc, translation.size);
        core.fetch.insert(pc, privilege, page, translation.global);
        return Ok(Entry::Page(page));
    }
    // PMP draws a border through the page, so each instruction is checked for itself.
    let bits = instruction_bits(core, bus)?;
    let insn = Insn {
        offset: (pc & OFFSET) as u16,
        ..decode(bits)
    };
    Ok(apart(code, insn))
}

/// An entry for one instruction and a jump past it.
fn apart(code: &CodeCache, insn: Insn) -> Entry {
    let past = Insn {
        imm: i32::from(insn.offset) + i32::from(insn.len),
        ..Insn::new(Op::Continue)
    };
    Entry::Single(code.empty_page(), [insn, past])
}

/// The decoded page of a physical address. Permissions to store to it go.
pub(super) fn decoded_page<B: Bus>(
    core: &mut Core,
    code: &mut CodeCache,
    bus: &mut B,
    physical: u64,
) -> Option<*const Page> {
    let (drops, marks) = (code.drops, code.marks);
    let page = code.page(bus.ram_mut(), physical)?;
    if code.drops != drops {
        core.fetch.flush();
        core.fetch.seen_drops = code.drops;
    }
    if code.marks != marks {
        core.hart.tlb.protect(physical & !OFFSET);
        core.fetch.seen_marks = code.marks;
    }
    Some(page)
}

/// Runs from `pc`, until something wants the top of [`run`] (`None`) or the engine is to be left.
pub(super) fn run_pages<B: Bus>(core: &mut Core, bus: &mut B, entry: Entry) -> Option<Leave> {
    let privilege = core.hart.state.privilege;
    let table = core.hart.tlb.table(core.hart.data_context());
    let pc = core.hart.state.pc;
    let heat_step = core.heat_step;
    let mut exec = Exec {
        core,
        bus,
        table,
        page: pc & !OFFSET,
    };
    // An instruction that is not in the page's array runs from here.
    let mut apart;
    let (mut page, mut at) = match entry {
        // SAFETY: `page` is alive and its instruction at `pc` decoded. Pages are dropped and decode more only at the
        // top of `run`, so it and pointers into it are good until this returns. Each run ends in an instruction that
        // is not followed by the next (`Op::ends_run`), so the pointer stays within the run.
        Entry::Page(page) => (page, unsafe { (*page).insn((*page).index(pc)) }),
        Entry::Single(empty, insns) => {
            apart = insns;
            (empty, apart.as_ptr())
        }
    };
    let mut run_start = at;
    loop {
        // SAFETY: as above.
        let insn = unsafe { &*at };
        let target = match execute(&mut exec, insn) {
            Ok(Flow::Next) => {
                // SAFETY: as above.
                at = unsafe { at.add(1) };
                continue;
            }
            Ok(Flow::Jump(target)) => {
                exec.core.hart.state.retired += distance(run_start, at) + 1;
                target
            }
            Ok(Flow::System) => {
                exec.core.hart.state.retired += distance(run_start, at);
                let pc = exec.page.wrapping_add(u64::from(insn.offset));
                match insn.op {
                    Op::Continue => exec.page.wrapping_add(i64::from(insn.imm) as u64),
                    Op::Straddle => {
                        exec.core.hart.state.pc = pc;
                        match straddling(exec.core, exec.bus) {
                            Ok(insns) => {
                                apart = insns;
                                at = apart.as_ptr();
                                run_start = at;
                                continue;
                            }
                            Err(exception) => {
                                exec.core.hart.take_exception(exception);
                                return None;
                            }
                        }
                    }
                    _ => {
                        exec.core.hart.state.pc = pc;
                        // It may read `mip`, which must show what an access to a device just before has done.
                        if exec.core.hart.state.retired >= exec.core.hart.run_until {
                            return None;
                        }
                        return system_instruction(exec.core, exec.bus, insn);
                    }
                }
            }
            Err(_) => {
                exec.core.hart.state.retired += distance(run_start, at);
                exec.core.hart.state.pc = exec.page.wrapping_add(u64::from(insn.offset));
                return stopped(exec.core, exec.bus);
            }
        };
        if exec.core.hart.state.retired < exec.core.hart.run_until {
            if (target ^ exec.page) & !OFFSET != 0 {
                match exec.core.fetch.get(target, privilege) {
                    Some(found) => {
                        page = found;
                        exec.page = target & !OFFSET;
                    }
                    None => {
                        exec.core.hart.state.pc = target;
                        return None;
                    }
                }
            }
            // SAFETY: as above; pages in the fetch cache are alive.
            let slot = unsafe { (*page).slot(target) };
            if slot.index != UNDECODED && slot.arrive(heat_step) {
                // SAFETY: as above.
                at = unsafe { (*page).insn(slot.index) };
                run_start = at;
                continue;
            }
        }
        exec.core.hart.state.pc = target;
        return None;
    }
}

/// Instructions from `start` to `end`.
#[inline(always)]
fn distance(start: *const Insn, end: *const Insn) -> u64 {
    ((end as usize - start as usize) / size_of::<Insn>()) as u64
}

/// What [`run_system`] came to.
#[derive(Debug)]
pub(super) enum Systems {
    /// The next instruction is another, or not at hand.
    None,
    /// Some were executed, and the top of [`run`] is wanted.
    Done,
    /// The engine is to be left.
    Leave(Leave),
}

/// Executes the system instructions that come next. They often stand in rows, as where a kernel is entered.
pub(super) fn run_system<B: Bus>(core: &mut Core, bus: &mut B) -> Systems {
    let privilege = core.hart.state.privilege;
    let mut systems = Systems::None;
    while core.hart.state.retired < core.hart.run_until {
        let pc = core.hart.state.pc;
        let Some(page) = core.fetch.get(pc, privilege) else {
            break;
        };
        // SAFETY: remembered pages are forgotten before they are dropped, and decode more only at the top of `run`.
        let insn = unsafe {
            let index = (*page).index(pc);
            if index == UNDECODED {
                break;
            }
            &*(*page).insn(index)
        };
        if !insn.op.is_system() {
            break;
        }
        systems = Systems::Done;
        if let Some(leave) = system_instruction(core, bus, insn) {
            return Systems::Leave(leave);
        }
        let hart = &core.hart;
        if hart.state.waiting
            || hart.state.privilege != privilege
            || hart.state.pc != pc.wrapping_add(u64::from(insn.len))
            || hart.fetch_flush != FetchFlush::Nothing
            || bus.ram().has_stale_code()
            || hart.pending_interrupt().is_some()
        {
            break;
        }
    }
    systems
}

/// Executes a system instruction at `pc`.
#[inline(never)]
fn system_instruction<B: Bus>(core: &mut Core, bus: &mut B, insn: &Insn) -> Option<Leave> {
    match system::execute(&mut core.hart, bus, insn) {
        Ok(()) => {
            core.hart.state.retired += 1;
            None
        }
        Err(_) => stopped(core, bus),
    }
}

/// The instruction at `pc` stopped: takes its exception, or leaves.
#[cold]
#[inline(never)]
pub(super) fn stopped<B: Bus>(core: &mut Core, bus: &mut B) -> Option<Leave> {
    match core.hart.stop {
        StopReason::Exception(mut exception) => {
            if exception.cause == Cause::IllegalInstruction {
                exception.value = instruction_bits(core, bus).map_or(0, u64::from);
            }
            core.hart.take_exception(exception);
            None
        }
        StopReason::FirmwareCall => {
            core.hart.state.retired += 1;
            Some(Leave::FirmwareCall)
        }
    }
}

/// The bits of the instruction at `pc`; its upper half is zero if it is a compressed one.
fn instruction_bits<B: Bus>(core: &mut Core, bus: &mut B) -> Result<u32, Exception> {
    let pc = core.hart.state.pc;
    let low = fetch_half(core, bus, pc)?;
    if low & 3 != 3 {
        return Ok(u32::from(low));
    }
    let high = fetch_half(core, bus, pc.wrapping_add(2))?;
    Ok(u32::from(low) | u32::from(high) << 16)
}

fn fetch_half<B: Bus>(core: &mut Core, bus: &mut B, vaddr: u64) -> Result<u16, Exception> {
    let privilege = core.hart.state.privilege;
    let translation = core.hart.translate(bus, vaddr, 2, Access::Execute, privilege)?;
    bus.ram()
        .read_u16(translation.physical)
        .map_err(|_| Access::Execute.access_fault(vaddr))
}

/// The instruction at `pc`, whose halves lie in two pages, and a jump past it.
#[inline(never)]
fn straddling<B: Bus>(core: &mut Core, bus: &mut B) -> Result<[Insn; 2], Exception> {
    let (pc, privilege) = (core.hart.state.pc, core.hart.state.privilege);
    if let Some(straddle) = core.fetch.straddle(pc, privilege) {
        return Ok(straddle.insns);
    }
    let bits = instruction_bits(core, bus)?;
    let insn = Insn {
        offset: (pc & OFFSET) as u16,
        ..decode(bits)
    };
    let past = Insn {
        imm: (pc & OFFSET) as i32 + 4,
        ..Insn::new(Op::Continue)
    };
    let second = core
        .hart
        .translate(bus, pc.wrapping_add(2), 2, Access::Execute, privilege)?;
    // The second page holds code too. Where it is not known to, a store to it would go unseen, so nothing is remembered.
    if bus.ram().is_code(second.physical) {
        core.fetch.insert_straddle(pc, privilege, [insn, past]);
    }
    Ok([insn, past])
}
