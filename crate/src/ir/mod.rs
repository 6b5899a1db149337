//! The intermediate representation: what a stretch of guest code does, in a form that both compilers take.
//!
//! A [`Region`] is a control-flow graph of [`Block`]s. Within a block, instructions are in static single assignment form:
//! a [`Value`] is the index of the instruction that made it, and is used in that block only. Between blocks everything
//! lives in *slots*, the guest's registers, which [`Inst::Get`] and [`Inst::Set`] read and write. Whether a slot is kept in
//! a local of the compiled function or in memory is up to [`Region::locals`].
//!
//! A region is entered at one of its entries with all slots in memory and left with all slots in memory. Three things
//! leave it: a terminator, a side exit ([`Inst::ExitIf`], or a block's poll), and an access that traps. The last two name
//! a [`Point`], which says at which guest address that was and how many instructions of the block were done by then, so
//! traps are precise and the count of retired instructions exact.
//!
//! The representation knows no instruction set: slots are numbers, whose names, types and places are in an [`Abi`].

pub mod abi;
pub mod eval;
pub mod generate;
pub mod interpret;
pub mod passes;
pub mod scene;
pub mod text;
pub mod verify;

pub use abi::{Abi, SlotInfo};
pub use verify::verify;

/// An instruction of the same block, and what it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u32);

/// A block of the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// A place in guest code where execution may leave: an index into [`Region::points`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(pub u32);

/// A register of the guest, below 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u8);

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotSet(pub u128);

impl SlotSet {
    /// Whether `slot` is in it.
    pub fn contains(self, slot: Slot) -> bool {
        self.0 >> slot.0 & 1 != 0
    }

    /// Adds `slot`.
    pub fn insert(&mut self, slot: Slot) {
        self.0 |= 1 << slot.0;
    }

    /// Its slots, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        (0..128).map(Slot).filter(move |&slot| self.contains(slot))
    }
}

/// The type of a value or slot. Both are 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// An integer. Single-precision numbers are integers too: their bits, zero-extended.
    I64,
    /// A double, or whatever other 64 bits: they are never changed by being moved.
    F64,
}

/// Width of a memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the number says it")]
pub enum Width {
    W8,
    W16,
    W32,
    W64,
}

impl Width {
    /// Bytes accessed.
    pub const fn bytes(self) -> u64 {
        match self {
            Width::W8 => 1,
            Width::W16 => 2,
            Width::W32 => 4,
            Width::W64 => 8,
        }
    }
}

/// Operations on two integers. Shifts and rotations take their amount modulo the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a & b`
    And,
    /// `a | b`
    Or,
    /// `a ^ b`
    Xor,
    /// `a << b`
    Shl,
    /// `a >> b`, zeroes shifted in
    Shr,
    /// `a >> b`, sign shifted in
    Sar,
    /// `a` rotated right
    Rotr,
    /// The low word of `a` rotated right; the upper word is zero
    Rotr32,
    /// Low 64 bits of the product
    Mul,
    /// High 64 bits of the signed product
    Mulh,
    /// High 64 bits of the unsigned product
    Mulhu,
    /// High 64 bits of the product of signed `a` and unsigned `b`
    Mulhsu,
    /// Signed quotient; -1 for a zero divisor, `a` on overflow
    Div,
    /// Unsigned quotient; all ones for a zero divisor
    Divu,
    /// Signed remainder; `a` for a zero divisor, 0 on overflow
    Rem,
    /// Unsigned remainder; `a` for a zero divisor
    Remu,
}

/// Operations on one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// The low 8, 16 or 32 bits, sign-extended (not for W64)
    Sext(Width),
    /// The low 8, 16 or 32 bits, zero-extended (not for W64)
    Zext(Width),
    /// Leading zero bits, 64 for zero
    Clz,
    /// Trailing zero bits, 64 for zero
    Ctz,
    /// Number of one bits
    Cpop,
    /// Bytes reversed
    Rev8,
    /// Each byte all ones if it is not zero
    OrcB,
    /// The bits of an [`Type::F64`], as an [`Type::I64`]
    ToBits,
    /// An [`Type::I64`]'s bits as an [`Type::F64`]
    FromBits,
    /// The single in the low word of an NaN-boxed [`Type::I64`]; the canonical NaN `0x7fc0_0000` where the upper word is not
    /// all ones
    Unbox,
}

