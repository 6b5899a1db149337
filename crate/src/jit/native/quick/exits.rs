//! Ways out of a region, and the ways into code and to the helpers that all regions share.

use super::asm::{Alu, Asm, Cc, Label, Mem, Reg, Shift, Size, Xmm};
use super::emit::Emit;
use super::registers::{FRAME, RETIRED, STATE};
use crate::ir::{Block, Inst, Leave, PointId, Region, SlotSet};

/// Code that ways out of one kind share, if there are any.
#[derive(Debug)]
pub(super) struct Exits {
    /// The region's first instruction.
    pub start: Label,
    /// Where the region goes on in itself, at the entry in `esi`, with pinned slots as they are.
    pub again: Label,
    /// Stores pinned slots and returns; the reason is in `eax`, the point is stored.
    point: Label,
    /// Stores pinned slots and returns because the budget is used up; the program counter is in `rax`.
    budget: Label,
    /// Returns with the program counter in `rax`; all else is stored.
    next: Label,
    /// Goes on in the region for the program counter in `rax`; all else is stored.
    probe: Label,
    /// The same where nothing is stored yet.
    away: Label,
    used: [bool; 5],
}

/// How the region's entries are found by the program counter, where it leaves for an address that is known only when it
/// runs and may be one of them: the place of each is `pc >> shift` in a table, as many of its bits as number the places.
#[derive(Debug)]
pub(super) struct Home {
    shift: u8,
    /// What is at each place: an index into [`Region::entries`].
    places: Vec<Option<usize>>,
    /// Where the table is: distances of entries, then their program counters.
    table: Label,
}

/// Most places of such a table, as a power of two.
const MOST_BITS: u32 = 7;
/// Greatest shift: the lowest bit of program counters is always 0, and what differs only above these is far apart.
const MOST_SHIFT: u8 = 11;

impl Home {
    /// The smallest table, if there are calls from within into the region that return to entries of it: most regions are left
    /// for their callers' only, and to look here first made the kernel slower by some percent.
    pub fn new(region: &Region, asm: &mut Asm) -> Option<Self> {
        let entries: Vec<u64> = region.entries.iter().map(|&id| region.block(id).pc).collect();
        let calls = |block: &Block| {
            let says_where_to_return = |inst: &Inst| match *inst {
                Inst::Set(_, value) => match block.insts[value.0 as usize] {
                    Inst::Const(number) => entries.contains(&number),
                    _ => false,
                },
                _ => false,
            };
            block.end.successors().next().is_some() && block.insts.iter().any(says_where_to_return)
        };
        if entries.len() < 2 || !region.leads_anywhere() || !region.blocks.iter().any(calls) {
            return None;
        }
        let least = entries.len().next_power_of_two().trailing_zeros();
        let sizes = (least..=MOST_BITS).flat_map(|bits| (1..=MOST_SHIFT).map(move |shift| (bits, shift)));
        let mut found = sizes.filter_map(|(bits, shift)| Some((shift, place(&entries, bits, shift)?)));
        let (shift, places) = found.next()?;
        let table = asm.label();
        Some(Home { shift, places, table })
    }
}

/// Each entry's place; `None` if two have the same.
fn place(entries: &[u64], bits: u32, shift: u8) -> Option<Vec<Option<usize>>> {
    let mut places = vec![None; 1 << bits];
    for (index, pc) in entries.iter().enumerate() {
        let place = &mut places[(pc >> shift) as usize & ((1 << bits) - 1)];
        if place.replace(index).is_some() {
            return None;
        }
    }
    Some(places)
}

impl Exits {
    pub fn new(asm: &mut Asm) -> Self {
        Exits {
            start: asm.label(),
            again: asm.label(),
            point: asm.label(),
            budget: asm.label(),
            next: asm.label(),
            probe: asm.label(),
            away: asm.label(),
            used: [false; 5],
        }
    }
}

