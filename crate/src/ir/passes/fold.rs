//! Fold: constants, and identities of arithmetic and logic. Constants come to stand on the right, sums of a base and
//! constants become one of each, and what only changes bits that nobody looks at is passed by.

use super::walk::Walk;
use crate::ir::{BinaryOp, Compare, Inst, UnaryOp, Value, Width, eval};

/// What an instruction comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Simpler {
    /// Itself.
    Same,
    /// A value there is already.
    Value(Value),
    /// A constant.
    Const(u64),
    /// Another instruction.
    Of(Inst),
    /// An operation on a value and a constant.
    WithConst(BinaryOp, Value, u64),
    /// The same, sign-extended from a word.
    WordWithConst(BinaryOp, Value, u64),
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison {
    /// Itself.
    Same,
    /// Whether it holds is known.
    Known(bool),
    /// Another one.
    Of(Compare, Value, Value),
    /// Another one, with a constant.
    WithConst(Compare, Value, u64),
}

/// What a pure instruction other than a comparison comes to.
pub(super) fn simpler(walk: &Walk, inst: &Inst) -> Simpler {
    match *inst {
        Inst::Binary(op, a, b) => binary(walk, op, a, b),
        Inst::Unary(op, a) => unary(walk, op, a),
        Inst::Select(condition, a, b) => select(walk, condition, a, b),
        _ => Simpler::Same,
    }
}

fn commutes(op: BinaryOp) -> bool {
    use BinaryOp::{Add, And, Mul, Mulh, Mulhu, Or, Xor};
    matches!(op, Add | And | Or | Xor | Mul | Mulh | Mulhu)
}

fn binary(walk: &Walk, op: BinaryOp, a: Value, b: Value) -> Simpler {
    use BinaryOp::{Add, And, Or, Sub, Xor};
    match (walk.constant(a), walk.constant(b)) {
        (Some(x), Some(y)) => Simpler::Const(eval::binary(op, x, y)),
        (None, Some(number)) => with_constant(walk, op, a, number),
        (Some(_), None) if commutes(op) => Simpler::Of(Inst::Binary(op, b, a)),
        (Some(0), None) if shifts(op) => Simpler::Const(0),
        _ if a == b && matches!(op, Sub | Xor) => Simpler::Const(0),
        _ if a == b && matches!(op, And | Or) => Simpler::Value(a),
        _ if matches!(op, Add | Or | Xor) => rotation(walk, a, b),
        _ => Simpler::Same,
    }
}

/// A shift by a constant, one of the two of which a rotation is made where a guest has none.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Of a word: the result is sign-extended.
    word: bool,
    left: bool,
    of: Value,
    by: u64,
}

impl Part {
    fn new(walk: &Walk, value: Value) -> Option<Self> {
        let (word, inst) = match walk.inst(value) {
            Inst::Unary(UnaryOp::Sext(Width::W32), inner) => (true, walk.inst(inner)),
            inst => (false, inst),
        };
        let Inst::Binary(op @ (BinaryOp::Shl | BinaryOp::Shr), of, by) = inst else {
            return None;
        };
        let (left, by) = (op == BinaryOp::Shl, walk.constant(by)?);
        let is_word = match walk.inst(of) {
            Inst::Unary(UnaryOp::Zext(Width::W32), _) => true,
            Inst::Load { width, .. } => width == Width::W32,
            _ => false,
        };
        match left {
            // Its top bit is 0, so that its sign need not be extended.
            false if is_word => Some(Part {
                word: true,
                left,
                of: low(walk, of, Width::W32),
                by,
            }),
            true if word => Some(Part {
                word,
                left,
                of: low(walk, of, Width::W32),
                by,
            }),
            _ if word => None,
            _ => Some(Part { word, left, of, by }),
        }
    }
}

/// Two shifts that are the parts of a rotation, put together.
fn rotation(walk: &Walk, a: Value, b: Value) -> Simpler {
    let (Some(a), Some(b)) = (Part::new(walk, a), Part::new(walk, b)) else {
        return Simpler::Same;
    };
    let (left, right) = if a.left { (a, b) } else { (b, a) };
    let bits = if left.word { 32 } else { 64 };
    let fits = |part: Part| (1..bits).contains(&part.by);
    if !left.left || right.left || left.word != right.word || left.of != right.of {
        return Simpler::Same;
    }
    match fits(left) && fits(right) && left.by + right.by == bits {
        true if left.word => Simpler::WordWithConst(BinaryOp::Rotr32, left.of, right.by),
        true => Simpler::WithConst(BinaryOp::Rotr, left.of, right.by),
        false => Simpler::Same,
    }
}

fn shifts(op: BinaryOp) -> bool {
    use BinaryOp::{Rotr, Rotr32, Sar, Shl, Shr};
    matches!(op, Shl | Shr | Sar | Rotr | Rotr32)
}

/// The width whose bits are those of `mask`.
fn width_of_mask(mask: u64) -> Option<Width> {
    match mask {
        0xff => Some(Width::W8),
        0xffff => Some(Width::W16),
        0xffff_ffff => Some(Width::W32),
        _ => None,
    }
}

