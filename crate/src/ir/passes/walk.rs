//! The walk over a block in which the rewriting passes take turns: each instruction is simplified, looked for among those
//! before it, and written to the block anew.

use super::{
    Level, Pass, PassSet,
    fold::{self, Comparison, Simpler},
    forward::{Seen, Slots, is_pure},
    known_bits::{self, Bits, Words},
};
use crate::ir::{Block, BlockId, Compare, Inst, Region, SlotSet, Terminator, UnaryOp, Value, Width};

/// How often an instruction may become another one.
const STEPS: usize = 8;
/// The value of an instruction that makes none, or is gone.
const NOTHING: Value = Value(u32::MAX);

/// Rewrites every block.
pub(super) fn run(region: &mut Region, level: Level, passes: PassSet) {
    let words = match passes.contains(Pass::KnownBits) && level == Level::Hot {
        true => Words::of(region),
        false => Words::default(),
    };
    let mut walk = Walk {
        forward: passes.contains(Pass::Forward),
        fold: passes.contains(Pass::Fold),
        known_bits: passes.contains(Pass::KnownBits),
        words: SlotSet::default(),
        insts: Vec::new(),
        bits: Vec::new(),
        map: Vec::new(),
        slots: Slots::default(),
        seen: Seen::default(),
        passed: Vec::new(),
    };
    for (number, block) in region.blocks.iter_mut().enumerate() {
        walk.words = words.at(BlockId(number as u32));
        walk.block(block);
    }
}

/// A block being rewritten.
pub(super) struct Walk {
    forward: bool,
    fold: bool,
    pub(super) known_bits: bool,
    /// Slots that hold sign-extended words at the block's start.
    words: SlotSet,
    /// The new instructions.
    insts: Vec<Inst>,
    /// What is known of their values' bits.
    bits: Vec<Bits>,
    /// The new values, by the old ones.
    map: Vec<Value>,
    slots: Slots,
    seen: Seen,
    /// Comparisons that do not hold, or the block would have been left.
    passed: Vec<(Compare, Value, Value)>,
}

impl Walk {
    /// The instruction that makes `value`.
    pub fn inst(&self, value: Value) -> Inst {
        self.insts[value.0 as usize]
    }

    /// The number that `value` is, if it is a constant.
    pub fn constant(&self, value: Value) -> Option<u64> {
        match self.inst(value) {
            Inst::Const(number) => Some(number),
            _ => None,
        }
    }

    /// What is known of a value's bits.
    pub fn bits(&self, value: Value) -> Bits {
        self.bits.get(value.0 as usize).copied().unwrap_or(Bits::UNKNOWN)
    }

    fn block(&mut self, block: &mut Block) {
        self.insts.clear();
        self.bits.clear();
        self.map.clear();
        self.passed.clear();
        if self.forward {
            self.slots.clear();
            self.seen.clear();
        }
        for mut inst in block.insts.drain(..) {
            inst.operands_mut(|value| *value = self.map[value.0 as usize]);
            let value = self.rewrite(inst);
            self.map.push(value);
        }
        let map = |value: Value| self.map[value.0 as usize];
        match block.end {
            Terminator::ExitTo(value) => {
                let value = map(value);
                block.end = match self.constant(value) {
                    Some(pc) if self.fold => Terminator::Exit(pc),
                    _ => Terminator::ExitTo(value),
                };
            }
            Terminator::Branch {
                compare,
                a,
                b,
                yes,
                no,
            } => {
                let (a, b) = (map(a), map(b));
                block.end = match self.comparison(compare, a, b) {
                    Ok(true) => Terminator::Jump(yes),
                    Ok(false) => Terminator::Jump(no),
                    Err((compare, a, b)) => Terminator::Branch {
                        compare,
                        a,
                        b,
                        yes,
                        no,
                    },
                };
            }
            _ => {}
        }
        std::mem::swap(&mut block.insts, &mut self.insts);
    }

    fn push(&mut self, inst: Inst) -> Value {
        if self.known_bits {
            let bits = match inst {
                Inst::Get(slot) if self.words.contains(slot) => Bits::WORD,
                _ => known_bits::of(&inst, |value| self.bits(value)),
            };
            self.bits.push(bits);
        }
        self.insts.push(inst);
        Value(self.insts.len() as u32 - 1)
    }

