//! From instructions to IR: the second implementation of [`Ops`], whose values are written down instead of computed.

mod system;

pub use system::{is_compiled, simple_csr};

use super::slots;
use crate::ir::abi::Helper;
use crate::ir::{self, BinaryOp, Compare, Inst, Point, PointId, Slot, Type, UnaryOp, Value};
use crate::isa::riscv::insn::{Insn, Reg};
use crate::isa::riscv::ops::{Condition, FloatCompare, FloatOp, IntKind, Ops, Precision, Width};

/// A value of the guest: known, or made by an instruction of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum V {
    /// This number.
    Const(u64),
    /// An integer.
    Int(Value),
    /// A double.
    Float(Value),
}

/// What follows an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Next,
    /// The one at this address.
    Jump(u64),
    /// The one at `target` if the comparison holds, else the next.
    Branch {
        /// The comparison.
        compare: Compare,
        /// Its first operand.
        a: Value,
        /// Its second operand.
        b: Value,
        /// Where if it holds.
        target: u64,
    },
    /// The one at this address, which is known only when it runs.
    JumpTo(Value),
    /// It is not compiled: a system instruction, or one that always traps.
    Interpret,
}

/// The instruction is not compiled: it always traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported;

/// What a block knows of `mstatus.FS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FloatState {
    Unknown,
    Enabled,
    Dirty,
}

/// Where `mstatus.FS` was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// The [`Inst::ExitIf`].
    pub inst: Value,
    /// How it must be to go on.
    pub needed: FloatState,
}

/// How many constants are looked through for one that is there already.
const RECENT_CONSTANTS: usize = 8;

/// Writes down one block at a time.
///
/// What a register holds is remembered within a block, so that it is read once, and what was written is not read back.
#[derive(Debug)]
pub struct Builder {
    /// Whether control registers of supervisors may be accessed.
    supervises: bool,
    /// The block's instructions.
    pub(super) insts: Vec<Inst>,
    /// The region's points.
    pub(super) points: Vec<Point>,
    /// What each slot holds, where that is known.
    registers: [Option<V>; slots::COUNT],
    /// Constants written last.
    constants: Vec<(u64, Value)>,
    /// The double whose bits were last asked for, and those.
    last_bits: Option<(Value, Value)>,
    /// Guards of the block, the last of which demanded most.
    guards: Vec<Guard>,
    /// The instruction being lifted.
    here: Point,
    here_id: Option<PointId>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            supervises: false,
            insts: Vec::new(),
            points: Vec::new(),
            registers: [None; slots::COUNT],
            constants: Vec::with_capacity(RECENT_CONSTANTS),
            last_bits: None,
            guards: Vec::new(),
            here: Point { pc: 0, done: 0 },
            here_id: None,
        }
    }
}

impl Builder {
    /// For code that runs where control registers of supervisors may be accessed, if it `supervises`.
    pub(super) fn for_code_that(supervises: bool) -> Self {
        Builder {
            supervises,
            ..Builder::default()
        }
    }

    /// Starts a block, of about `instructions` of the guest.
    pub fn start(&mut self, instructions: usize) {
        self.insts = Vec::with_capacity(instructions * 5 + 2);
        self.registers = [None; slots::COUNT];
        self.constants.clear();
        self.last_bits = None;
        self.guards.clear();
    }

    /// The instructions of the block.
    pub fn take(&mut self) -> Vec<Inst> {
        std::mem::take(&mut self.insts)
    }

    /// The guards of the block.
    pub(super) fn take_guards(&mut self) -> Vec<Guard> {
        std::mem::take(&mut self.guards)
    }

    /// Lifts one instruction, at `pc`, with `done` before it in the block.
    pub fn lift(&mut self, insn: &Insn, pc: u64, done: u32) -> Flow {
        self.here = Point { pc, done };
        self.here_id = None;
        lift(self, insn).unwrap_or(Flow::Interpret)
    }

    /// The point of the instruction being lifted.
    pub fn point(&mut self) -> PointId {
        *self.here_id.get_or_insert_with(|| {
            self.points.push(self.here);
            PointId(self.points.len() as u32 - 1)
        })
    }

