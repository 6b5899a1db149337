//! F and D (unprivileged spec chapters 20 and 21). Singles live NaN-boxed in 64-bit registers.

use super::integer::{address, set};
use crate::isa::riscv::insn::{Insn, Reg};
use crate::isa::riscv::ops::{FloatCompare, FloatOp, IntKind, Ops, Precision, Width};

/// Upper word of a NaN-boxed single.
const BOX: u64 = 0xffff_ffff_0000_0000;

/// Mask of the sign bit.
fn sign_bit(precision: Precision) -> u64 {
    match precision {
        Precision::Single => 1 << 31,
        Precision::Double => 1 << 63,
    }
}

/// Reads an operand, unboxed where it is a single.
#[inline(always)]
fn operand<O: Ops>(o: &mut O, reg: Reg, precision: Precision) -> O::V {
    let value = o.f(reg);
    match precision {
        Precision::Single => o.unbox(value),
        Precision::Double => value,
    }
}

/// Writes a floating-point result, boxed where it is a single, and goes on.
#[inline(always)]
fn set_float<O: Ops>(o: &mut O, i: &Insn, precision: Precision, value: O::V) -> Result<O::Flow, O::Stop> {
    let value = match precision {
        Precision::Single => {
            let upper = o.constant(BOX);
            o.or(value, upper)
        }
        Precision::Double => value,
    };
    o.set_f(i.rd, value);
    o.next()
}

#[inline(always)]
pub fn load_float<O: Ops>(o: &mut O, i: &Insn, precision: Precision) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let addr = address(o, i);
    let width = match precision {
        Precision::Single => Width::Word,
        Precision::Double => Width::Double,
    };
    let value = o.load(i, width, addr)?;
    set_float(o, i, precision, value)
}

#[inline(always)]
pub fn store_float<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let (addr, value) = (address(o, i), o.f(i.rs2));
    o.store(i, width, addr, value)?;
    o.next()
}

#[inline(always)]
pub fn arithmetic<O: Ops>(
    o: &mut O,
    i: &Insn,
    op: FloatOp,
    precision: Precision,
) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let (a, b) = (operand(o, i.rs1, precision), operand(o, i.rs2, precision));
    let value = o.float(i, op, precision, a, b)?;
    set_float(o, i, precision, value)
}

/// `±(rs1 * rs2) ± rs3`: signs are changed before the one rounding.
#[inline(always)]
pub fn fused<O: Ops>(
    o: &mut O,
    i: &Insn,
    precision: Precision,
    negate_product: bool,
    negate_addend: bool,
) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let mut a = operand(o, i.rs1, precision);
    let b = operand(o, i.rs2, precision);
    let mut c = operand(o, i.rs3, precision);
    let sign = o.constant(sign_bit(precision));
    if negate_product {
        a = o.xor(a, sign);
    }
    if negate_addend {
        c = o.xor(c, sign);
    }
    let value = o.float_fma(i, precision, a, b, c)?;
    set_float(o, i, precision, value)
}

/// `rs1` with the sign that `f` makes of both operands.
#[inline(always)]
pub fn sign_injection<O: Ops>(
    o: &mut O,
    i: &Insn,
    precision: Precision,
    f: impl Fn(&mut O, O::V, O::V) -> O::V,
) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let (a, b) = (operand(o, i.rs1, precision), operand(o, i.rs2, precision));
    let sign_source = f(o, a, b);
    let sign = o.constant(sign_bit(precision));
    let rest = o.constant(!sign_bit(precision));
    let (sign, magnitude) = (o.and(sign_source, sign), o.and(a, rest));
    let value = o.or(sign, magnitude);
    set_float(o, i, precision, value)
}

/// The second operand, inverted.
#[inline(always)]
pub fn not_second<O: Ops>(o: &mut O, _: O::V, b: O::V) -> O::V {
    let ones = o.constant(!0);
    o.xor(b, ones)
}

#[inline(always)]
pub fn compare<O: Ops>(
    o: &mut O,
    i: &Insn,
    op: FloatCompare,
    precision: Precision,
) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let (a, b) = (operand(o, i.rs1, precision), operand(o, i.rs2, precision));
    let value = o.float_compare(op, precision, a, b);
    set(o, i, value)
}

#[inline(always)]
pub fn classify<O: Ops>(o: &mut O, i: &Insn, precision: Precision) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let a = operand(o, i.rs1, precision);
    let value = o.float_classify(precision, a);
    set(o, i, value)
}

#[inline(always)]
pub fn to_int<O: Ops>(o: &mut O, i: &Insn, precision: Precision, kind: IntKind) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let a = operand(o, i.rs1, precision);
    let value = o.float_to_int(i, precision, kind, a)?;
    set(o, i, value)
}

#[inline(always)]
pub fn from_int<O: Ops>(
    o: &mut O,
    i: &Insn,
    precision: Precision,
    kind: IntKind,
) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let a = o.x(i.rs1);
    let value = o.float_from_int(i, precision, kind, a)?;
    set_float(o, i, precision, value)
}

/// Converts to `precision` from the other one.
#[inline(always)]
pub fn convert<O: Ops>(o: &mut O, i: &Insn, precision: Precision) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let source = match precision {
        Precision::Single => Precision::Double,
        Precision::Double => Precision::Single,
    };
    let a = operand(o, i.rs1, source);
    let value = o.float_convert(i, precision, a)?;
    set_float(o, i, precision, value)
}

/// `fmv.x.w` and `fmv.x.d`: the bits as they are, boxed or not.
#[inline(always)]
pub fn move_to_int<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let value = o.f(i.rs1);
    let value = o.sext(width, value);
    set(o, i, value)
}

#[inline(always)]
pub fn move_from_int<O: Ops>(o: &mut O, i: &Insn, precision: Precision) -> Result<O::Flow, O::Stop> {
    o.float_enabled(i)?;
    let value = o.x(i.rs1);
    let value = match precision {
        Precision::Single => o.zext(Width::Word, value),
        Precision::Double => value,
    };
    set_float(o, i, precision, value)
}
