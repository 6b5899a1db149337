//! From a region to machine code, block by block and instruction by instruction.

mod integer;

use super::Host;
use super::asm::{Alu, Asm, Cc, Label, Mem, Reg, Size};
use super::cold::{Cold, ColdKind};
use super::exits::{Exits, Home};
use super::registers::{Pins, READY, RETIRED, Registers, STATE, TABLE, TooManyValues, frame, gpr};
use crate::ir::{
    Abi, Block, BlockId, Compare, Inst, Leave, Region, SlotSet, Terminator, Type, UnaryOp, Value,
};
use crate::jit::native::lower::asks_ready;

/// A region being compiled.
pub(super) struct Emit<'a> {
    pub r: Registers<'a>,
    pub abi: &'a Abi,
    pub host: &'a Host,
    pub region: &'a Region,
    /// The region's number.
    pub number: u32,
    /// Where each block's code is.
    pub blocks: Vec<Label>,
    /// What is written behind the blocks.
    pub cold: Vec<Cold>,
    pub exits: Exits,
    /// How it finds its entries itself.
    pub home: Option<Home>,
    /// Pinned slots that some instruction writes.
    pub written: SlotSet,
    /// Whether some operation asks for readiness.
    pub asks_ready: bool,
    /// Whether a value may be in an SSE register.
    pub has_doubles: bool,
}

/// Entries from which on a table finds them, instead of comparisons.
const FEWEST_IN_TABLE: usize = 5;

/// The host's condition for a comparison.
pub(super) fn condition(compare: Compare) -> Cc {
    match compare {
        Compare::Eq => Cc::E,
        Compare::Ne => Cc::Ne,
        Compare::Lt => Cc::L,
        Compare::Ge => Cc::Ge,
        Compare::Ltu => Cc::B,
        Compare::Geu => Cc::Ae,
    }
}

type Done = Result<(), TooManyValues>;

impl<'a> Emit<'a> {
    /// Writes the code of a region.
    pub fn region(
        asm: &'a mut Asm,
        abi: &'a Abi,
        host: &'a Host,
        region: &'a Region,
        pins: &'a Pins,
        number: u32,
    ) -> Done {
        let blocks = region.blocks.iter().map(|_| asm.label()).collect();
        let (exits, home) = (Exits::new(asm), Home::new(region, asm));
        let written = region.written();
        let pinned = pins.slots.iter().fold(SlotSet::default(), |mut set, &slot| {
            set.insert(slot);
            set
        });
        let insts = || region.blocks.iter().flat_map(|block| &block.insts);
        let asks_ready = insts()
            .any(|inst| matches!(*inst, Inst::Float { op, precision, .. } if asks_ready(op, precision)));
        asm.bind(exits.start);
        let has_doubles = insts().any(|inst| match *inst {
            Inst::Get(slot) | Inst::Set(slot, _) => abi.slot(slot).ty == Type::F64,
            Inst::Float { .. } | Inst::Unary(UnaryOp::FromBits, _) => true,
            _ => false,
        });
        let mut emit = Emit {
            r: Registers::new(asm, abi, pins),
            abi,
            host,
            region,
            number,
            blocks,
            cold: Vec::new(),
            exits,
            home,
            written: SlotSet(written.0 & pinned.0),
            asks_ready,
            has_doubles,
        };
        emit.enter();
        let dirty = emit.dirty();
        for (index, block) in region.blocks.iter().enumerate() {
            emit.block(index, block, dirty[index])?;
        }
        emit.write_cold();
        emit.shared_exits();
        Ok(())
    }

    /// Where instructions go.
    pub fn asm(&mut self) -> &mut Asm {
        self.r.asm
    }

    /// A place in the state.
    pub fn state(offset: u32) -> Mem {
        Mem::at(STATE, offset as i32)
    }

    /// What comes first: pinned slots are loaded, and the block that is entered is gone to.
    fn enter(&mut self) {
        let (retired, table) = (Self::state(self.abi.retired), Self::state(self.abi.table));
        self.asm().mov(Size::Q, RETIRED, retired);
        let memory = |inst: &Inst| {
            matches!(
                inst,
                Inst::Load { .. } | Inst::Store { .. } | Inst::LoadForUpdate { .. } | Inst::Window { .. }
            )
        };
        if self
            .region
            .blocks
            .iter()
            .any(|block| block.insts.iter().any(memory))
        {
            self.asm().mov(Size::Q, TABLE, table);
        }
        for index in 0..self.r.pins.slots.len() {
            let slot = self.r.pins.slots[index];
            let (reg, memory) = (self.r.pins.of(slot), self.r.slot_memory(slot));
            if let Some(reg) = reg {
                self.r.fetch(reg, memory);
            }
        }
        if self.asks_ready {
            self.find_ready();
        }
        let again = self.exits.again;
        self.asm().bind(again);
        let entries = self.region.entries.iter();
        let entries: Vec<Label> = entries.map(|entry| self.blocks[entry.0 as usize]).collect();
        if entries.len() >= FEWEST_IN_TABLE {
            // It is a number of 32 bits: who calls may have left something above.
            self.asm().mov(Size::D, Reg::RSI, Reg::RSI);
            self.asm().jmp_table(entries, Reg::RSI, Reg::RCX, Reg::RDX);
            return;
        }
        for (index, &to) in entries.iter().enumerate().skip(1) {
            self.asm().alu_imm(Alu::Cmp, Size::D, Reg::RSI, index as i32);
            self.asm().jcc(Cc::E, to);
        }
        if self.region.entries[0] != BlockId(0) {
            self.asm().jmp(entries[0]);
        }
    }