    /// Writes an instruction down.
    pub(super) fn emit(&mut self, inst: Inst) -> Value {
        self.insts.push(inst);
        Value(self.insts.len() as u32 - 1)
    }

    /// The instruction that made `value`.
    pub(super) fn inst(&self, value: Value) -> Inst {
        self.insts[value.0 as usize]
    }

    /// `v` as an integer.
    pub fn int(&mut self, v: V) -> Value {
        match v {
            V::Int(value) => value,
            V::Const(number) => self.int_constant(number),
            V::Float(value) => match self.inst(value) {
                Inst::Unary(UnaryOp::FromBits, bits) => bits,
                _ => match self.last_bits {
                    Some((of, bits)) if of == value => bits,
                    _ => {
                        let bits = self.emit(Inst::Unary(UnaryOp::ToBits, value));
                        self.last_bits = Some((value, bits));
                        bits
                    }
                },
            },
        }
    }

    /// `v` as a double.
    pub fn float(&mut self, v: V) -> Value {
        if let V::Float(value) = v {
            return value;
        }
        let bits = self.int(v);
        match self.inst(bits) {
            Inst::Unary(UnaryOp::ToBits, value) => value,
            _ => self.emit(Inst::Unary(UnaryOp::FromBits, bits)),
        }
    }

    fn int_constant(&mut self, number: u64) -> Value {
        if let Some(&(_, value)) = self.constants.iter().find(|known| known.0 == number) {
            return value;
        }
        let value = self.emit(Inst::Const(number));
        if self.constants.len() == RECENT_CONSTANTS {
            self.constants.remove(0);
        }
        self.constants.push((number, value));
        value
    }

    pub(super) fn get(&mut self, slot: Slot) -> V {
        if let Some(known) = self.registers[usize::from(slot.0)] {
            return known;
        }
        let value = self.emit(Inst::Get(slot));
        let v = match slots::ty(slot) {
            Type::I64 => V::Int(value),
            Type::F64 => V::Float(value),
        };
        self.registers[usize::from(slot.0)] = Some(v);
        v
    }

    fn set(&mut self, slot: Slot, v: V) {
        let (value, known) = match slots::ty(slot) {
            Type::I64 => {
                let value = self.int(v);
                // A known number stays known.
                (value, if let V::Const(_) = v { v } else { V::Int(value) })
            }
            Type::F64 => {
                let value = self.float(v);
                (value, V::Float(value))
            }
        };
        self.emit(Inst::Set(slot, value));
        self.registers[usize::from(slot.0)] = Some(known);
    }

    fn binary(&mut self, op: BinaryOp, a: V, b: V) -> V {
        if let Some(v) = self.simplified_binary(op, a, b) {
            return v;
        }
        let (a, b) = (self.int(a), self.int(b));
        V::Int(self.emit(Inst::Binary(op, a, b)))
    }

    fn unary(&mut self, op: UnaryOp, a: V) -> V {
        if let Some(v) = self.simplified_unary(op, a) {
            return v;
        }
        let a = self.int(a);
        V::Int(self.emit(Inst::Unary(op, a)))
    }

    fn compare(&mut self, compare: Compare, a: V, b: V) -> V {
        if let (V::Const(a), V::Const(b)) = (a, b) {
            return V::Const(u64::from(compare.holds(a, b)));
        }
        let (compare, a, b) = match (compare, a, b) {
            (Compare::Ltu, a, V::Const(1)) => (Compare::Eq, a, V::Const(0)),
            (Compare::Ltu, V::Const(0), b) => (Compare::Ne, b, V::Const(0)),
            other => other,
        };
        let (a, b) = (self.int(a), self.int(b));
        V::Int(self.emit(Inst::Compare(compare, a, b)))
    }

    fn call(&mut self, helper: Helper, a: V, b: V, width: Width) -> V {
        let args = [self.int(a), self.int(b)];
        let at = self.point();
        let code = ir::abi::width_code(ir_width(width));
        V::Int(self.emit(Inst::Call {
            helper,
            args,
            code,
            at,
        }))
    }
}