    /// Pushes an instruction that does nothing but make a value, if there is none like it.
    fn push_pure(&mut self, inst: Inst) -> Value {
        if self.forward
            && let Some(value) = self.seen.find(&inst, &self.insts)
        {
            return value;
        }
        self.push(inst)
    }

    /// Whether the comparison holds, if that is known; else what to compare.
    fn comparison(&mut self, compare: Compare, a: Value, b: Value) -> Result<bool, (Compare, Value, Value)> {
        let (mut compare, mut a, mut b) = (compare, a, b);
        for _ in 0..STEPS {
            let mut simpler = Comparison::Same;
            if self.fold {
                simpler = fold::comparison(self, compare, a, b);
            }
            if self.known_bits && matches!(simpler, Comparison::Same) {
                simpler = known_bits::comparison(compare, self.bits(a), self.bits(b));
            }
            match simpler {
                Comparison::Same => break,
                Comparison::Known(holds) => return Ok(holds),
                Comparison::Of(new, x, y) => (compare, a, b) = (new, x, y),
                Comparison::WithConst(new, x, number) => {
                    (compare, a, b) = (new, x, self.push_pure(Inst::Const(number)));
                }
            }
        }
        Err((compare, a, b))
    }

    /// Writes an instruction, whose operands are new values, or what it comes to.
    fn rewrite(&mut self, inst: Inst) -> Value {
        match inst {
            Inst::Get(slot) if self.forward => self.slots.get(slot).unwrap_or_else(|| {
                let value = self.push(inst);
                self.slots.set(slot, value);
                value
            }),
            Inst::Set(slot, value) if self.forward => {
                if self.slots.get(slot) != Some(value) {
                    self.slots.set(slot, value);
                    self.push(inst);
                }
                NOTHING
            }
            Inst::ExitIf { compare, a, b, at } => {
                match self.comparison(compare, a, b) {
                    Ok(false) => {}
                    // Always left: as it was, which is rare.
                    Ok(true) => drop(self.push(inst)),
                    Err((compare, a, b)) => {
                        if !self.forward || !self.passed.contains(&(compare, a, b)) {
                            self.passed.push((compare, a, b));
                            self.push(Inst::ExitIf { compare, a, b, at });
                        }
                    }
                }
                NOTHING
            }
            Inst::Store {
                width,
                addr,
                value,
                via,
                at,
            } if self.fold => {
                let value = fold::low(self, value, width);
                self.push(Inst::Store {
                    width,
                    addr,
                    value,
                    via,
                    at,
                });
                NOTHING
            }
            _ if is_pure(&inst) => self.rewrite_pure(inst),
            _ => self.push(inst),
        }
    }

    fn rewrite_pure(&mut self, mut inst: Inst) -> Value {
        for _ in 0..STEPS {
            let mut simpler = Simpler::Same;
            if let Inst::Compare(compare, a, b) = inst {
                match self.comparison(compare, a, b) {
                    Ok(holds) => simpler = Simpler::Const(holds.into()),
                    Err((compare, a, b)) => inst = Inst::Compare(compare, a, b),
                }
            } else if self.fold {
                simpler = fold::simpler(self, &inst);
            }
            if self.known_bits && matches!(simpler, Simpler::Same) {
                simpler = known_bits::simpler(self, &inst);
            }
            match simpler {
                Simpler::Same => break,
                Simpler::Value(value) => return value,
                Simpler::Const(number) => inst = Inst::Const(number),
                Simpler::Of(new) => inst = new,
                Simpler::WithConst(op, a, number) => {
                    let number = self.push_pure(Inst::Const(number));
                    inst = Inst::Binary(op, a, number);
                }
                Simpler::WordWithConst(op, a, number) => {
                    let number = self.push_pure(Inst::Const(number));
                    let word = self.push_pure(Inst::Binary(op, a, number));
                    inst = Inst::Unary(UnaryOp::Sext(Width::W32), word);
                }
            }
        }
        self.push_pure(inst)
    }
}