    /// Finds out whether floating point is ready, for the frame; no register changes.
    pub fn find_ready(&mut self) {
        let (flags, rounding) = (Self::state(self.abi.float_flags), Self::state(self.abi.rounding));
        let inexact = self.abi.inexact;
        let done = self.asm().label();
        self.asm().store_imm(1, frame(READY), 0);
        self.asm().test_byte(flags, inexact);
        self.asm().jcc(Cc::E, done);
        self.asm().cmp_byte(rounding, 0);
        self.asm().jcc(Cc::Ne, done);
        self.asm().store_imm(1, frame(READY), 1);
        self.asm().bind(done);
    }

    /// Pinned slots that may have been written when each block begins.
    fn dirty(&self) -> Vec<SlotSet> {
        let blocks = &self.region.blocks;
        let own: Vec<u128> = blocks
            .iter()
            .map(|block| {
                block.insts.iter().fold(0, |set, inst| match inst {
                    Inst::Set(slot, _) => set | 1 << slot.0,
                    _ => set,
                })
            })
            .collect();
        let mut before = vec![SlotSet::default(); blocks.len()];
        if self.home.is_some() {
            // Where the region goes on in itself, nothing was stored.
            for entry in &self.region.entries {
                before[entry.0 as usize] = self.written;
            }
        }
        loop {
            let mut changed = false;
            for (index, block) in blocks.iter().enumerate() {
                let after = (before[index].0 | own[index]) & self.written.0;
                for to in block.end.successors() {
                    let at = &mut before[to.0 as usize].0;
                    changed |= *at | after != *at;
                    *at |= after;
                }
            }
            if !changed {
                return before;
            }
        }
    }

    fn block(&mut self, index: usize, block: &Block, mut dirty: SlotSet) -> Done {
        let label = self.blocks[index];
        self.asm().bind(label);
        if block.poll {
            let until = Self::state(self.abi.run_until);
            self.asm().alu(Alu::Cmp, Size::Q, RETIRED, until);
            let leave = self.cold(ColdKind::Budget { pc: block.pc });
            self.asm().jcc(Cc::Ae, leave);
        }
        self.r.start(block);
        for at in 0..block.insts.len() as u32 {
            self.r.unlock();
            self.inst(block, at)?;
            if let Inst::Set(slot, _) = block.insts[at as usize] {
                dirty.insert(slot);
            }
        }
        self.r.unlock();
        let dirty = SlotSet(dirty.0 & self.written.0);
        let count = block.insts.len() as u32;
        if block.retired != 0 && !matches!(block.end, Terminator::Interpret(_)) {
            self.asm()
                .lea(Size::Q, RETIRED, Mem::at(RETIRED, block.retired as i32));
        }
        let next = index as u32 + 1;
        match block.end {
            Terminator::Jump(to) => {
                if to.0 != next {
                    let to = self.blocks[to.0 as usize];
                    self.asm().jmp(to);
                }
            }
            Terminator::Branch {
                compare,
                a,
                b,
                yes,
                no,
            } => {
                let cc = self.compare(compare, a, b, count)?;
                let (to_yes, to_no) = (self.blocks[yes.0 as usize], self.blocks[no.0 as usize]);
                if yes.0 == next {
                    self.asm().jcc(cc.negated(), to_no);
                } else {
                    self.asm().jcc(cc, to_yes);
                    if no.0 != next {
                        self.asm().jmp(to_no);
                    }
                }
            }
            Terminator::Exit(pc) => self.leave_for(pc, dirty),
            Terminator::ExitTo(to) => {
                let to = self.r.read(to)?;
                self.r.copy(Reg::RAX.0, to);
                self.leave_for_rax(dirty);
            }
            Terminator::Interpret(point) => self.leave_at(point, Leave::Interpret),
        }
        Ok(())
    }

