//! The A extension (unprivileged spec chapter 13).

use super::integer::set;
use crate::isa::riscv::insn::Insn;
use crate::isa::riscv::ops::{Ops, Width};

/// `rd = memory; memory = f(memory, rs2)`. Both operands of `f` are sign-extended.
#[inline(always)]
pub fn amo<O: Ops>(
    o: &mut O,
    i: &Insn,
    width: Width,
    f: impl Fn(&mut O, O::V, O::V) -> O::V,
) -> Result<O::Flow, O::Stop> {
    let (addr, operand) = (o.x(i.rs1), o.x(i.rs2));
    let operand = o.sext(width, operand);
    let old = o.load_for_update(i, width, addr)?;
    let old = o.sext(width, old);
    let new = f(o, old, operand);
    o.store(i, width, addr, new)?;
    set(o, i, old)
}

/// `amo` that keeps the lesser or the greater operand, as `less` orders them. Sign extension keeps the unsigned order
/// of words too.
#[inline(always)]
pub fn amo_select<O: Ops>(
    o: &mut O,
    i: &Insn,
    width: Width,
    less: impl Fn(&mut O, O::V, O::V) -> O::V,
    greater: bool,
) -> Result<O::Flow, O::Stop> {
    amo(o, i, width, super::bits::pick(less, greater))
}

#[inline(always)]
pub fn load_reserved<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    let addr = o.x(i.rs1);
    let value = o.load_reserved(i, width, addr)?;
    let value = o.sext(width, value);
    set(o, i, value)
}

#[inline(always)]
pub fn store_conditional<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    let (addr, value) = (o.x(i.rs1), o.x(i.rs2));
    let failed = o.store_conditional(i, width, addr, value)?;
    set(o, i, failed)
}
