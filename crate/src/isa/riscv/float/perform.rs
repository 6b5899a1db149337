//! The operations as instructions name them: by what they do, their format and their rounding mode.
//!
//! The interpreter calls the functions; compiled code calls [`perform`] through a helper, with a [`FloatCode`] that says
//! which.

use super::{F32, F64, Flags, Format, Rounding};
use crate::isa::riscv::csr::Csrs;
use crate::isa::riscv::ops::{FloatCompare, FloatOp, IntKind, Precision};

/// Does `$f` for the format that `$precision` names.
macro_rules! by_precision {
    ($precision:expr, $f:ident($($argument:expr),*)) => {
        match $precision {
            Precision::Single => $f::<F32>($($argument),*),
            Precision::Double => $f::<F64>($($argument),*),
        }
    };
}

/// An operation of one or two operands.
#[inline(always)]
pub fn arithmetic(
    op: FloatOp,
    precision: Precision,
    a: u64,
    b: u64,
    rounding: Rounding,
    flags: &mut Flags,
) -> u64 {
    #[inline(always)]
    fn by_format<F: Format>(op: FloatOp, a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
        match op {
            FloatOp::Add => super::add::<F>(a, b, rounding, flags),
            FloatOp::Sub => super::sub::<F>(a, b, rounding, flags),
            FloatOp::Mul => super::mul::<F>(a, b, rounding, flags),
            FloatOp::Div => super::div::<F>(a, b, rounding, flags),
            FloatOp::Sqrt => super::sqrt::<F>(a, rounding, flags),
            FloatOp::Min => super::min::<F>(a, b, flags),
            FloatOp::Max => super::max::<F>(a, b, flags),
        }
    }
    by_precision!(precision, by_format(op, a, b, rounding, flags))
}

/// `a × b + c`, rounded once.
#[inline(always)]
pub fn fused(precision: Precision, a: u64, b: u64, c: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    use super::fused_multiply_add;
    by_precision!(precision, fused_multiply_add(a, b, c, rounding, flags))
}

/// Whether a comparison holds.
#[inline(always)]
pub fn compare(op: FloatCompare, precision: Precision, a: u64, b: u64, flags: &mut Flags) -> bool {
    use super::{eq, le, lt};
    match op {
        FloatCompare::Eq => by_precision!(precision, eq(a, b, flags)),
        FloatCompare::Lt => by_precision!(precision, lt(a, b, flags)),
        FloatCompare::Le => by_precision!(precision, le(a, b, flags)),
    }
}

/// The class mask of `fclass`.
#[inline(always)]
pub fn classify(precision: Precision, a: u64) -> u64 {
    use super::classify;
    by_precision!(precision, classify(a))
}

/// To an integer; 32-bit results are sign-extended.
#[inline(always)]
pub fn to_int(precision: Precision, kind: IntKind, a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    #[inline(always)]
    fn by_format<F: Format>(kind: IntKind, a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
        match kind {
            IntKind::I32 => super::to_i32::<F>(a, rounding, flags) as u64,
            IntKind::U32 => super::to_u32::<F>(a, rounding, flags) as i32 as u64,
            IntKind::I64 => super::to_i64::<F>(a, rounding, flags) as u64,
            IntKind::U64 => super::to_u64::<F>(a, rounding, flags),
        }
    }
    by_precision!(precision, by_format(kind, a, rounding, flags))
}

/// From an integer.
#[inline(always)]
pub fn from_int(precision: Precision, kind: IntKind, a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    #[inline(always)]
    fn by_format<F: Format>(kind: IntKind, a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
        match kind {
            IntKind::I32 => super::from_i32::<F>(a as i32, rounding, flags),
            IntKind::U32 => super::from_u32::<F>(a as u32, rounding, flags),
            IntKind::I64 => super::from_i64::<F>(a as i64, rounding, flags),
            IntKind::U64 => super::from_u64::<F>(a, rounding, flags),
        }
    }
    by_precision!(precision, by_format(kind, a, rounding, flags))
}

/// To `precision` from the other format.
#[inline(always)]
pub fn convert(precision: Precision, a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match precision {
        Precision::Single => super::f64_to_f32(a, rounding, flags),
        Precision::Double => super::f32_to_f64(a, flags),
    }
}

/// What a [`FloatCode`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatCall {
    /// [`arithmetic`]
    Arithmetic(FloatOp),
    /// [`fused`]
    Fused,
    /// [`compare`]
    Compare(FloatCompare),
    /// [`classify`]
    Classify,
    /// [`to_int`]
    ToInt(IntKind),
    /// [`from_int`]
    FromInt(IntKind),
    /// [`convert`]
    Convert,
}