fn with_constant(walk: &Walk, op: BinaryOp, a: Value, number: u64) -> Simpler {
    use BinaryOp::{Add, And, Div, Divu, Mul, Or, Remu, Rotr, Sar, Shl, Shr, Sub, Xor};
    match (op, number) {
        (Add | Or | Xor | Sub, 0) | (And, u64::MAX) | (Mul | Div | Divu, 1) => return Simpler::Value(a),
        (And | Mul, 0) => return Simpler::Const(0),
        (Or, u64::MAX) => return Simpler::Const(u64::MAX),
        (Sub, _) => return Simpler::WithConst(Add, a, number.wrapping_neg()),
        (Mul, _) if number.is_power_of_two() => {
            return Simpler::WithConst(Shl, a, number.trailing_zeros().into());
        }
        (Divu, _) if number.is_power_of_two() => {
            return Simpler::WithConst(Shr, a, number.trailing_zeros().into());
        }
        (Remu, _) if number.is_power_of_two() => return Simpler::WithConst(And, a, number - 1),
        (Shl | Shr | Sar | Rotr, _) if number & 63 == 0 => return Simpler::Value(a),
        (Shl | Shr | Sar | Rotr, 64..) => return Simpler::WithConst(op, a, number & 63),
        (And, _) => {
            if let Some(width) = width_of_mask(number) {
                return Simpler::Of(Inst::Unary(UnaryOp::Zext(width), a));
            }
        }
        _ => {}
    }
    match walk.inst(a) {
        Inst::Binary(inner, x, y) => match walk.constant(y) {
            Some(before) => twice(inner, x, before, op, number),
            None => Simpler::Same,
        },
        Inst::Unary(UnaryOp::Sext(of) | UnaryOp::Zext(of), x)
            if op == And && number <= eval::zext(of, !0) =>
        {
            Simpler::WithConst(And, x, number)
        }
        _ => Simpler::Same,
    }
}

/// `(x inner before) op number`
fn twice(inner: BinaryOp, x: Value, before: u64, op: BinaryOp, number: u64) -> Simpler {
    use BinaryOp::{Add, And, Or, Sar, Shl, Shr, Xor};
    let shift = before.wrapping_add(number);
    match (inner, op) {
        (Add, Add) => Simpler::WithConst(Add, x, before.wrapping_add(number)),
        (And, And) => Simpler::WithConst(And, x, before & number),
        (Or, Or) => Simpler::WithConst(Or, x, before | number),
        (Xor, Xor) => Simpler::WithConst(Xor, x, before ^ number),
        (Shl, Shl) | (Shr, Shr) if before < 64 && number < 64 => match shift < 64 {
            true => Simpler::WithConst(op, x, shift),
            false => Simpler::Const(0),
        },
        (Sar, Sar) if before < 64 && number < 64 => Simpler::WithConst(Sar, x, shift.min(63)),
        (Shl, Shr) if before == number && number < 64 => Simpler::WithConst(And, x, u64::MAX >> number),
        (Shl, Sar) if before == number => match number {
            56 => Simpler::Of(Inst::Unary(UnaryOp::Sext(Width::W8), x)),
            48 => Simpler::Of(Inst::Unary(UnaryOp::Sext(Width::W16), x)),
            32 => Simpler::Of(Inst::Unary(UnaryOp::Sext(Width::W32), x)),
            _ => Simpler::Same,
        },
        (Shr, Shl) if before == number && number < 64 => Simpler::WithConst(And, x, u64::MAX << number),
        // Bits that the mask keeps come from one side only.
        (Or, And) if before & number == 0 => Simpler::WithConst(And, x, number),
        (Or, And) if before & number == number => Simpler::Const(number),
        _ => Simpler::Same,
    }
}

/// A value with the same low bits: extensions, and what else only changes bits above, are passed by.
pub(super) fn low(walk: &Walk, mut value: Value, width: Width) -> Value {
    if width == Width::W64 {
        return value;
    }
    let mask = eval::zext(width, u64::MAX);
    loop {
        value = match walk.inst(value) {
            Inst::Unary(UnaryOp::Sext(of) | UnaryOp::Zext(of), x) if of.bytes() >= width.bytes() => x,
            Inst::Binary(BinaryOp::And, x, y) if walk.constant(y).is_some_and(|y| y & mask == mask) => x,
            Inst::Binary(BinaryOp::Or | BinaryOp::Xor, x, y)
                if walk.constant(y).is_some_and(|y| y & mask == 0) =>
            {
                x
            }
            _ => return value,
        };
    }
}

