//! What an instruction's meaning is said in terms of.
//!
//! [`super::semantics`] says what every instruction does once, over this trait. The interpreter implements it with
//! `u64` values and does the work at once; a compiler can implement it with values of its own and write the work down.

use super::insn::{Insn, Reg};

/// Width of a memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
    /// Eight bytes.
    Double,
}

impl Width {
    /// Bytes accessed.
    pub const fn bytes(self) -> u64 {
        match self {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
            Width::Double => 8,
        }
    }
}

/// When a branch is taken, comparing two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the conditions are the branch instructions' own names"
)]
pub enum Condition {
    Eq,
    Ne,
    Lt,
    Ge,
    Ltu,
    Geu,
}

/// Floating-point format of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// binary32
    Single,
    /// binary64
    Double,
}

/// Floating-point operations that round and raise flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the operations are the instructions' own names")]
pub enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Min,
    Max,
}

/// Floating-point comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the comparisons are the instructions' own names")]
pub enum FloatCompare {
    Eq,
    Lt,
    Le,
}

/// Integer side of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum IntKind {
    I32,
    U32,
    I64,
    U64,
}

/// The vocabulary of instruction semantics. Values are 64 bits wide. `Err` means that the instruction did not
/// complete: it trapped, or left for the engine to deal with.
pub trait Ops {
    /// A 64-bit value.
    type V: Copy;
    /// Why an instruction did not complete.
    type Stop;
    /// What follows an instruction that completed: on, or elsewhere.
    type Flow;

    /// A constant.
    fn constant(&mut self, value: u64) -> Self::V;
    /// Reads an integer register.
    fn x(&mut self, reg: Reg) -> Self::V;
    /// Writes an integer register.
    fn set_x(&mut self, reg: Reg, value: Self::V);
    /// Address of this instruction.
    fn pc(&mut self, insn: &Insn) -> Self::V;