/// When a comparison of two integers holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the usual names")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Ge,
    Ltu,
    Geu,
}

impl Compare {
    /// Whether it holds.
    pub fn holds(self, a: u64, b: u64) -> bool {
        match self {
            Compare::Eq => a == b,
            Compare::Ne => a != b,
            Compare::Lt => (a as i64) < b as i64,
            Compare::Ge => a as i64 >= b as i64,
            Compare::Ltu => a < b,
            Compare::Geu => a >= b,
        }
    }

    /// The comparison that holds where this does not.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Compare::Eq => Compare::Ne,
            Compare::Ne => Compare::Eq,
            Compare::Lt => Compare::Ge,
            Compare::Ge => Compare::Lt,
            Compare::Ltu => Compare::Geu,
            Compare::Geu => Compare::Ltu,
        }
    }
}

/// Floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// binary32: values are [`Type::I64`]
    Single,
    /// binary64: values are [`Type::F64`]
    Double,
}

impl Precision {
    /// The type of numbers of this format.
    pub fn ty(self) -> Type {
        match self {
            Precision::Single => Type::I64,
            Precision::Double => Type::F64,
        }
    }
}

/// Floating-point operations. All round and raise flags exactly as the guest's architecture says: the fast way is a host
/// operation, taken only where it provably gives the same result and raises nothing that is not raised already; else the
/// helper [`abi::Helper::Float`] does it. [`eval::float`] says it in code.
///
/// The fast way's conditions. *Ready* means: the guest's inexact flag is set already, and its dynamic rounding mode is to
/// nearest, ties to even. A result is *normal* if it is finite and greater in magnitude than the smallest normal number:
/// that one may have been rounded up to, which is an underflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatOp {
    /// `a + b`: ready, and the result is finite
    Add,
    /// `a - b`: as for `Add`
    Sub,
    /// `a × b`: ready, and the result is normal (so not zero, not subnormal, not infinite, no NaN)
    Mul,
    /// `a ÷ b`: ready, and the result is normal, and so is `b`
    Div,
    /// `√a`: ready, and `a` is positive and normal
    Sqrt,
    /// `a × b + c`, rounded once: ready, the result is normal, and the host has the instruction
    Fma,
    /// The lesser: `a < b` or `b < a`
    Min,
    /// The greater: `a < b` or `b < a`
    Max,
    /// 1 if `a = b`, else 0, an `I64`: neither is a NaN
    Eq,
    /// 1 if `a < b`, else 0, an `I64`: neither is a NaN
    Lt,
    /// 1 if `a ≤ b`, else 0, an `I64`: neither is a NaN
    Le,
    /// To a signed word, sign-extended, rounded towards zero: ready, and `|a| < 2^31`
    ToI32,
    /// To a signed double word, rounded towards zero: ready, and `|a| < 2^63`
    ToI64,
    /// From a signed word (the low half of `a`): ready, or the result is double
    FromI32,
    /// From an unsigned word (the low half of `a`): ready, or the result is double
    FromU32,
    /// From a signed double word: ready
    FromI64,
    /// From an unsigned double word: ready
    FromU64,
    /// To double from single (`precision` is the result's): `a` is no NaN
    Widen,
    /// To single from double: ready, and the result is normal
    Narrow,
    /// Whatever else: always the helper. `a`, `b`, `c` and the result are `I64`
    Other,
}