/// The match over all instructions, once for the builder.
fn lift(builder: &mut Builder, insn: &Insn) -> Result<Flow, Unsupported> {
    crate::isa::riscv::semantics::execute(builder, insn)
}

pub(super) fn ir_width(width: Width) -> ir::Width {
    match width {
        Width::Byte => ir::Width::W8,
        Width::Half => ir::Width::W16,
        Width::Word => ir::Width::W32,
        Width::Double => ir::Width::W64,
    }
}

/// Methods of [`Ops`] that are one binary operation.
macro_rules! binary {
    ($($method:ident: $op:ident)*) => {
        $(fn $method(&mut self, a: V, b: V) -> V {
            self.binary(BinaryOp::$op, a, b)
        })*
    };
}

impl Ops for Builder {
    type V = V;
    type Stop = Unsupported;
    type Flow = Flow;

    fn constant(&mut self, value: u64) -> V {
        V::Const(value)
    }
    fn x(&mut self, reg: Reg) -> V {
        if reg == Reg::ZERO {
            return V::Const(0);
        }
        self.get(slots::integer(reg))
    }
    fn set_x(&mut self, reg: Reg, value: V) {
        if reg != Reg::SINK {
            self.set(slots::integer(reg), value);
        }
    }
    fn pc(&mut self, _: &Insn) -> V {
        V::Const(self.here.pc)
    }

    binary! {
        add: Add
        sub: Sub
        and: And
        or: Or
        xor: Xor
        shl: Shl
        shr: Shr
        sar: Sar
        rotr: Rotr
        rotr32: Rotr32
        mul: Mul
        mulh: Mulh
        mulhu: Mulhu
        mulhsu: Mulhsu
        div: Div
        divu: Divu
        rem: Rem
        remu: Remu
    }

    fn slt(&mut self, a: V, b: V) -> V {
        self.compare(Compare::Lt, a, b)
    }
    fn sltu(&mut self, a: V, b: V) -> V {
        self.compare(Compare::Ltu, a, b)
    }
    fn select(&mut self, condition: V, a: V, b: V) -> V {
        if let V::Const(condition) = condition {
            return if condition != 0 { a } else { b };
        }
        let (condition, a, b) = (self.int(condition), self.int(a), self.int(b));
        V::Int(self.emit(Inst::Select(condition, a, b)))
    }
    fn sext(&mut self, width: Width, a: V) -> V {
        match width {
            Width::Double => a,
            _ => self.unary(UnaryOp::Sext(ir_width(width)), a),
        }
    }
    fn zext(&mut self, width: Width, a: V) -> V {
        match width {
            Width::Double => a,
            _ => self.unary(UnaryOp::Zext(ir_width(width)), a),
        }
    }
    fn clz(&mut self, a: V) -> V {
        self.unary(UnaryOp::Clz, a)
    }
    fn ctz(&mut self, a: V) -> V {
        self.unary(UnaryOp::Ctz, a)
    }
    fn cpop(&mut self, a: V) -> V {
        self.unary(UnaryOp::Cpop, a)
    }
    fn rev8(&mut self, a: V) -> V {
        self.unary(UnaryOp::Rev8, a)
    }
    fn orc_b(&mut self, a: V) -> V {
        self.unary(UnaryOp::OrcB, a)
    }

    fn load(&mut self, _: &Insn, width: Width, addr: V) -> Result<V, Unsupported> {
        let (width, addr, at) = (ir_width(width), self.int(addr), self.point());
        Ok(V::Int(self.emit(Inst::Load {
            width,
            addr,
            via: None,
            at,
        })))
    }
    fn store(&mut self, _: &Insn, width: Width, addr: V, value: V) -> Result<(), Unsupported> {
        let (width, addr, at) = (ir_width(width), self.int(addr), self.point());
        let value = self.low_bits(width, value);
        let value = self.int(value);
        self.emit(Inst::Store {
            width,
            addr,
            value,
            via: None,
            at,
        });
        Ok(())
    }
    fn load_for_update(&mut self, _: &Insn, width: Width, addr: V) -> Result<V, Unsupported> {
        let (width, addr, at) = (ir_width(width), self.int(addr), self.point());
        Ok(V::Int(self.emit(Inst::LoadForUpdate { width, addr, at })))
    }
    fn load_reserved(&mut self, _: &Insn, width: Width, addr: V) -> Result<V, Unsupported> {
        Ok(self.call(Helper::LoadReserved, addr, addr, width))
    }
    fn store_conditional(&mut self, _: &Insn, width: Width, addr: V, value: V) -> Result<V, Unsupported> {
        Ok(self.call(Helper::StoreConditional, addr, value, width))
    }

