//! Known bits: leaves out extensions and masks that change nothing, and comparisons whose outcome the bits decide.

use super::fold::{Comparison, Simpler};
use super::walk::Walk;
use crate::ir::{
    BinaryOp, BlockId, Compare, FloatOp, Inst, Precision, Region, SlotSet, UnaryOp, Value, Width,
    abi::Helper, eval,
};

/// What is known of a value's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    /// Those that are 0.
    zeros: u64,
    /// Those that are 1.
    ones: u64,
    /// How many at the top are equal to the sign bit, at least; itself counts.
    sign: u32,
}

impl Bits {
    /// Nothing.
    pub const UNKNOWN: Bits = Bits {
        zeros: 0,
        ones: 0,
        sign: 1,
    };
    /// That of a sign-extended word.
    pub const WORD: Bits = Bits {
        zeros: 0,
        ones: 0,
        sign: 33,
    };

    fn new(zeros: u64, ones: u64) -> Self {
        Self { zeros, ones, sign: 1 }.settled()
    }

    fn constant(number: u64) -> Self {
        Self::new(!number, number)
    }

    /// Nothing but bits of `mask`.
    fn within(mask: u64) -> Self {
        Self::new(!mask, 0)
    }

    fn signed(sign: u32) -> Self {
        Self {
            sign,
            ..Self::UNKNOWN
        }
    }

    /// With what each part tells of the others.
    fn settled(mut self) -> Self {
        self.sign = self
            .sign
            .max(self.zeros.leading_ones())
            .max(self.ones.leading_ones())
            .max(1);
        let top = !(u64::MAX.checked_shr(self.sign).unwrap_or(0));
        if self.zeros & top != 0 {
            self.zeros |= top;
        }
        if self.ones & top != 0 {
            self.ones |= top;
        }
        self
    }

    /// The number, if every bit is known.
    fn number(self) -> Option<u64> {
        (self.zeros | self.ones == u64::MAX).then_some(self.ones)
    }

    fn least(self) -> u64 {
        self.ones
    }

    fn greatest(self) -> u64 {
        !self.zeros
    }
}

fn bits_of(width: Width) -> u32 {
    width.bytes() as u32 * 8
}

/// What is known of the bits of what an instruction makes.
pub(super) fn of(inst: &Inst, bits: impl Fn(Value) -> Bits) -> Bits {
    let boolean = Bits::within(1);
    let loaded = |width| Bits::within(eval::zext(width, u64::MAX));
    match *inst {
        Inst::Const(number) => Bits::constant(number),
        Inst::Compare(..) => boolean,
        Inst::Load { width, .. } | Inst::LoadForUpdate { width, .. } => loaded(width),
        Inst::Binary(op, a, b) => binary(op, bits(a), bits(b)),
        Inst::Unary(op, a) => unary(op, bits(a)),
        Inst::Select(_, a, b) => {
            let (a, b) = (bits(a), bits(b));
            Bits {
                zeros: a.zeros & b.zeros,
                ones: a.ones & b.ones,
                sign: a.sign.min(b.sign),
            }
        }
        Inst::Float { op, precision, .. } => match op {
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le => boolean,
            FloatOp::ToI32 => Bits::WORD,
            FloatOp::ToI64 | FloatOp::Other => Bits::UNKNOWN,
            _ if precision == Precision::Single => loaded(Width::W32),
            _ => Bits::UNKNOWN,
        },
        Inst::Call {
            helper: Helper::StoreConditional,
            ..
        } => boolean,
        _ => Bits::UNKNOWN,
    }
}

fn unary(op: UnaryOp, a: Bits) -> Bits {
    match op {
        UnaryOp::Sext(width) => {
            let mask = eval::zext(width, u64::MAX);
            Bits {
                zeros: eval::sext(width, a.zeros & mask),
                ones: eval::sext(width, a.ones & mask),
                sign: a.sign.max(65 - bits_of(width)),
            }
            .settled()
        }
        UnaryOp::Zext(width) => {
            let mask = eval::zext(width, u64::MAX);
            Bits::new(a.zeros | !mask, a.ones & mask)
        }
        UnaryOp::Clz | UnaryOp::Ctz | UnaryOp::Cpop => Bits::within(0x7f),
        UnaryOp::Unbox => Bits::within(0xffff_ffff),
        UnaryOp::Rev8 => Bits::new(a.zeros.swap_bytes(), a.ones.swap_bytes()),
        _ => Bits::UNKNOWN,
    }
}

