//! Dead writes: takes out writes of slots that are written again before anything can see them, and values nobody uses.
//!
//! Wherever a region can be left, all slots are seen: at ends that leave, where a block polls, and at every instruction
//! with a point.
//!
//! On the way the pass *demand* finds which bits of each value anybody looks at, and takes out extensions and masks that
//! change only others: of a chain of operations on words, only what is left in a register is extended.

use crate::ir::{BinaryOp, Block, Inst, Region, SlotSet, Terminator, UnaryOp, Value, eval};

/// Takes out what is not needed; with `demand`, what is needed only for bits that nobody looks at, too.
pub(super) fn run(region: &mut Region, demand: bool) {
    // What each block writes before anything can see what was there; nothing while that is not known. Cycles go through
    // blocks that poll, so one look from the last block to the first finds nearly all.
    let mut written_first = vec![SlotSet::default(); region.blocks.len()];
    let mut scratch = Scratch {
        demand,
        ..Scratch::default()
    };
    for number in (0..region.blocks.len()).rev() {
        let block = &mut region.blocks[number];
        let mut successors = block.end.successors();
        let after = match (successors.next(), successors.next()) {
            (Some(one), None) => written_first[one.0 as usize],
            (Some(one), Some(other)) => {
                SlotSet(written_first[one.0 as usize].0 & written_first[other.0 as usize].0)
            }
            _ => SlotSet::default(),
        };
        let at_start = scratch.block(block, after);
        if !block.poll {
            written_first[number] = at_start;
        }
    }
}

#[derive(Default)]
struct Scratch {
    demand: bool,
    /// The bits of each value that are looked at; after the walk, not 0 where its instruction stays.
    needed: Vec<u64>,
    /// Values that are as good as another one: both.
    same: Vec<(Value, Value)>,
    /// New numbers of values.
    map: Vec<Value>,
}

/// The bits up to the highest of `mask`: where a carry into it may come from.
fn up_to(mask: u64) -> u64 {
    u64::MAX.checked_shr(mask.leading_zeros()).unwrap_or(0)
}

impl Scratch {
    /// Cleans a block after which the slots in `dead` are written before they are seen. Returns those of which that is so
    /// at its start.
    fn block(&mut self, block: &mut Block, mut dead: SlotSet) -> SlotSet {
        self.needed.clear();
        self.needed.resize(block.insts.len(), 0);
        self.same.clear();
        match block.end {
            Terminator::Branch { a, b, .. } => {
                self.needed[a.0 as usize] = u64::MAX;
                self.needed[b.0 as usize] = u64::MAX;
            }
            Terminator::ExitTo(value) => self.needed[value.0 as usize] = u64::MAX,
            _ => {}
        }
        let mut gone = 0;
        for index in (0..block.insts.len()).rev() {
            let inst = block.insts[index];
            let bits = self.needed[index];
            let stays = match inst {
                Inst::Set(slot, _) => !dead.contains(slot),
                _ => bits != 0 || inst.has_effect(),
            };
            if !stays {
                gone += 1;
                continue;
            }
            if let Some(same) = self.as_good(&block.insts, inst, bits) {
                self.needed[same.0 as usize] |= bits;
                self.needed[index] = 0;
                self.same.push((Value(index as u32), same));
                gone += 1;
                continue;
            }
            // That it stays is noted where nobody needs its value, too.
            self.needed[index] |= 1;
            match inst {
                Inst::Set(slot, _) => dead.insert(slot),
                Inst::Get(slot) => dead.0 &= !(1 << slot.0),
                _ if inst.exit_point().is_some() => dead = SlotSet::default(),
                _ => {}
            }
            self.need_operands(&block.insts, inst, bits);
        }
        if gone > 0 {
            self.compact(block);
        }
        dead
    }