/// Why compiled code returned to the run loop. The number is what the compiled function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Leave {
    /// Execution goes on at `pc`, which is stored.
    Next = 0,
    /// Execution goes on at the point that is stored, whose instruction compiled code does not do: a system instruction,
    /// or one whose preconditions do not hold.
    Interpret = 1,
    /// The instruction at the point that is stored stopped; the helper has said why.
    Stopped = 2,
    /// Execution goes on at `pc`, which is stored, after interrupts and devices were looked at: the budget is used up.
    Budget = 3,
}

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inst {
    /// A constant integer.
    Const(u64),
    /// Reads a slot; of the slot's type.
    Get(Slot),
    /// Writes a slot. Makes no value.
    Set(Slot, Value),
    /// An operation on two integers.
    Binary(BinaryOp, Value, Value),
    /// An operation on one value.
    Unary(UnaryOp, Value),
    /// 1 if the comparison holds, else 0.
    Compare(Compare, Value, Value),
    /// The second where the first is not zero, else the third; both of one type.
    Select(Value, Value, Value),
    /// Loads, zero-extended. May trap at the point.
    Load {
        /// Bytes.
        width: Width,
        /// Guest-virtual address.
        addr: Value,
        /// A [`Inst::Window`] that covers the access, and its offset there: a shortcut.
        via: Option<(Value, u32)>,
        /// The instruction.
        at: PointId,
    },
    /// Stores the low bits of an integer. May trap at the point. Makes no value.
    Store {
        /// Bytes.
        width: Width,
        /// Guest-virtual address.
        addr: Value,
        /// What is stored.
        value: Value,
        /// A [`Inst::Window`] that covers the access, and its offset there: a shortcut.
        via: Option<(Value, u32)>,
        /// The instruction.
        at: PointId,
    },
    /// Loads, zero-extended, what an atomic instruction is about to store to: must be aligned, faults are a store's.
    LoadForUpdate {
        /// Bytes.
        width: Width,
        /// Guest-virtual address.
        addr: Value,
        /// The instruction.
        at: PointId,
    },
    /// The host address of `span` bytes of guest memory if the fast table allows all of them to be accessed and they lie in
    /// one page, else 0. Never traps.
    Window {
        /// Guest-virtual address of the first byte.
        addr: Value,
        /// Bytes, at most 4096.
        span: u32,
        /// Whether stores must be allowed too.
        write: bool,
    },
    /// A floating-point operation; see [`FloatOp`] for the operands' types.
    Float {
        /// What.
        op: FloatOp,
        /// Format of the operands, or of the result where they are integers or of the other format.
        precision: Precision,
        /// First operand.
        a: Value,
        /// Second operand; the first again where there is none.
        b: Value,
        /// Third operand; the first again where there is none.
        c: Value,
        /// Tells the helper what to do: opaque here.
        code: u32,
    },
    /// Calls a helper that may trap at the point: an integer.
    Call {
        /// Which.
        helper: abi::Helper,
        /// Its arguments.
        args: [Value; 2],
        /// Tells the helper what to do: opaque here.
        code: u32,
        /// The instruction.
        at: PointId,
    },
    /// Leaves at the point, to be interpreted there, if the comparison holds. Makes no value.
    ExitIf {
        /// The comparison.
        compare: Compare,
        /// Its first operand.
        a: Value,
        /// Its second operand.
        b: Value,
        /// The instruction.
        at: PointId,
    },
}

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminator {
    /// Goes on at another block.
    Jump(BlockId),
    /// Goes on at one of two blocks.
    Branch {
        /// The comparison.
        compare: Compare,
        /// Its first operand.
        a: Value,
        /// Its second operand.
        b: Value,
        /// Where if it holds.
        yes: BlockId,
        /// Where if it does not.
        no: BlockId,
    },
    /// Leaves for a known guest address.
    Exit(u64),
    /// Leaves for a guest address.
    ExitTo(Value),
    /// Leaves for the interpreter, at this point.
    Interpret(PointId),
}

/// A basic block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Guest-virtual address of its first instruction.
    pub pc: u64,
    /// Before anything else, leaves with [`Leave::Budget`] at `pc` if as many instructions are retired as shall be. Set on
    /// the target of every retreating edge, so that every cycle has one.
    pub poll: bool,
    /// Its instructions.
    pub insts: Vec<Inst>,
    /// Guest instructions that are retired when its end is reached. ([`Terminator::Interpret`] counts by its point.)
    pub retired: u32,
    /// How it ends.
    pub end: Terminator,
}

/// Where execution may leave a block before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Guest-virtual address of the instruction.
    pub pc: u64,
    /// Instructions of its block that are done by then.
    pub done: u32,
}

/// A stretch of guest code: what is compiled to one function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Where it can be entered: the function's second argument is an index into this.
    pub entries: Vec<BlockId>,
    /// Where it can be left within a block.
    pub points: Vec<Point>,
    /// Slots that are kept in locals: loaded at entry, stored (those ever written) at exit. Others are read and written in
    /// memory each time.
    pub locals: SlotSet,
}

impl Region {
    /// Whether it leaves for an address that is known only when it runs: a return, or a jump by a table.
    pub fn leads_anywhere(&self) -> bool {
        let leads = |block: &Block| matches!(block.end, Terminator::ExitTo(_));
        self.blocks.iter().any(leads)
    }

