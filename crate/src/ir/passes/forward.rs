//! Forward: within a block, a slot that was read or written is not read again, and nothing is computed twice.

use crate::ir::{Inst, Slot, Value};

/// No value.
const NONE: u32 = u32::MAX;

/// What is in each slot, as far as the block has shown.
#[derive(Debug)]
pub(super) struct Slots([u32; 128]);

impl Default for Slots {
    fn default() -> Self {
        Self([NONE; 128])
    }
}

impl Slots {
    pub fn clear(&mut self) {
        self.0.fill(NONE);
    }

    pub fn get(&self, slot: Slot) -> Option<Value> {
        Some(self.0[usize::from(slot.0 & 127)])
            .filter(|&value| value != NONE)
            .map(Value)
    }

    pub fn set(&mut self, slot: Slot, value: Value) {
        self.0[usize::from(slot.0 & 127)] = value.0;
    }
}

/// Number of places in the table; a power of two.
const PLACES: usize = 256;
/// Places that are looked at for one instruction.
const WAYS: usize = 4;

/// Instructions of the block by what they compute. One that finds no place pushes another out: that costs a repetition.
#[derive(Debug)]
pub(super) struct Seen(Box<[u32; PLACES]>);

impl Default for Seen {
    fn default() -> Self {
        Self(Box::new([NONE; PLACES]))
    }
}

impl Seen {
    pub fn clear(&mut self) {
        self.0.fill(NONE);
    }

    /// The value of an equal instruction before, among the block's so far. If there is none, the next one to be pushed
    /// is remembered as `inst`.
    pub fn find(&mut self, inst: &Inst, insts: &[Inst]) -> Option<Value> {
        let start = hash(inst);
        for way in 0..WAYS {
            let place = &mut self.0[(start + way) % PLACES];
            if *place == NONE {
                *place = insts.len() as u32;
                return None;
            }
            if insts.get(*place as usize) == Some(inst) {
                return Some(Value(*place));
            }
        }
        self.0[start % PLACES] = insts.len() as u32;
        None
    }
}

fn hash(inst: &Inst) -> usize {
    let (kind, a, b, c): (u64, u64, u64, u64) = match *inst {
        Inst::Const(number) => (1, number, 0, 0),
        Inst::Binary(op, a, b) => (2 + ((op as u64) << 8), a.0.into(), b.0.into(), 0),
        Inst::Unary(_, a) => (3, a.0.into(), 0, 0),
        Inst::Compare(compare, a, b) => (4 + ((compare as u64) << 8), a.0.into(), b.0.into(), 0),
        Inst::Select(a, b, c) => (5, a.0.into(), b.0.into(), c.0.into()),
        Inst::Window { addr, span, .. } => (6, addr.0.into(), span.into(), 0),
        _ => (0, 0, 0, 0),
    };
    let mixed = (kind ^ a.rotate_left(16) ^ b.rotate_left(32) ^ c.rotate_left(48))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize
}

/// Whether equal instructions make equal values wherever in a block they stand, and do nothing else.
pub(super) fn is_pure(inst: &Inst) -> bool {
    matches!(
        inst,
        Inst::Const(_)
            | Inst::Binary(..)
            | Inst::Unary(..)
            | Inst::Compare(..)
            | Inst::Select(..)
            | Inst::Window { .. }
    )
}