fn binary(op: BinaryOp, a: Bits, b: Bits) -> Bits {
    use BinaryOp::{Add, And, Div, Divu, Or, Rem, Remu, Rotr32, Sar, Shl, Shr, Sub, Xor};
    let sign = a.sign.min(b.sign);
    let upper = |zeros: u32| !(u64::MAX.checked_shr(zeros).unwrap_or(0));
    match op {
        And => Bits {
            zeros: a.zeros | b.zeros,
            ones: a.ones & b.ones,
            sign,
        }
        .settled(),
        Or => Bits {
            zeros: a.zeros & b.zeros,
            ones: a.ones | b.ones,
            sign,
        }
        .settled(),
        Xor => Bits {
            zeros: a.zeros & b.zeros | a.ones & b.ones,
            ones: a.zeros & b.ones | a.ones & b.zeros,
            sign,
        }
        .settled(),
        Add => {
            let low = a.zeros.trailing_ones().min(b.zeros.trailing_ones());
            let high = a.zeros.leading_ones().min(b.zeros.leading_ones());
            let low = !(u64::MAX.checked_shl(low).unwrap_or(0));
            Bits {
                zeros: low | upper(high.saturating_sub(1)),
                ones: 0,
                sign: sign - 1,
            }
            .settled()
        }
        Sub => Bits::signed(sign - 1).settled(),
        Shl => match b.number() {
            Some(amount) => {
                let amount = amount as u32 & 63;
                Bits {
                    zeros: a.zeros << amount | !(u64::MAX << amount),
                    ones: a.ones << amount,
                    sign: a.sign.saturating_sub(amount),
                }
                .settled()
            }
            None => Bits::UNKNOWN,
        },
        Shr => match b.number() {
            Some(amount) => {
                let amount = amount as u32 & 63;
                Bits::new(a.zeros >> amount | upper(amount), a.ones >> amount)
            }
            None => Bits::new(upper(a.zeros.leading_ones()), 0),
        },
        Sar => match b.number() {
            Some(amount) => {
                let amount = amount as u32 & 63;
                let shifted = |bits: u64| ((bits as i64) >> amount) as u64;
                Bits {
                    zeros: shifted(a.zeros),
                    ones: shifted(a.ones),
                    sign: (a.sign + amount).min(64),
                }
                .settled()
            }
            None => Bits::signed(a.sign),
        },
        Rotr32 => Bits::within(0xffff_ffff),
        // Not greater than the first; but all ones for a zero divisor.
        Divu if b.ones != 0 => Bits::new(upper(a.zeros.leading_ones()), 0),
        Remu => Bits::new(upper(a.zeros.leading_ones()), 0),
        // The overflow, and -1 for a zero divisor.
        Div => Bits::signed(a.sign - 1).settled(),
        Rem => Bits::signed(a.sign),
        _ => Bits::UNKNOWN,
    }
}

/// What a pure instruction other than a comparison comes to.
pub(super) fn simpler(walk: &Walk, inst: &Inst) -> Simpler {
    let bits = |value| walk.bits(value);
    match *inst {
        Inst::Const(_) => return Simpler::Same,
        Inst::Unary(UnaryOp::Sext(width), a) if bits(a).sign > 64 - bits_of(width) => {
            return Simpler::Value(a);
        }
        Inst::Unary(UnaryOp::Zext(width), a) if bits(a).greatest() <= eval::zext(width, u64::MAX) => {
            return Simpler::Value(a);
        }
        Inst::Unary(UnaryOp::Unbox, a) if bits(a).ones >> 32 == 0xffff_ffff => {
            return Simpler::Of(Inst::Unary(UnaryOp::Zext(Width::W32), a));
        }
        Inst::Binary(BinaryOp::And, a, b) => {
            // Whatever may be 1 in the one is 1 in the other.
            if bits(a).greatest() & !bits(b).ones == 0 {
                return Simpler::Value(a);
            }
            if bits(b).greatest() & !bits(a).ones == 0 {
                return Simpler::Value(b);
            }
        }
        Inst::Binary(BinaryOp::Or, a, b) => {
            if bits(b).greatest() & !bits(a).ones == 0 {
                return Simpler::Value(a);
            }
            if bits(a).greatest() & !bits(b).ones == 0 {
                return Simpler::Value(b);
            }
        }
        _ => {}
    }
    match of(inst, bits).number() {
        // Doubles are no constants.
        Some(number) if !matches!(inst, Inst::Unary(UnaryOp::FromBits, _) | Inst::Window { .. }) => {
            Simpler::Const(number)
        }
        _ => Simpler::Same,
    }
}

/// What a comparison comes to.
pub(super) fn comparison(compare: Compare, a: Bits, b: Bits) -> Comparison {
    let known = match compare {
        Compare::Eq | Compare::Ne if a.zeros & b.ones != 0 || a.ones & b.zeros != 0 => {
            Some(compare == Compare::Ne)
        }
        Compare::Ltu | Compare::Geu if a.greatest() < b.least() => Some(compare == Compare::Ltu),
        Compare::Ltu | Compare::Geu if a.least() >= b.greatest() => Some(compare == Compare::Geu),
        Compare::Lt | Compare::Ge => {
            // The order of signed numbers is that of unsigned ones with the sign bit turned over.
            let turned = |bits: Bits| {
                let sign = 1 << 63;
                let (zeros, ones) = (bits.zeros, bits.ones);
                Bits {
                    zeros: zeros & !sign | ones & sign,
                    ones: ones & !sign | zeros & sign,
                    sign: 1,
                }
            };
            let (a, b) = (turned(a), turned(b));
            if a.greatest() < b.least() {
                Some(compare == Compare::Lt)
            } else if a.least() >= b.greatest() {
                Some(compare == Compare::Ge)
            } else {
                None
            }
        }
        _ => None,
    };
    known.map_or(Comparison::Same, Comparison::Known)
}

