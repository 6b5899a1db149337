//! Floating-point operations, lifted: which of them have a fast way, and what the helper is told.

use super::lift::{Builder, Unsupported, V};
use crate::ir::{self, Inst, Type, Value};
use crate::isa::riscv::float::perform::{FloatCall, FloatCode};
use crate::isa::riscv::insn::Insn;
use crate::isa::riscv::ops::{FloatCompare, FloatOp, IntKind, Precision};

/// Rounding-mode fields.
const NEAREST: u8 = 0;
const TOWARDS_ZERO: u8 = 1;
const DYNAMIC: u8 = 7;

/// The rounding-mode field of an instruction, if it is no reserved one: then the instruction always traps. That the
/// dynamic mode is none is for the run loop to see to.
fn rounding(insn: &Insn) -> Result<u8, Unsupported> {
    match insn.rm {
        5 | 6 => Err(Unsupported),
        rm => Ok(rm),
    }
}

fn ir_precision(precision: Precision) -> ir::Precision {
    match precision {
        Precision::Single => ir::Precision::Single,
        Precision::Double => ir::Precision::Double,
    }
}

/// `op` where an instruction of rounding mode `rm` may take its fast way, which rounds to nearest.
fn if_nearest(op: ir::FloatOp, rm: u8) -> ir::FloatOp {
    match rm {
        NEAREST | DYNAMIC => op,
        _ => ir::FloatOp::Other,
    }
}

/// What the helper is to do.
struct Call {
    what: FloatCall,
    precision: Precision,
    rm: u8,
}

impl Builder {
    /// `op` on `operands` of type `ty`, or the helper's `call`.
    fn float_inst<const N: usize>(&mut self, op: ir::FloatOp, call: &Call, ty: Type, operands: [V; N]) -> V {
        let ty = if op == ir::FloatOp::Other { Type::I64 } else { ty };
        let mut values = [Value(0); 3];
        for (value, operand) in values.iter_mut().zip(operands) {
            *value = match ty {
                Type::I64 => self.int(operand),
                Type::F64 => self.float(operand),
            };
        }
        let [a, b, c] = values;
        let inst = Inst::Float {
            op,
            precision: ir_precision(call.precision),
            a,
            b: if N > 1 { b } else { a },
            c: if N > 2 { c } else { a },
            code: FloatCode::new(call.what, call.precision, call.rm).0,
        };
        let value = self.emit(inst);
        let double = match op {
            ir::FloatOp::Eq | ir::FloatOp::Lt | ir::FloatOp::Le => false,
            ir::FloatOp::ToI32 | ir::FloatOp::ToI64 | ir::FloatOp::Narrow | ir::FloatOp::Other => false,
            _ => call.precision == Precision::Double,
        };
        if double { V::Float(value) } else { V::Int(value) }
    }

    pub(super) fn lift_arithmetic(
        &mut self,
        insn: &Insn,
        op: FloatOp,
        precision: Precision,
        a: V,
        b: V,
    ) -> Result<V, Unsupported> {
        // `rm` selects between minimum and maximum: it is no rounding mode there.
        let rm = match op {
            FloatOp::Min | FloatOp::Max => NEAREST,
            _ => rounding(insn)?,
        };
        let fast = match op {
            FloatOp::Add => ir::FloatOp::Add,
            FloatOp::Sub => ir::FloatOp::Sub,
            FloatOp::Mul => ir::FloatOp::Mul,
            FloatOp::Div => ir::FloatOp::Div,
            FloatOp::Sqrt => ir::FloatOp::Sqrt,
            FloatOp::Min => ir::FloatOp::Min,
            FloatOp::Max => ir::FloatOp::Max,
        };
        let call = Call {
            what: FloatCall::Arithmetic(op),
            precision,
            rm,
        };
        let (fast, ty) = (if_nearest(fast, rm), ir_precision(precision).ty());
        Ok(match op {
            FloatOp::Sqrt => self.float_inst(fast, &call, ty, [a]),
            _ => self.float_inst(fast, &call, ty, [a, b]),
        })
    }

    pub(super) fn lift_fma(
        &mut self,
        insn: &Insn,
        precision: Precision,
        operands: [V; 3],
    ) -> Result<V, Unsupported> {
        let rm = rounding(insn)?;
        let call = Call {
            what: FloatCall::Fused,
            precision,
            rm,
        };
        let fast = if_nearest(ir::FloatOp::Fma, rm);
        Ok(self.float_inst(fast, &call, ir_precision(precision).ty(), operands))
    }

    pub(super) fn lift_compare(&mut self, op: FloatCompare, precision: Precision, a: V, b: V) -> V {
        let fast = match op {
            FloatCompare::Eq => ir::FloatOp::Eq,
            FloatCompare::Lt => ir::FloatOp::Lt,
            FloatCompare::Le => ir::FloatOp::Le,
        };
        let call = Call {
            what: FloatCall::Compare(op),
            precision,
            rm: NEAREST,
        };
        self.float_inst(fast, &call, ir_precision(precision).ty(), [a, b])
    }

    pub(super) fn lift_classify(&mut self, precision: Precision, a: V) -> V {
        let call = Call {
            what: FloatCall::Classify,
            precision,
            rm: NEAREST,
        };
        self.float_inst(ir::FloatOp::Other, &call, Type::I64, [a])
    }

    pub(super) fn lift_to_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: V,
    ) -> Result<V, Unsupported> {
        let rm = rounding(insn)?;
        let fast = match (kind, rm) {
            (IntKind::I32, TOWARDS_ZERO) => ir::FloatOp::ToI32,
            (IntKind::I64, TOWARDS_ZERO) => ir::FloatOp::ToI64,
            _ => ir::FloatOp::Other,
        };
        let call = Call {
            what: FloatCall::ToInt(kind),
            precision,
            rm,
        };
        Ok(self.float_inst(fast, &call, ir_precision(precision).ty(), [a]))
    }

    pub(super) fn lift_from_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: V,
    ) -> Result<V, Unsupported> {
        let rm = rounding(insn)?;
        let fast = match (kind, precision) {
            // Exact: no rounding mode matters.
            (IntKind::I32, Precision::Double) => ir::FloatOp::FromI32,
            (IntKind::U32, Precision::Double) => ir::FloatOp::FromU32,
            (IntKind::I32, _) => if_nearest(ir::FloatOp::FromI32, rm),
            (IntKind::U32, _) => if_nearest(ir::FloatOp::FromU32, rm),
            (IntKind::I64, _) => if_nearest(ir::FloatOp::FromI64, rm),
            (IntKind::U64, _) => if_nearest(ir::FloatOp::FromU64, rm),
        };
        let call = Call {
            what: FloatCall::FromInt(kind),
            precision,
            rm,
        };
        Ok(self.float_inst(fast, &call, Type::I64, [a]))
    }

    pub(super) fn lift_convert(&mut self, insn: &Insn, precision: Precision, a: V) -> Result<V, Unsupported> {
        let rm = rounding(insn)?;
        let (fast, ty) = match precision {
            Precision::Single => (if_nearest(ir::FloatOp::Narrow, rm), Type::F64),
            Precision::Double => (ir::FloatOp::Widen, Type::I64),
        };
        let call = Call {
            what: FloatCall::Convert,
            precision,
            rm,
        };
        Ok(self.float_inst(fast, &call, ty, [a]))
    }
}
