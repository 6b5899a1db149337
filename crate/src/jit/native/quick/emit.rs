//! From a region to machine code, block by block and instruction by instruction.

use super::asm::{Alu, Asm, Cc, Label, Mem, Reg, Shift, Size, Unary};
use super::cold::{Cold, ColdKind};
use super::registers::{Pins, READY, RETIRED, Registers, STATE, TABLE, TooManyValues, frame, gpr};
use super::{Host, exits::Exits};
use crate::ir::{
    Abi, BinaryOp, Block, BlockId, Compare, Inst, Leave, Region, SlotSet, Terminator, Type, UnaryOp, Value,
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
        let exits = Exits::new(asm);
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

    fn select(&mut self, block: &Block, at: u32, which: Value, a: Value, b: Value) -> Done {
        let fused = match block.insts[which.0 as usize] {
            Inst::Compare(compare, x, y) if self.r.fused[which.0 as usize] => Some((compare, x, y)),
            _ => None,
        };
        // In registers before flags are made: what loads them might change those.
        let (yes, no) = (self.r.read(a)?, self.r.read(b)?);
        let cc = match fused {
            Some((compare, x, y)) => self.compare(compare, x, y, at)?,
            None => {
                let which = self.r.read_gpr(which)?;
                self.asm().test(Size::Q, which, which);
                Cc::Ne
            }
        };
        self.r.used(at, &[which, a, b]);
        let class = if yes < 16 { Type::I64 } else { Type::F64 };
        let dst = self.r.define(block, at, class, Some(no))?;
        if class == Type::F64 {
            let skip = self.asm().label();
            if dst == yes {
                // It holds the second's place only if it is not needed: the condition decides which is copied over.
                self.asm().jcc(cc, skip);
                self.r.copy(dst, no);
            } else {
                self.r.copy(dst, no);
                self.asm().jcc(cc.negated(), skip);
                self.r.copy(dst, yes);
            }
            self.asm().bind(skip);
            return Ok(());
        }
        if dst == yes {
            self.asm().cmov(cc.negated(), gpr(dst), gpr(no));
        } else {
            self.r.copy(dst, no);
            self.asm().cmov(cc, gpr(dst), gpr(yes));
        }
        Ok(())
    }

    fn binary(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        use BinaryOp::{
            Add, And, Div, Divu, Mul, Mulh, Mulhsu, Mulhu, Or, Rem, Remu, Rotr, Rotr32, Sar, Shl, Shr, Sub,
            Xor,
        };
        let commutes = matches!(op, Add | And | Or | Xor | Mul);
        let (a, b) = if commutes && self.r.known(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        match op {
            Mulh | Mulhu | Mulhsu => return self.high_product(block, at, op, a, b),
            Div | Divu | Rem | Remu => return self.divide(block, at, op, a, b),
            Shl | Shr | Sar | Rotr | Rotr32 => return self.shift(block, at, op, a, b),
            Add | Sub | And | Or | Xor | Mul => {}
        }
        if let Some(number) = self.r.immediate(b)
            && (op != Sub || number != i32::MIN)
        {
            if op == Mul {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a, b]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                self.asm().imul_imm(Size::Q, dst, src, number);
                return Ok(());
            }
            let src = self.r.read_gpr(a)?;
            self.r.used(at, &[a, b]);
            let dst = gpr(self.r.define(block, at, Type::I64, Some(src.0))?);
            let number = if op == Sub { -number } else { number };
            let op = match op {
                Add | Sub if dst != src => {
                    self.asm().lea(Size::Q, dst, Mem::at(src, number));
                    return Ok(());
                }
                Add | Sub => Alu::Add,
                And => Alu::And,
                Or => Alu::Or,
                _ => Alu::Xor,
            };
            // A mask of the low 32 bits or fewer clears the rest anyhow.
            let size = if op == Alu::And && number >= 0 {
                Size::D
            } else {
                Size::Q
            };
            if dst != src {
                self.asm().mov(size, dst, src);
            }
            self.asm().alu_imm(op, size, dst, number);
            return Ok(());
        }
        let x = self.r.read_gpr(a)?;
        let y = self.r.read_anywhere(b, at)?;
        self.r.used(at, &[a, b]);
        let dst = gpr(self.r.define(block, at, Type::I64, Some(x.0))?);
        let from_second = y == dst.into() && x != dst;
        if op == Add
            && dst != x
            && !from_second
            && let super::asm::Rm::Reg(y) = y
        {
            self.asm().lea(Size::Q, dst, Mem::sum(x, y, 0));
            return Ok(());
        }
        if from_second {
            if op == Sub {
                self.asm().unary(Unary::Neg, Size::Q, dst);
                self.asm().alu(Alu::Add, Size::Q, dst, x);
                return Ok(());
            }
            self.two_address(op, dst, x.into());
            return Ok(());
        }
        if dst != x {
            self.asm().mov(Size::Q, dst, x);
        }
        self.two_address(op, dst, y);
        Ok(())
    }

    fn two_address(&mut self, op: BinaryOp, dst: Reg, src: super::asm::Rm) {
        let op = match op {
            BinaryOp::Add => Alu::Add,
            BinaryOp::Sub => Alu::Sub,
            BinaryOp::And => Alu::And,
            BinaryOp::Or => Alu::Or,
            BinaryOp::Xor => Alu::Xor,
            _ => return self.asm().imul(Size::Q, dst, src),
        };
        self.asm().alu(op, Size::Q, dst, src);
    }

    fn shift(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        let size = if op == BinaryOp::Rotr32 { Size::D } else { Size::Q };
        let shift = match op {
            BinaryOp::Shl => Shift::Shl,
            BinaryOp::Shr => Shift::Shr,
            BinaryOp::Sar => Shift::Sar,
            _ => Shift::Ror,
        };
        if let Some(amount) = self.r.known(b) {
            let amount = (amount & if size == Size::D { 31 } else { 63 }) as u8;
            if shift == Shift::Ror {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a, b]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                self.asm().rorx(size, dst, src, amount);
                return Ok(());
            }
            let src = self.r.read_gpr(a)?;
            self.r.used(at, &[a, b]);
            let dst = gpr(self.r.define(block, at, Type::I64, Some(src.0))?);
            if dst != src {
                self.asm().mov(size, dst, src);
            }
            self.asm().shift(shift, size, dst, amount);
            return Ok(());
        }
        if shift == Shift::Ror {
            self.r.claim(Reg::RCX)?;
            let (src, amount) = (self.r.read(a)?, self.r.read(b)?);
            let work = self.r.scratch(Type::I64)?;
            self.r.copy(Reg::RCX.0, amount);
            self.asm().mov(size, gpr(work), gpr(src));
            self.asm().ror_cl(size, gpr(work));
            self.r.used(at, &[a, b]);
            let dst = self.r.define(block, at, Type::I64, Some(work))?;
            self.r.copy(dst, work);
            return Ok(());
        }
        let src = self.r.read_anywhere(a, at)?;
        let amount = self.r.read_gpr(b)?;
        self.r.used(at, &[a, b]);
        let dst = gpr(self.r.define(block, at, Type::I64, None)?);
        self.asm().shift_by(shift, size, dst, src, amount);
        Ok(())
    }

    fn high_product(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        self.r.claim(Reg::RAX)?;
        self.r.claim(Reg::RDX)?;
        let (x, y) = (self.r.read(a)?, self.r.read(b)?);
        self.r.copy(Reg::RAX.0, x);
        let multiply = if op == BinaryOp::Mulh {
            Unary::Imul
        } else {
            Unary::Mul
        };
        self.asm().unary(multiply, Size::Q, gpr(y));
        if op == BinaryOp::Mulhsu {
            // As unsigned, a negative number is 2^64 too large: b too much in the high word.
            self.asm().mov(Size::Q, Reg::RAX, gpr(x));
            self.asm().shift(Shift::Sar, Size::Q, Reg::RAX, 63);
            self.asm().alu(Alu::And, Size::Q, Reg::RAX, gpr(y));
            self.asm().alu(Alu::Sub, Size::Q, Reg::RDX, Reg::RAX);
        }
        self.r.used(at, &[a, b]);
        let dst = self.r.define(block, at, Type::I64, Some(Reg::RDX.0))?;
        self.r.copy(dst, Reg::RDX.0);
        Ok(())
    }

    fn divide(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        let signed = matches!(op, BinaryOp::Div | BinaryOp::Rem);
        let rest = matches!(op, BinaryOp::Rem | BinaryOp::Remu);
        self.r.claim(Reg::RAX)?;
        self.r.claim(Reg::RDX)?;
        let (x, y) = (self.r.read(a)?, gpr(self.r.read(b)?));
        self.r.copy(Reg::RAX.0, x);
        // Divisors 0 and -1 would trap, or may.
        if signed {
            self.asm().lea(Size::Q, Reg::RDX, Mem::at(y, 1));
            self.asm().alu_imm(Alu::Cmp, Size::Q, Reg::RDX, 1);
        } else {
            self.asm().test(Size::Q, y, y);
        }
        let (special, back) = self.cold_and_back(ColdKind::Division {
            divisor: y,
            signed,
            rest,
        });
        self.asm().jcc(if signed { Cc::Be } else { Cc::E }, special);
        // Numbers of 32 bits are divided several times as fast.
        let (long, done) = (self.asm().label(), self.asm().label());
        self.asm().mov(Size::Q, Reg::RDX, Reg::RAX);
        self.asm().alu(Alu::Or, Size::Q, Reg::RDX, y);
        self.asm().shift(Shift::Shr, Size::Q, Reg::RDX, 32);
        self.asm().jcc(Cc::Ne, long);
        // `edx` is zero now.
        self.asm().unary(Unary::Div, Size::D, y);
        self.asm().jmp(done);
        self.asm().bind(long);
        if signed {
            self.asm().cqo();
            self.asm().unary(Unary::Idiv, Size::Q, y);
        } else {
            self.asm().mov_imm(Reg::RDX, 0);
            self.asm().unary(Unary::Div, Size::Q, y);
        }
        self.asm().bind(done);
        self.asm().bind(back);
        let made = if rest { Reg::RDX } else { Reg::RAX };
        self.r.used(at, &[a, b]);
        let dst = self.r.define(block, at, Type::I64, Some(made.0))?;
        self.r.copy(dst, made.0);
        Ok(())
    }

    fn unary(&mut self, block: &Block, at: u32, op: UnaryOp, a: Value) -> Done {
        match op {
            UnaryOp::Sext(width) | UnaryOp::Zext(width) => {
                // Bytes of memory operands are the low ones.
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                match op {
                    UnaryOp::Sext(_) => self.asm().movsx(width.bytes(), dst, src),
                    _ => self.asm().movzx(width.bytes(), dst, src),
                }
            }
            UnaryOp::Clz | UnaryOp::Ctz | UnaryOp::Cpop => {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                match op {
                    UnaryOp::Clz => self.asm().lzcnt(dst, src),
                    UnaryOp::Ctz => self.asm().tzcnt(dst, src),
                    _ => self.asm().popcnt(dst, src),
                }
            }
            UnaryOp::Rev8 => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, Some(src))?;
                self.r.copy(dst, src);
                self.asm().bswap(gpr(dst));
            }
            UnaryOp::OrcB => self.orc_b(block, at, a)?,
            UnaryOp::ToBits => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, None)?;
                self.r.copy(dst, src);
            }
            UnaryOp::FromBits => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::F64, None)?;
                self.r.copy(dst, src);
            }
            UnaryOp::Unbox => {
                let src = gpr(self.r.read(a)?);
                let (work, low) = (self.r.scratch(Type::I64)?, self.r.scratch(Type::I64)?);
                self.asm().mov(Size::Q, gpr(work), src);
                self.asm().shift(Shift::Sar, Size::Q, gpr(work), 32);
                self.asm().mov(Size::D, gpr(low), src);
                self.asm().alu_imm(Alu::Cmp, Size::Q, gpr(work), -1);
                self.asm().mov_imm(gpr(work), 0x7fc0_0000);
                self.asm().cmov(Cc::E, gpr(work), gpr(low));
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, Some(work))?;
                self.r.copy(dst, work);
            }
        }
        Ok(())
    }

    /// Each byte all ones if it is not zero: its top bit, by an addition that cannot carry into the next, spread.
    fn orc_b(&mut self, block: &Block, at: u32, a: Value) -> Done {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let src = gpr(self.r.read(a)?);
        let (work, mask) = (self.r.scratch(Type::I64)?, self.r.scratch(Type::I64)?);
        let (work, mask) = (gpr(work), gpr(mask));
        self.asm().mov_imm(mask, LOW);
        self.asm().mov(Size::Q, work, src);
        self.asm().alu(Alu::And, Size::Q, work, mask);
        self.asm().alu(Alu::Add, Size::Q, work, mask);
        self.asm().alu(Alu::Or, Size::Q, work, src);
        self.asm().unary(Unary::Not, Size::Q, mask);
        self.asm().alu(Alu::And, Size::Q, work, mask);
        self.asm().shift(Shift::Shr, Size::Q, work, 7);
        self.asm().imul_imm(Size::Q, work, work, 0xff);
        self.r.used(at, &[a]);
        let dst = self.r.define(block, at, Type::I64, Some(work.0))?;
        self.r.copy(dst, work.0);
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