fn unary(walk: &Walk, op: UnaryOp, a: Value) -> Simpler {
    let inner = walk.inst(a);
    match (op, inner) {
        // Doubles are no constants: `frombits` stays.
        (UnaryOp::FromBits, Inst::Unary(UnaryOp::ToBits, x))
        | (UnaryOp::ToBits, Inst::Unary(UnaryOp::FromBits, x))
        | (UnaryOp::Rev8, Inst::Unary(UnaryOp::Rev8, x)) => Simpler::Value(x),
        (UnaryOp::FromBits, _) => Simpler::Same,
        (_, Inst::Const(number)) => Simpler::Const(eval::unary(op, number)),
        (UnaryOp::Sext(width) | UnaryOp::Zext(width), _) => {
            if let Inst::Unary(before, x) = inner {
                match (op, before) {
                    // What was narrower before stays so.
                    (UnaryOp::Sext(_), UnaryOp::Sext(of)) if of.bytes() <= width.bytes() => {
                        return Simpler::Value(a);
                    }
                    (_, UnaryOp::Zext(of)) if of.bytes() < width.bytes() => return Simpler::Value(a),
                    (UnaryOp::Zext(_), UnaryOp::Zext(of)) if of == width => return Simpler::Value(a),
                    (_, UnaryOp::Sext(of) | UnaryOp::Zext(of)) if of.bytes() >= width.bytes() => {
                        return Simpler::Of(Inst::Unary(op, x));
                    }
                    _ => {}
                }
            }
            match low(walk, a, width) {
                same if same == a => low_operands(walk, op, width, inner),
                other => Simpler::Of(Inst::Unary(op, other)),
            }
        }
        (UnaryOp::Unbox, Inst::Binary(BinaryOp::Or, x, y)) if walk.constant(y) == Some(0xffff_ffff << 32) => {
            Simpler::Of(Inst::Unary(UnaryOp::Zext(Width::W32), x))
        }
        _ => Simpler::Same,
    }
}

/// An extended word of a number that is masked to fewer bits: the mask alone.
fn low_operands(walk: &Walk, op: UnaryOp, width: Width, inner: Inst) -> Simpler {
    match inner {
        Inst::Binary(BinaryOp::And, x, y) => match walk.constant(y) {
            Some(mask) if op == UnaryOp::Zext(width) => {
                Simpler::WithConst(BinaryOp::And, x, eval::zext(width, mask))
            }
            _ => Simpler::Same,
        },
        _ => Simpler::Same,
    }
}

fn select(walk: &Walk, condition: Value, a: Value, b: Value) -> Simpler {
    if a == b {
        return Simpler::Value(a);
    }
    if let Some(number) = walk.constant(condition) {
        return Simpler::Value(if number != 0 { a } else { b });
    }
    match walk.inst(condition) {
        Inst::Compare(Compare::Ne, x, y) if walk.constant(y) == Some(0) => Simpler::Of(Inst::Select(x, a, b)),
        Inst::Compare(Compare::Eq, x, y) if walk.constant(y) == Some(0) => Simpler::Of(Inst::Select(x, b, a)),
        _ => Simpler::Same,
    }
}

/// The comparison with its sides exchanged, where there is one.
fn mirrored(compare: Compare) -> Option<Compare> {
    matches!(compare, Compare::Eq | Compare::Ne).then_some(compare)
}

/// What a comparison comes to.
pub(super) fn comparison(walk: &Walk, compare: Compare, a: Value, b: Value) -> Comparison {
    if a == b {
        return Comparison::Known(compare.holds(0, 0));
    }
    match (walk.constant(a), walk.constant(b)) {
        (Some(x), Some(y)) => Comparison::Known(compare.holds(x, y)),
        (Some(0), None) if compare == Compare::Ltu => Comparison::WithConst(Compare::Ne, b, 0),
        (Some(0), None) if compare == Compare::Geu => Comparison::WithConst(Compare::Eq, b, 0),
        (Some(_), None) => match mirrored(compare) {
            Some(compare) => Comparison::Of(compare, b, a),
            None => Comparison::Same,
        },
        (None, Some(number)) => comparison_with(walk, compare, a, number),
        _ => Comparison::Same,
    }
}

fn comparison_with(walk: &Walk, compare: Compare, a: Value, number: u64) -> Comparison {
    match (compare, number) {
        (Compare::Ltu, 0) => return Comparison::Known(false),
        (Compare::Geu, 0) => return Comparison::Known(true),
        (Compare::Ltu, 1) => return Comparison::WithConst(Compare::Eq, a, 0),
        (Compare::Geu, 1) => return Comparison::WithConst(Compare::Ne, a, 0),
        (Compare::Eq | Compare::Ne, _) => {}
        _ => return Comparison::Same,
    }
    match walk.inst(a) {
        // Whether an earlier comparison held.
        Inst::Compare(earlier, x, y) if number < 2 => {
            let held = (number == 1) == (compare == Compare::Eq);
            Comparison::Of(if held { earlier } else { earlier.negated() }, x, y)
        }
        Inst::Binary(BinaryOp::Sub | BinaryOp::Xor, x, y) if number == 0 => Comparison::Of(compare, x, y),
        Inst::Binary(BinaryOp::Add, x, y) => match walk.constant(y) {
            Some(y) => Comparison::WithConst(compare, x, number.wrapping_sub(y)),
            None => Comparison::Same,
        },
        _ => Comparison::Same,
    }
}