    /// `a + b`
    fn add(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a & b`
    fn and(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a | b`
    fn or(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a ^ b`
    fn xor(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a << (b mod 64)`
    fn shl(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a >> (b mod 64)`, zeroes shifted in
    fn shr(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a >> (b mod 64)`, sign shifted in
    fn sar(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` rotated right by `b mod 64`
    fn rotr(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// The low word of `a` rotated right by `b mod 32`; the upper word is zero
    fn rotr32(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Low 64 bits of the product
    fn mul(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// High 64 bits of the signed product
    fn mulh(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// High 64 bits of the unsigned product
    fn mulhu(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// High 64 bits of the product of signed `a` and unsigned `b`
    fn mulhsu(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Signed quotient with RISC-V's results for a zero divisor and for overflow
    fn div(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Unsigned quotient with RISC-V's result for a zero divisor
    fn divu(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Signed remainder with RISC-V's results for a zero divisor and for overflow
    fn rem(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Unsigned remainder with RISC-V's result for a zero divisor
    fn remu(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// 1 if `a < b` signed, else 0
    fn slt(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// 1 if `a < b` unsigned, else 0
    fn sltu(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `condition` is not zero, else `b`
    fn select(&mut self, condition: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// The low `width` of `a`, sign-extended
    fn sext(&mut self, width: Width, a: Self::V) -> Self::V;
    /// The low `width` of `a`, zero-extended
    fn zext(&mut self, width: Width, a: Self::V) -> Self::V;
    /// Leading zero bits, 64 for zero
    fn clz(&mut self, a: Self::V) -> Self::V;
    /// Trailing zero bits, 64 for zero
    fn ctz(&mut self, a: Self::V) -> Self::V;
    /// Number of one bits
    fn cpop(&mut self, a: Self::V) -> Self::V;
    /// Bytes reversed
    fn rev8(&mut self, a: Self::V) -> Self::V;
    /// Each byte all ones if it is not zero
    fn orc_b(&mut self, a: Self::V) -> Self::V;

    /// Loads, zero-extended.
    fn load(&mut self, insn: &Insn, width: Width, addr: Self::V) -> Result<Self::V, Self::Stop>;
    /// Stores the low `width` of `value`.
    fn store(&mut self, insn: &Insn, width: Width, addr: Self::V, value: Self::V) -> Result<(), Self::Stop>;
    /// Loads, zero-extended, what an atomic instruction is about to store to: faults are those of a store.
    fn load_for_update(&mut self, insn: &Insn, width: Width, addr: Self::V) -> Result<Self::V, Self::Stop>;
    /// Loads, zero-extended, and reserves `addr`.
    fn load_reserved(&mut self, insn: &Insn, width: Width, addr: Self::V) -> Result<Self::V, Self::Stop>;
    /// Stores if the reservation holds, and ends it: 0 if stored, else 1.
    fn store_conditional(
        &mut self,
        insn: &Insn,
        width: Width,
        addr: Self::V,
        value: Self::V,
    ) -> Result<Self::V, Self::Stop>;

    /// Execution goes on at the next instruction.
    fn next(&mut self) -> Result<Self::Flow, Self::Stop>;
    /// Execution goes on at `offset` bytes from this instruction if the condition holds, else at the next.
    fn branch(
        &mut self,
        insn: &Insn,
        condition: Condition,
        a: Self::V,
        b: Self::V,
        offset: i32,
    ) -> Result<Self::Flow, Self::Stop>;
    /// Execution goes on at `offset` bytes from this instruction.
    fn jump(&mut self, insn: &Insn, offset: i32) -> Result<Self::Flow, Self::Stop>;
    /// Execution goes on at `target`.
    fn jump_to(&mut self, insn: &Insn, target: Self::V) -> Result<Self::Flow, Self::Stop>;
    /// Privileged, CSR, cache-block and environment instructions, which change how execution goes on: a helper does
    /// them.
    fn system(&mut self, insn: &Insn) -> Result<Self::Flow, Self::Stop>;

    /// Stops with an illegal-instruction exception where `mstatus.FS` is Off.
    fn float_enabled(&mut self, insn: &Insn) -> Result<(), Self::Stop>;
    /// Reads a floating-point register.
    fn f(&mut self, reg: Reg) -> Self::V;
    /// Writes a floating-point register and makes `mstatus.FS` Dirty.
    fn set_f(&mut self, reg: Reg, value: Self::V);
    /// The single in `value`, in the low word; the canonical NaN where it is not NaN-boxed.
    fn unbox(&mut self, value: Self::V) -> Self::V;
    /// An operation of one or two operands, rounded as the instruction says; flags accrue.
    fn float(
        &mut self,
        insn: &Insn,
        op: FloatOp,
        precision: Precision,
        a: Self::V,
        b: Self::V,
    ) -> Result<Self::V, Self::Stop>;
    /// `a * b + c`, rounded once; flags accrue.
    fn float_fma(
        &mut self,
        insn: &Insn,
        precision: Precision,
        a: Self::V,
        b: Self::V,
        c: Self::V,
    ) -> Result<Self::V, Self::Stop>;
    /// 1 where the comparison holds, else 0; flags accrue.
    fn float_compare(&mut self, op: FloatCompare, precision: Precision, a: Self::V, b: Self::V) -> Self::V;
    /// The class mask of `fclass`.
    fn float_classify(&mut self, precision: Precision, a: Self::V) -> Self::V;
    /// Converts to an integer (32-bit results are sign-extended); flags accrue.
    fn float_to_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: Self::V,
    ) -> Result<Self::V, Self::Stop>;
    /// Converts from an integer; flags accrue.
    fn float_from_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: Self::V,
    ) -> Result<Self::V, Self::Stop>;
    /// Converts to `precision` from the other one; flags accrue.
    fn float_convert(&mut self, insn: &Insn, precision: Precision, a: Self::V)
    -> Result<Self::V, Self::Stop>;
}