    /// A block.
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.0 as usize]
    }

    /// A point.
    pub fn point(&self, id: PointId) -> Point {
        self.points[id.0 as usize]
    }

    /// Slots that some instruction writes.
    pub fn written(&self) -> SlotSet {
        let mut set = SlotSet::default();
        for inst in self.blocks.iter().flat_map(|block| &block.insts) {
            if let Inst::Set(slot, _) = inst {
                set.insert(*slot);
            }
        }
        set
    }

    /// Guest instructions in all its blocks.
    pub fn guest_instructions(&self) -> u32 {
        self.blocks.iter().map(|block| block.retired).sum()
    }
}

impl Terminator {
    /// The blocks it may go on at.
    pub fn successors(&self) -> impl Iterator<Item = BlockId> + use<> {
        let (first, second) = match *self {
            Terminator::Jump(to) => (Some(to), None),
            Terminator::Branch { yes, no, .. } => (Some(yes), Some(no)),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The same, to be changed.
    pub fn successors_mut(&mut self) -> impl Iterator<Item = &mut BlockId> {
        let (first, second) = match self {
            Terminator::Jump(to) => (Some(to), None),
            Terminator::Branch { yes, no, .. } => (Some(yes), Some(no)),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl Inst {
    /// Calls `f` with every operand, which it may change.
    pub fn operands_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Inst::Const(_) | Inst::Get(_) => {}
            Inst::Set(_, a)
            | Inst::Unary(_, a)
            | Inst::LoadForUpdate { addr: a, .. }
            | Inst::Window { addr: a, .. } => {
                f(a);
            }
            Inst::Binary(_, a, b) | Inst::Compare(_, a, b) | Inst::ExitIf { a, b, .. } => {
                f(a);
                f(b);
            }
            Inst::Select(a, b, c) | Inst::Float { a, b, c, .. } => {
                f(a);
                f(b);
                f(c);
            }
            Inst::Load { addr, via, .. } => {
                f(addr);
                via.iter_mut().for_each(|(window, _)| f(window));
            }
            Inst::Store { addr, value, via, .. } => {
                f(addr);
                f(value);
                via.iter_mut().for_each(|(window, _)| f(window));
            }
            Inst::Call { args, .. } => args.iter_mut().for_each(f),
        }
    }

    /// Calls `f` with every operand.
    pub fn operands(&self, mut f: impl FnMut(Value)) {
        let mut copy = *self;
        copy.operands_mut(|value| f(*value));
    }

    /// The type of what it makes; `None` if it makes nothing.
    pub fn ty(&self, values: &[Inst], abi: &Abi) -> Option<Type> {
        Some(match *self {
            Inst::Set(..) | Inst::Store { .. } | Inst::ExitIf { .. } => return None,
            Inst::Get(slot) => abi.slot(slot).ty,
            Inst::Unary(UnaryOp::FromBits, _) => Type::F64,
            Inst::Select(_, a, _) => return values.get(a.0 as usize)?.ty(values, abi),
            Inst::Float { op, precision, .. } => match op {
                FloatOp::Eq
                | FloatOp::Lt
                | FloatOp::Le
                | FloatOp::ToI32
                | FloatOp::ToI64
                | FloatOp::Other
                | FloatOp::Narrow => Type::I64,
                _ => precision.ty(),
            },
            _ => Type::I64,
        })
    }

    /// Whether it does more than make a value: then it stays even where nobody uses that.
    pub fn has_effect(&self) -> bool {
        matches!(
            self,
            Inst::Set(..)
                | Inst::Load { .. }
                | Inst::Store { .. }
                | Inst::LoadForUpdate { .. }
                | Inst::Float { .. }
                | Inst::Call { .. }
                | Inst::ExitIf { .. }
        )
    }

    /// The point at which it may leave the region, to be changed.
    pub fn exit_point_mut(&mut self) -> Option<&mut PointId> {
        match self {
            Inst::Load { at, .. }
            | Inst::Store { at, .. }
            | Inst::LoadForUpdate { at, .. }
            | Inst::Call { at, .. }
            | Inst::ExitIf { at, .. } => Some(at),
            _ => None,
        }
    }

    /// The point at which it may leave the region.
    pub fn exit_point(&self) -> Option<PointId> {
        match *self {
            Inst::Load { at, .. }
            | Inst::Store { at, .. }
            | Inst::LoadForUpdate { at, .. }
            | Inst::Call { at, .. }
            | Inst::ExitIf { at, .. } => Some(at),
            _ => None,
        }
    }
}
