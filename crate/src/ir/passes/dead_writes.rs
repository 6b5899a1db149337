//! Dead writes: takes out writes of slots that are written again before anything can see them, and values nobody uses.
//!
//! Wherever a region can be left, all slots are seen: at ends that leave, where a block polls, and at every instruction
//! with a point.

use crate::ir::{Block, Inst, Region, SlotSet, Terminator, Value};

/// Takes out what is not needed.
pub(super) fn run(region: &mut Region) {
    // What each block writes before anything can see what was there; nothing while that is not known. Cycles go through
    // blocks that poll, so one look from the last block to the first finds nearly all.
    let mut written_first = vec![SlotSet::default(); region.blocks.len()];
    let mut scratch = Scratch::default();
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
    /// Whether each value is used; after the walk, whether its instruction stays.
    needed: Vec<bool>,
    /// New numbers of values.
    map: Vec<Value>,
}

impl Scratch {
    /// Cleans a block after which the slots in `dead` are written before they are seen. Returns those of which that is so
    /// at its start.
    fn block(&mut self, block: &mut Block, mut dead: SlotSet) -> SlotSet {
        self.needed.clear();
        self.needed.resize(block.insts.len(), false);
        let needed = &mut self.needed;
        match block.end {
            Terminator::Branch { a, b, .. } => {
                needed[a.0 as usize] = true;
                needed[b.0 as usize] = true;
            }
            Terminator::ExitTo(value) => needed[value.0 as usize] = true,
            _ => {}
        }
        let mut gone = 0;
        for (index, inst) in block.insts.iter().enumerate().rev() {
            let stays = match *inst {
                Inst::Set(slot, _) => !dead.contains(slot),
                _ => needed[index] || inst.has_effect(),
            };
            needed[index] = stays;
            if !stays {
                gone += 1;
                continue;
            }
            match *inst {
                Inst::Set(slot, _) => dead.insert(slot),
                Inst::Get(slot) => dead.0 &= !(1 << slot.0),
                _ if inst.exit_point().is_some() => dead = SlotSet::default(),
                _ => {}
            }
            inst.operands(|value| needed[value.0 as usize] = true);
        }
        if gone > 0 {
            self.compact(block);
        }
        dead
    }

    /// Takes out what does not stay.
    fn compact(&mut self, block: &mut Block) {
        self.map.clear();
        let mut next = 0;
        for &stays in &self.needed {
            self.map.push(Value(next));
            next += u32::from(stays);
        }
        let map = &self.map;
        let mut stays = self.needed.iter();
        block.insts.retain_mut(|inst| {
            let stays = stays.next() == Some(&true);
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