impl Emit<'_> {
    /// Leaves at a point.
    pub fn leave_at(&mut self, point: PointId, reason: Leave) {
        let at_point = Self::state(self.abi.point);
        self.asm().store_imm(4, at_point, point.0 as i32);
        self.asm().mov_imm(Reg::RAX, reason as u64);
        let to = self.exits.point;
        self.exits.used[0] = true;
        self.asm().jmp(to);
    }

    /// Leaves because the budget is used up.
    pub fn leave_budget(&mut self, pc: u64) {
        self.asm().mov_imm(Reg::RAX, pc);
        let to = self.exits.budget;
        self.exits.used[1] = true;
        self.asm().jmp(to);
    }

    /// Stores what is to be stored, and goes on only if instructions are left; the program counter is in `rax`.
    fn settle(&mut self, dirty: SlotSet) {
        self.store_slots(dirty);
        let (retired, until) = (Self::state(self.abi.retired), Self::state(self.abi.run_until));
        self.asm().store(8, retired, RETIRED);
        self.asm().alu(Alu::Cmp, Size::Q, RETIRED, until);
        let next = self.exits.next;
        self.exits.used[2] = true;
        self.asm().jcc(Cc::Ae, next);
    }

    /// Leaves for the guest address `pc`; `dirty` may have been written.
    pub fn leave_for(&mut self, pc: u64, dirty: SlotSet) {
        self.asm().mov_imm(Reg::RAX, pc);
        self.settle(dirty);
        // Its set in the branch-target cache is known now.
        let layout = &self.abi.target_layout;
        let set = (pc >> 1 ^ pc >> layout.fold_shift) as u32 & layout.set_mask;
        let offset = (set * layout.ways * layout.entry_bytes) as i32;
        let targets = Self::state(self.abi.targets);
        self.asm().mov(Size::Q, Reg::RDX, targets);
        self.ways(offset, false);
    }

    /// Leaves for the guest address in `rax`; `dirty` may have been written. Goes on at once where that is an entry of its own:
    /// what is valid for the code that runs is valid there.
    pub fn leave_for_rax(&mut self, dirty: SlotSet) {
        if let Some(Home { shift, places, table }) = &self.home {
            let (shift, mask, table) = (*shift, places.len() as i32 - 1, *table);
            let pcs = 4 * places.len() as i32;
            let (until, away) = (Self::state(self.abi.run_until), self.exits.away);
            self.exits.used[4] = true;
            self.asm().alu(Alu::Cmp, Size::Q, RETIRED, until);
            self.asm().jcc(Cc::Ae, away);
            self.asm().rorx(Size::Q, Reg::RCX, Reg::RAX, shift);
            self.asm().alu_imm(Alu::And, Size::D, Reg::RCX, mask);
            self.asm().lea_label(Reg::RDX, table);
            let pc = Mem {
                base: Reg::RDX,
                index: Some((Reg::RCX, 3)),
                disp: pcs,
            };
            self.asm().alu(Alu::Cmp, Size::Q, Reg::RAX, pc);
            self.asm().jcc(Cc::Ne, away);
            self.asm().jmp_by(Reg::RDX, Reg::RCX, Reg::RCX);
            return;
        }
        self.settle(dirty);
        let to = self.exits.probe;
        self.exits.used[3] = true;
        self.asm().jmp(to);
    }

    /// Goes on in the region that a set of the branch-target cache, `offset` bytes from `rdx`, has for `rax`; without more
    /// ado if that may be, and is, this one.
    fn ways(&mut self, offset: i32, may_return: bool) {
        let layout = self.abi.target_layout.clone();
        let next = self.exits.next;
        self.exits.used[2] = true;
        for way in 0..layout.ways {
            let field = |field: u32| Mem::at(Reg::RDX, offset + (way * layout.entry_bytes + field) as i32);
            let last = way + 1 == layout.ways;
            let other = if last { next } else { self.asm().label() };
            self.asm().alu(Alu::Cmp, Size::Q, Reg::RAX, field(layout.pc));
            self.asm().jcc(Cc::Ne, other);
            self.asm().mov(Size::D, Reg::RSI, field(layout.entry));
            if may_return && self.region.entries.len() > 1 {
                let (start, again) = (self.exits.start, self.exits.again);
                self.asm().lea_label(Reg::RCX, start);
                self.asm()
                    .alu(Alu::Cmp, Size::Q, Reg::RCX, field(layout.function));
                self.asm().jcc(Cc::E, again);
            }
            self.asm().jmp_to(field(layout.function));
            if !last {
                self.asm().bind(other);
            }
        }
        if layout.ways == 0 {
            self.asm().jmp(next);
        }
    }

    /// Has the table of entries be behind the code.
    fn write_home(&mut self) {
        let Some(Home { places, table, .. }) = &self.home else {
            return;
        };
        let (table, away) = (*table, self.exits.away);
        let entry = |place: &Option<usize>| place.map(|index| self.region.entries[index]);
        let labels = places
            .iter()
            .map(|place| entry(place).map_or(away, |id| self.blocks[id.0 as usize]));
        // No program counter is odd.
        let pcs = places
            .iter()
            .map(|place| entry(place).map_or(1, |id| self.region.block(id).pc));
        let (labels, pcs) = (labels.collect(), pcs.collect());
        self.asm().add_table(table, labels, pcs);
    }

    /// Writes the code that ways out share.
    pub fn shared_exits(&mut self) {
        let abi = self.abi;
        let (retired, region) = (Self::state(abi.retired), Self::state(abi.region));
        let (pc, number, written) = (Self::state(abi.pc), self.number as i32, self.written);
        if self.exits.used[4] {
            self.write_home();
            let (away, probe) = (self.exits.away, self.exits.probe);
            self.asm().bind(away);
            self.settle(written);
            self.exits.used[3] = true;
            self.asm().jmp(probe);
        }
        if self.exits.used[3] {
            let layout = abi.target_layout.clone();
            let (probe, targets) = (self.exits.probe, Self::state(abi.targets));
            self.asm().bind(probe);
            self.asm().rorx(Size::Q, Reg::RCX, Reg::RAX, 1);
            self.asm()
                .rorx(Size::Q, Reg::RDX, Reg::RAX, layout.fold_shift as u8);
            self.asm().alu(Alu::Xor, Size::D, Reg::RCX, Reg::RDX);
            self.asm()
                .alu_imm(Alu::And, Size::D, Reg::RCX, layout.set_mask as i32);
            let bytes = layout.ways * layout.entry_bytes;
            if bytes.is_power_of_two() {
                self.asm()
                    .shift(Shift::Shl, Size::D, Reg::RCX, bytes.trailing_zeros() as u8);
            } else {
                self.asm().imul_imm(Size::D, Reg::RCX, Reg::RCX, bytes as i32);
            }
            self.asm().mov(Size::Q, Reg::RDX, targets);
            self.asm().alu(Alu::Add, Size::Q, Reg::RDX, Reg::RCX);
            self.ways(0, true);
        }
        if self.exits.used[2] {
            let next = self.exits.next;
            self.asm().bind(next);
            self.asm().store(8, pc, Reg::RAX);
            self.asm().store_imm(4, region, number);
            self.asm().mov_imm(Reg::RAX, Leave::Next as u64);
            self.asm().ret();
        }
        if self.exits.used[1] {
            let budget = self.exits.budget;
            self.asm().bind(budget);
            self.store_slots(written);
            self.asm().store(8, retired, RETIRED);
            self.asm().store(8, pc, Reg::RAX);
            self.asm().store_imm(4, region, number);
            self.asm().mov_imm(Reg::RAX, Leave::Budget as u64);
            self.asm().ret();
        }
        if self.exits.used[0] {
            let point = self.exits.point;
            self.asm().bind(point);
            self.store_slots(written);
            self.asm().store(8, retired, RETIRED);
            self.asm().store_imm(4, region, number);
            self.asm().ret();
        }
    }
}

