//! RV64I and M (unprivileged spec chapters 2, 4 and 12).

use crate::isa::riscv::insn::Insn;
use crate::isa::riscv::ops::{Condition, Ops, Width};

/// The immediate as a value.
#[inline(always)]
pub fn immediate<O: Ops>(o: &mut O, i: &Insn) -> O::V {
    o.constant(i64::from(i.imm) as u64)
}

/// Writes the destination and goes on.
#[inline(always)]
pub fn set<O: Ops>(o: &mut O, i: &Insn, value: O::V) -> Result<O::Flow, O::Stop> {
    o.set_x(i.rd, value);
    o.next()
}

/// `rd = f(rs1, rs2)`
#[inline(always)]
pub fn reg_reg<O: Ops>(
    o: &mut O,
    i: &Insn,
    f: impl Fn(&mut O, O::V, O::V) -> O::V,
) -> Result<O::Flow, O::Stop> {
    let (a, b) = (o.x(i.rs1), o.x(i.rs2));
    let value = f(o, a, b);
    set(o, i, value)
}

/// `rd = f(rs1, imm)`
#[inline(always)]
pub fn reg_imm<O: Ops>(
    o: &mut O,
    i: &Insn,
    f: impl Fn(&mut O, O::V, O::V) -> O::V,
) -> Result<O::Flow, O::Stop> {
    let (a, b) = (o.x(i.rs1), immediate(o, i));
    let value = f(o, a, b);
    set(o, i, value)
}

/// `rd = f(rs1)`
#[inline(always)]
pub fn unary<O: Ops>(o: &mut O, i: &Insn, f: impl Fn(&mut O, O::V) -> O::V) -> Result<O::Flow, O::Stop> {
    let a = o.x(i.rs1);
    let value = f(o, a);
    set(o, i, value)
}

/// `f` on 64 bits, of which the low word is the result, sign-extended.
#[inline(always)]
pub fn word_of<O: Ops>(f: impl Fn(&mut O, O::V, O::V) -> O::V) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let value = f(o, a, b);
        o.sext(Width::Word, value)
    }
}

/// `f` on sign-extended words, the result a word.
#[inline(always)]
pub fn signed_words<O: Ops>(f: impl Fn(&mut O, O::V, O::V) -> O::V) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let (a, b) = (o.sext(Width::Word, a), o.sext(Width::Word, b));
        let value = f(o, a, b);
        o.sext(Width::Word, value)
    }
}

/// `f` on zero-extended words, the result a word.
#[inline(always)]
pub fn unsigned_words<O: Ops>(f: impl Fn(&mut O, O::V, O::V) -> O::V) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let (a, b) = (o.zext(Width::Word, a), o.zext(Width::Word, b));
        let value = f(o, a, b);
        o.sext(Width::Word, value)
    }
}

/// The amount of a word shift: five bits.
#[inline(always)]
fn word_amount<O: Ops>(o: &mut O, b: O::V) -> O::V {
    let mask = o.constant(31);
    o.and(b, mask)
}

#[inline(always)]
pub fn sllw<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let amount = word_amount(o, b);
    let value = o.shl(a, amount);
    o.sext(Width::Word, value)
}

#[inline(always)]
pub fn srlw<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let amount = word_amount(o, b);
    let a = o.zext(Width::Word, a);
    let value = o.shr(a, amount);
    o.sext(Width::Word, value)
}

#[inline(always)]
pub fn sraw<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let amount = word_amount(o, b);
    let a = o.sext(Width::Word, a);
    o.sar(a, amount)
}

/// `rs1 + imm`
#[inline(always)]
pub fn address<O: Ops>(o: &mut O, i: &Insn) -> O::V {
    let (base, offset) = (o.x(i.rs1), immediate(o, i));
    o.add(base, offset)
}

#[inline(always)]
pub fn load<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    let addr = address(o, i);
    let value = o.load(i, width, addr)?;
    set(o, i, value)
}

#[inline(always)]
pub fn load_signed<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    let addr = address(o, i);
    let value = o.load(i, width, addr)?;
    let value = o.sext(width, value);
    set(o, i, value)
}

#[inline(always)]
pub fn store<O: Ops>(o: &mut O, i: &Insn, width: Width) -> Result<O::Flow, O::Stop> {
    let (addr, value) = (address(o, i), o.x(i.rs2));
    o.store(i, width, addr, value)?;
    o.next()
}

#[inline(always)]
pub fn branch<O: Ops>(o: &mut O, i: &Insn, condition: Condition) -> Result<O::Flow, O::Stop> {
    let (a, b) = (o.x(i.rs1), o.x(i.rs2));
    o.branch(i, condition, a, b, i.imm)
}

/// Address of the instruction after this one.
#[inline(always)]
fn link<O: Ops>(o: &mut O, i: &Insn) -> O::V {
    let (pc, len) = (o.pc(i), o.constant(u64::from(i.len)));
    o.add(pc, len)
}

#[inline(always)]
pub fn jal<O: Ops>(o: &mut O, i: &Insn) -> Result<O::Flow, O::Stop> {
    let link = link(o, i);
    o.set_x(i.rd, link);
    o.jump(i, i.imm)
}

#[inline(always)]
pub fn jalr<O: Ops>(o: &mut O, i: &Insn) -> Result<O::Flow, O::Stop> {
    // The target is read before the link is written: they may be the same register.
    let target = address(o, i);
    let even = o.constant(!1);
    let target = o.and(target, even);
    let link = link(o, i);
    o.set_x(i.rd, link);
    o.jump_to(i, target)
}