    /// Adds something to be written behind the blocks; gives where it will be.
    pub fn cold(&mut self, kind: ColdKind) -> Label {
        let (label, back) = (self.r.asm.label(), self.r.asm.label());
        self.cold.push(Cold { label, back, kind });
        label
    }

    /// The same for what comes back: the second label is to be bound where it comes back to.
    pub fn cold_and_back(&mut self, kind: ColdKind) -> (Label, Label) {
        let label = self.cold(kind);
        (label, self.cold[self.cold.len() - 1].back)
    }

    /// Compares; gives the condition by which the comparison holds.
    pub fn compare(&mut self, compare: Compare, a: Value, b: Value, at: u32) -> Result<Cc, TooManyValues> {
        let mut cc = condition(compare);
        let (mut first, mut second) = (a, b);
        if self.r.known(a).is_some() && self.r.known(b).is_none() {
            (first, second) = (b, a);
            cc = match cc {
                Cc::L | Cc::Ge | Cc::B | Cc::Ae => {
                    // Turned round: less becomes greater.
                    let x = self.r.read_gpr(a)?;
                    let y = self.r.read_anywhere(b, at)?;
                    self.asm().alu(Alu::Cmp, Size::Q, x, y);
                    self.r.used(at, &[a, b]);
                    return Ok(cc);
                }
                other => other,
            };
        }
        match self.r.immediate(second) {
            Some(0) if self.r.next_use(first).is_some() => {
                let x = self.r.read_gpr(first)?;
                self.asm().test(Size::Q, x, x);
            }
            Some(number) => {
                let x = self.r.read_anywhere(first, at)?;
                self.asm().alu_imm(Alu::Cmp, Size::Q, x, number);
            }
            None => {
                let x = self.r.read_gpr(first)?;
                let y = self.r.read_anywhere(second, at)?;
                self.asm().alu(Alu::Cmp, Size::Q, x, y);
            }
        }
        self.r.used(at, &[a, b]);
        Ok(cc)
    }

    fn inst(&mut self, block: &Block, at: u32) -> Done {
        let inst = block.insts[at as usize];
        match inst {
            Inst::Const(_) => {}
            _ if self.r.fused[at as usize] => {}
            Inst::Get(slot) => self.r.get(at, slot),
            Inst::Set(slot, value) => self.r.set(at, slot, value)?,
            _ if self.r.next_use(Value(at)).is_none() && !inst.has_effect() => {
                // Nobody needs it: its operands are free.
                let mut operands = [Value(0); 4];
                let mut count = 0;
                inst.operands(|value| {
                    operands[count] = value;
                    count += 1;
                });
                self.r.used(at, &operands[..count]);
            }
            Inst::Binary(op, a, b) => self.binary(block, at, op, a, b)?,
            Inst::Unary(op, a) => self.unary(block, at, op, a)?,
            Inst::Compare(compare, a, b) => {
                let cc = self.compare(compare, a, b, at)?;
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                self.asm().setcc(cc, dst);
                self.asm().movzx(1, dst, dst);
            }
            Inst::Select(which, a, b) => self.select(block, at, which, a, b)?,
            Inst::Load {
                width,
                addr,
                via,
                at: point,
            } => self.load(block, at, width, addr, via, point)?,
            Inst::Store {
                width,
                addr,
                value,
                via,
                at: point,
            } => self.store(at, width, addr, value, via, point)?,
            Inst::LoadForUpdate {
                width,
                addr,
                at: point,
            } => {
                self.load_for_update(block, at, width, addr, point)?;
            }
            Inst::Window { addr, span, write } => self.window(block, at, addr, span, write)?,
            Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                code,
            } => self.float(block, at, op, precision, [a, b, c], code)?,
            Inst::Call {
                helper,
                args,
                code,
                at: point,
            } => self.call(block, at, helper, args, code, point)?,
            Inst::ExitIf {
                compare,
                a,
                b,
                at: point,
            } => {
                let cc = self.compare(compare, a, b, at)?;
                let leave = self.cold(ColdKind::Leave {
                    point,
                    reason: Leave::Interpret,
                });
                self.asm().jcc(cc, leave);
            }
        }
        Ok(())
    }

    /// Stores pinned slots that may have been written.
    pub fn store_slots(&mut self, slots: SlotSet) {
        for slot in slots.iter() {
            let (reg, memory) = (self.r.pins.of(slot), self.r.slot_memory(slot));
            if let Some(reg) = reg {
                self.r.put(memory, reg);
            }
        }
    }

    /// A register that can be changed: `reg` itself never is.
    pub fn work(&mut self) -> Result<Reg, TooManyValues> {
        Ok(gpr(self.r.scratch(Type::I64)?))
    }
}