    /// The operand that has the same `bits` as what `inst` makes of it.
    fn as_good(&self, insts: &[Inst], inst: Inst, bits: u64) -> Option<Value> {
        let kept = match inst {
            _ if !self.demand => return None,
            Inst::Unary(UnaryOp::Sext(width) | UnaryOp::Zext(width), x) => (eval::zext(width, u64::MAX), x),
            Inst::Binary(BinaryOp::And, x, mask) => match insts[mask.0 as usize] {
                Inst::Const(mask) => (mask, x),
                _ => return None,
            },
            _ => return None,
        };
        (bits & !kept.0 == 0).then_some(kept.1)
    }

    /// Notes which bits of its operands an instruction needs, of whose value `bits` are looked at.
    fn need_operands(&mut self, insts: &[Inst], inst: Inst, bits: u64) {
        use BinaryOp::{Add, And, Mul, Or, Rotr32, Shl, Shr, Sub, Xor};
        let number = |value: Value| match insts[value.0 as usize] {
            Inst::Const(number) => Some(number),
            _ => None,
        };
        // An operand stays even if none of its bits matters.
        let mut need = |value: Value, bits: u64| self.needed[value.0 as usize] |= bits | 1;
        if !self.demand {
            inst.operands(|value| need(value, u64::MAX));
            return;
        }
        match inst {
            Inst::Binary(Add | Sub | Mul, a, b) => {
                need(a, up_to(bits));
                need(b, up_to(bits));
            }
            Inst::Binary(And | Or | Xor, a, b) => {
                need(
                    a,
                    bits & if matches!(inst, Inst::Binary(And, ..)) {
                        number(b).unwrap_or(u64::MAX)
                    } else {
                        u64::MAX
                    },
                );
                need(b, bits);
            }
            Inst::Binary(op @ (Shl | Shr), a, b) => {
                match (op, number(b)) {
                    (Shl, Some(by)) => need(a, bits >> (by & 63)),
                    (Shl, None) => need(a, up_to(bits)),
                    (_, Some(by)) => need(a, bits << (by & 63)),
                    (_, None) => need(a, u64::MAX),
                }
                need(b, 63);
            }
            Inst::Binary(Rotr32, a, b) => {
                need(a, u64::from(u32::MAX));
                need(b, 31);
            }
            Inst::Unary(op @ (UnaryOp::Sext(width) | UnaryOp::Zext(width)), a) => {
                let kept = eval::zext(width, u64::MAX);
                let sign = if matches!(op, UnaryOp::Sext(_)) && bits & !kept != 0 {
                    kept ^ kept >> 1
                } else {
                    0
                };
                need(a, bits & kept | sign);
            }
            Inst::Select(which, a, b) => {
                need(which, u64::MAX);
                need(a, bits);
                need(b, bits);
            }
            Inst::Store {
                width,
                addr,
                value,
                via,
                ..
            } => {
                need(addr, u64::MAX);
                need(value, eval::zext(width, u64::MAX));
                if let Some((window, _)) = via {
                    need(window, u64::MAX);
                }
            }
            _ => inst.operands(|value| need(value, u64::MAX)),
        }
    }

    /// Takes out what does not stay.
    fn compact(&mut self, block: &mut Block) {
        self.map.clear();
        let mut next = 0;
        for &needed in &self.needed {
            self.map.push(Value(next));
            next += u32::from(needed != 0);
        }
        // From the first to the last, so that the other one is settled.
        for &(value, same) in self.same.iter().rev() {
            self.map[value.0 as usize] = self.map[same.0 as usize];
        }
        let map = &self.map;
        let mut needed = self.needed.iter();
        block.insts.retain_mut(|inst| {
            let stays = needed.next().is_some_and(|&bits| bits != 0);
            if stays {
                inst.operands_mut(|value| *value = map[value.0 as usize]);
            }
            stays
        });
        match &mut block.end {
            Terminator::Branch { a, b, .. } => {
                *a = map[a.0 as usize];
                *b = map[b.0 as usize];
            }
            Terminator::ExitTo(value) => *value = map[value.0 as usize],
            _ => {}
        }
    }
}