/// Registers that a function called by the System V convention keeps for its caller.
const KEPT: [Reg; 6] = [Reg::RBX, Reg::RBP, Reg::R12, Reg::R13, Reg::R14, Reg::R15];
/// Those that it may change, but for `rsp`.
const LOST: [Reg; 9] = [
    Reg::RAX,
    Reg::RCX,
    Reg::RDX,
    Reg::RSI,
    Reg::RDI,
    Reg::R8,
    Reg::R9,
    Reg::R10,
    Reg::R11,
];

/// `extern "C" fn(function, state, entry) -> u32`: calls a region. Regions may change every register, and use the frame
/// above their return address.
pub(super) fn trampoline(asm: &mut Asm) {
    // With the return address, the saved registers and this, the stack is aligned to 16 bytes at the call.
    let frame = 8 * FRAME as i32 + 8;
    for reg in KEPT {
        asm.push(reg);
    }
    asm.lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, -frame));
    asm.mov(Size::Q, Reg::RAX, Reg::RDI);
    asm.mov(Size::Q, STATE, Reg::RSI);
    asm.mov(Size::D, Reg::RSI, Reg::RDX);
    asm.call(Reg::RAX);
    asm.lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, frame));
    for reg in KEPT.into_iter().rev() {
        asm.pop(reg);
    }
    asm.ret();
}

/// The way to the helper whose pointer is at `helper` in the state: takes the arguments from the stack, leaves the result
/// in the place of the first, and keeps all registers, SSE ones only if `keep_sse`.
pub(super) fn thunk(asm: &mut Asm, helper: u32, keep_sse: bool) {
    let kept = if keep_sse { 16 } else { 0 };
    // Eight bytes more align the stack.
    let sse_bytes = 8 * i32::from(kept) + 8;
    for reg in LOST {
        asm.push(reg);
    }
    asm.lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, -sse_bytes));
    for number in 0..kept {
        asm.store_xmm(Mem::at(Reg::RSP, 8 * i32::from(number)), Xmm(number));
    }
    let first = sse_bytes + 8 * LOST.len() as i32 + 8;
    for (number, reg) in [Reg::RSI, Reg::RDX, Reg::RCX, Reg::R8].into_iter().enumerate() {
        asm.mov(Size::Q, reg, Mem::at(Reg::RSP, first + 8 * number as i32));
    }
    asm.call(Mem::at(STATE, helper as i32));
    asm.store(8, Mem::at(Reg::RSP, first), Reg::RAX);
    for number in 0..kept {
        asm.load_xmm(Xmm(number), Mem::at(Reg::RSP, 8 * i32::from(number)));
    }
    asm.lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, sse_bytes));
    for reg in LOST.into_iter().rev() {
        asm.pop(reg);
    }
    asm.ret();
}