    fn next(&mut self) -> Result<Flow, Unsupported> {
        Ok(Flow::Next)
    }
    fn branch(
        &mut self,
        insn: &Insn,
        condition: Condition,
        a: V,
        b: V,
        offset: i32,
    ) -> Result<Flow, Unsupported> {
        let compare = match condition {
            Condition::Eq => Compare::Eq,
            Condition::Ne => Compare::Ne,
            Condition::Lt => Compare::Lt,
            Condition::Ge => Compare::Ge,
            Condition::Ltu => Compare::Ltu,
            Condition::Geu => Compare::Geu,
        };
        let known = match (a, b) {
            (V::Const(a), V::Const(b)) => Some(compare.holds(a, b)),
            _ if a == b => Some(compare.holds(0, 0)),
            _ => None,
        };
        match known {
            Some(true) => return self.jump(insn, offset),
            Some(false) => return Ok(Flow::Next),
            None => {}
        }
        let (compare, a, b) = self.comparison_behind(compare, a, b);
        Ok(Flow::Branch {
            compare,
            a,
            b,
            target: self.here.pc.wrapping_add(i64::from(offset) as u64),
        })
    }
    fn jump(&mut self, _: &Insn, offset: i32) -> Result<Flow, Unsupported> {
        Ok(Flow::Jump(self.here.pc.wrapping_add(i64::from(offset) as u64)))
    }
    fn jump_to(&mut self, _: &Insn, target: V) -> Result<Flow, Unsupported> {
        Ok(match target {
            V::Const(target) => Flow::Jump(target),
            _ => Flow::JumpTo(self.int(target)),
        })
    }
    fn system(&mut self, insn: &Insn) -> Result<Flow, Unsupported> {
        Ok(self.lift_system(insn))
    }

    fn float_enabled(&mut self, insn: &Insn) -> Result<(), Unsupported> {
        // Compiled code writes `mstatus` only as CSR instructions say: where FS would become Dirty it must be so already.
        self.guard_float(if insn.op.dirties_float() {
            FloatState::Dirty
        } else {
            FloatState::Enabled
        });
        Ok(())
    }
    fn f(&mut self, reg: Reg) -> V {
        self.get(slots::float(reg))
    }
    fn set_f(&mut self, reg: Reg, value: V) {
        self.set(slots::float(reg), value);
    }
    fn unbox(&mut self, value: V) -> V {
        self.unary(UnaryOp::Unbox, value)
    }
    fn float(
        &mut self,
        insn: &Insn,
        op: FloatOp,
        precision: Precision,
        a: V,
        b: V,
    ) -> Result<V, Unsupported> {
        self.lift_arithmetic(insn, op, precision, a, b)
    }
    fn float_fma(&mut self, insn: &Insn, precision: Precision, a: V, b: V, c: V) -> Result<V, Unsupported> {
        self.lift_fma(insn, precision, [a, b, c])
    }
    fn float_compare(&mut self, op: FloatCompare, precision: Precision, a: V, b: V) -> V {
        self.lift_compare(op, precision, a, b)
    }
    fn float_classify(&mut self, precision: Precision, a: V) -> V {
        self.lift_classify(precision, a)
    }
    fn float_to_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: V,
    ) -> Result<V, Unsupported> {
        self.lift_to_int(insn, precision, kind, a)
    }
    fn float_from_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: V,
    ) -> Result<V, Unsupported> {
        self.lift_from_int(insn, precision, kind, a)
    }
    fn float_convert(&mut self, insn: &Insn, precision: Precision, a: V) -> Result<V, Unsupported> {
        self.lift_convert(insn, precision, a)
    }
}