/// Which slots hold sign-extended words where a block starts, whichever way it was reached.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<SlotSet>);

impl Words {
    pub fn at(&self, block: BlockId) -> SlotSet {
        self.0.get(block.0 as usize).copied().unwrap_or_default()
    }

    /// Looks at what each block leaves in the slots it writes, and lets that flow along the edges until nothing changes.
    pub fn of(region: &Region) -> Self {
        let mut bits = Vec::new();
        let effects: Vec<_> = region
            .blocks
            .iter()
            .map(|block| Effect::of(&block.insts, &mut bits))
            .collect();
        let mut before = vec![SlotSet(u128::MAX); region.blocks.len()];
        for entry in &region.entries {
            before[entry.0 as usize] = SlotSet::default();
        }
        loop {
            let mut changed = false;
            for (number, block) in region.blocks.iter().enumerate() {
                let after = effects[number].after(before[number]);
                for to in block.end.successors() {
                    let known = &mut before[to.0 as usize].0;
                    changed |= *known & !after.0 != 0;
                    *known &= after.0;
                }
            }
            if !changed {
                return Self(before);
            }
        }
    }
}

/// What a block does to the slots.
struct Effect {
    /// Slots it writes.
    written: SlotSet,
    /// Those it leaves a sign-extended word in.
    words: SlotSet,
}

impl Effect {
    fn of(insts: &[Inst], bits: &mut Vec<Bits>) -> Self {
        let mut effect = Effect {
            written: SlotSet::default(),
            words: SlotSet::default(),
        };
        bits.clear();
        for inst in insts {
            let known = match *inst {
                Inst::Get(slot) if effect.words.contains(slot) => Bits::WORD,
                _ => of(inst, |value| bits[value.0 as usize]),
            };
            bits.push(known);
            if let Inst::Set(slot, value) = *inst {
                effect.written.insert(slot);
                match bits[value.0 as usize].sign >= Bits::WORD.sign {
                    true => effect.words.insert(slot),
                    false => effect.words.0 &= !(1 << slot.0),
                }
            }
        }
        effect
    }

    fn after(&self, before: SlotSet) -> SlotSet {
        SlotSet(self.words.0 | before.0 & !self.written.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bits of which a number is an example.
    fn known(number: u64, hidden: u64) -> Bits {
        let sign = (number.leading_ones().max(number.leading_zeros()) / 2).max(1);
        Bits {
            zeros: !number & !hidden,
            ones: number & !hidden,
            sign,
        }
        .settled()
    }

    fn fits(bits: Bits, number: u64) -> bool {
        let equal = number.leading_ones().max(number.leading_zeros());
        bits.zeros & number == 0 && bits.ones & !number == 0 && bits.sign <= equal
    }

    const OPS: [BinaryOp; 18] = {
        use BinaryOp::*;
        [
            Add, Sub, And, Or, Xor, Shl, Shr, Sar, Rotr, Rotr32, Mul, Mulh, Mulhu, Mulhsu, Div, Divu, Rem,
            Remu,
        ]
    };
    const UNARY: [UnaryOp; 11] = [
        UnaryOp::Sext(Width::W8),
        UnaryOp::Sext(Width::W16),
        UnaryOp::Sext(Width::W32),
        UnaryOp::Zext(Width::W8),
        UnaryOp::Zext(Width::W16),
        UnaryOp::Zext(Width::W32),
        UnaryOp::Clz,
        UnaryOp::Ctz,
        UnaryOp::Cpop,
        UnaryOp::Rev8,
        UnaryOp::Unbox,
    ];

    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64, any::<bool>()).prop_map(|(number, shift, signed)| match signed {
            true => ((number as i64) >> shift) as u64,
            false => number >> shift,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn results_have_the_bits_that_are_known(
            a in number(), b in number(), hide_a: u64, hide_b in prop_oneof![Just(0), any::<u64>()],
            op in proptest::sample::select(&OPS[..]), one in proptest::sample::select(&UNARY[..]),
        ) {
            let known_a = known(a, hide_a);
            let known_b = known(b, hide_b);
            prop_assert!(fits(known_a, a));
            prop_assert!(fits(binary(op, known_a, known_b), eval::binary(op, a, b)), "{op:?}");
            prop_assert!(fits(unary(one, known_a), eval::unary(one, a)), "{one:?}");
        }

        #[test]
        fn comparisons_are_decided_rightly(a in number(), b in number(), hide_a: u64, hide_b: u64) {
            use Compare::{Eq, Ge, Geu, Lt, Ltu, Ne};
            for compare in [Eq, Ne, Lt, Ge, Ltu, Geu] {
                if let Comparison::Known(holds) = comparison(compare, known(a, hide_a), known(b, hide_b)) {
                    prop_assert_eq!(holds, compare.holds(a, b));
                }
            }
        }
    }
}