/// All calls; a code holds an index into them.
const CALLS: [FloatCall; 21] = [
    FloatCall::Arithmetic(FloatOp::Add),
    FloatCall::Arithmetic(FloatOp::Sub),
    FloatCall::Arithmetic(FloatOp::Mul),
    FloatCall::Arithmetic(FloatOp::Div),
    FloatCall::Arithmetic(FloatOp::Sqrt),
    FloatCall::Arithmetic(FloatOp::Min),
    FloatCall::Arithmetic(FloatOp::Max),
    FloatCall::Fused,
    FloatCall::Compare(FloatCompare::Eq),
    FloatCall::Compare(FloatCompare::Lt),
    FloatCall::Compare(FloatCompare::Le),
    FloatCall::Classify,
    FloatCall::ToInt(IntKind::I32),
    FloatCall::ToInt(IntKind::U32),
    FloatCall::ToInt(IntKind::I64),
    FloatCall::ToInt(IntKind::U64),
    FloatCall::FromInt(IntKind::I32),
    FloatCall::FromInt(IntKind::U32),
    FloatCall::FromInt(IntKind::I64),
    FloatCall::FromInt(IntKind::U64),
    FloatCall::Convert,
];

/// A call with its format and the instruction's rounding-mode field, in a number that compilers pass through: bits 0 to 7
/// are the call, bit 8 is set for double precision, bits 16 to 18 are the rounding mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatCode(pub u32);

impl FloatCode {
    /// Packs.
    pub fn new(call: FloatCall, precision: Precision, rm: u8) -> Self {
        let index = CALLS.iter().position(|&known| known == call).unwrap_or(0);
        FloatCode(index as u32 | ((precision == Precision::Double) as u32) << 8 | u32::from(rm & 7) << 16)
    }

    /// Unpacks; `None` if it was not packed here.
    pub fn parts(self) -> Option<(FloatCall, Precision, u8)> {
        let call = *CALLS.get(self.0 as usize & 0xff)?;
        let precision = match self.0 >> 8 & 1 {
            0 => Precision::Single,
            _ => Precision::Double,
        };
        Some((call, precision, (self.0 >> 16 & 7) as u8))
    }
}

/// Does what `code` says; flags accrue. An invalid rounding mode, which compiled code is not given, counts as to nearest.
pub fn perform(code: FloatCode, a: u64, b: u64, c: u64, csr: &mut Csrs) -> u64 {
    let Some((call, precision, rm)) = code.parts() else {
        return 0;
    };
    let mode = if rm == 7 { csr.frm } else { rm };
    let rounding = Rounding::from_bits(mode).unwrap_or(Rounding::NearestEven);
    csr.with_flags(|flags| match call {
        FloatCall::Arithmetic(op) => arithmetic(op, precision, a, b, rounding, flags),
        FloatCall::Fused => fused(precision, a, b, c, rounding, flags),
        FloatCall::Compare(op) => u64::from(compare(op, precision, a, b, flags)),
        FloatCall::Classify => classify(precision, a),
        FloatCall::ToInt(kind) => to_int(precision, kind, a, rounding, flags),
        FloatCall::FromInt(kind) => from_int(precision, kind, a, rounding, flags),
        FloatCall::Convert => convert(precision, a, rounding, flags),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_unpack_to_what_was_packed() {
        for call in CALLS {
            for precision in [Precision::Single, Precision::Double] {
                for rm in 0..8 {
                    let code = FloatCode::new(call, precision, rm);
                    assert_eq!(code.parts(), Some((call, precision, rm)));
                }
            }
        }
        assert_eq!(FloatCode(21).parts(), None);
    }

    #[test]
    fn the_dynamic_mode_is_the_register_s() {
        let mut csr = Csrs::new(0);
        csr.frm = 3;
        let third = |csr: &mut Csrs, rm| {
            let code = FloatCode::new(FloatCall::Arithmetic(FloatOp::Div), Precision::Double, rm);
            perform(code, 1f64.to_bits(), 3f64.to_bits(), 0, csr)
        };
        assert_eq!(third(&mut csr, 7), (1f64 / 3.0).to_bits() + 1);
        assert_eq!(third(&mut csr, 0), (1f64 / 3.0).to_bits());
        assert_eq!(csr.fflags, Flags::INEXACT.bits());
        assert_ne!(csr.mstatus & crate::isa::riscv::csr::mstatus::FS, 0);
    }
}
