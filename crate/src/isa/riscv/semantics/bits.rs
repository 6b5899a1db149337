//! Zba, Zbb and Zbs (unprivileged spec chapter 28).

use crate::isa::riscv::ops::{Ops, Width};

/// `(a << amount) + b`
#[inline(always)]
pub fn shift_add<O: Ops>(amount: u64) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let amount = o.constant(amount);
        let a = o.shl(a, amount);
        o.add(a, b)
    }
}

/// `(zext.w(a) << amount) + b`
#[inline(always)]
pub fn shift_add_word<O: Ops>(amount: u64) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let a = o.zext(Width::Word, a);
        shift_add(amount)(o, a, b)
    }
}

#[inline(always)]
fn not<O: Ops>(o: &mut O, a: O::V) -> O::V {
    let ones = o.constant(!0);
    o.xor(a, ones)
}

/// `f(a, !b)`
#[inline(always)]
pub fn inverted<O: Ops>(f: impl Fn(&mut O, O::V, O::V) -> O::V) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let b = not(o, b);
        f(o, a, b)
    }
}

#[inline(always)]
pub fn negate<O: Ops>(o: &mut O, a: O::V) -> O::V {
    let zero = o.constant(0);
    o.sub(zero, a)
}

/// The lesser or the greater operand, as `less` orders them.
#[inline(always)]
pub fn pick<O: Ops>(
    less: impl Fn(&mut O, O::V, O::V) -> O::V,
    greater: bool,
) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let a_is_less = less(o, a, b);
        if greater {
            o.select(a_is_less, b, a)
        } else {
            o.select(a_is_less, a, b)
        }
    }
}

#[inline(always)]
pub fn rotr_word<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let value = o.rotr32(a, b);
    o.sext(Width::Word, value)
}

#[inline(always)]
pub fn clzw<O: Ops>(o: &mut O, a: O::V) -> O::V {
    let a = o.zext(Width::Word, a);
    let (count, upper) = (o.clz(a), o.constant(32));
    o.sub(count, upper)
}

#[inline(always)]
pub fn ctzw<O: Ops>(o: &mut O, a: O::V) -> O::V {
    // A one above the word ends the count at 32.
    let guard = o.constant(1 << 32);
    let a = o.or(a, guard);
    o.ctz(a)
}

#[inline(always)]
fn bit<O: Ops>(o: &mut O, index: O::V) -> O::V {
    let one = o.constant(1);
    o.shl(one, index)
}

/// `f(a, 1 << b)`
#[inline(always)]
pub fn one_bit<O: Ops>(f: impl Fn(&mut O, O::V, O::V) -> O::V) -> impl Fn(&mut O, O::V, O::V) -> O::V {
    move |o, a, b| {
        let mask = bit(o, b);
        f(o, a, mask)
    }
}

#[inline(always)]
pub fn bit_clear<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let mask = bit(o, b);
    let mask = not(o, mask);
    o.and(a, mask)
}

#[inline(always)]
pub fn bit_extract<O: Ops>(o: &mut O, a: O::V, b: O::V) -> O::V {
    let (value, one) = (o.shr(a, b), o.constant(1));
    o.and(value, one)
}
