//! Locals: which slots are kept in locals of the compiled function.
//!
//! A slot in a local costs a load at the region's entry, and a store at its exit if anything writes it; a slot in memory
//! costs a load or a store at each read or write. So each read and write is weighed by how often its block runs for each
//! entry, as far as the graph tells: the sides of a branch share, and loops multiply.

use super::Level;
use crate::ir::{Inst, Region, SlotSet};

/// How often a loop is thought to go round.
const ROUNDS: f32 = 8.0;
/// What keeping a slot costs at entry and exit, in accesses to memory.
const COST_OF_READ: f32 = 1.0;
const COST_OF_WRITTEN: f32 = 2.0;

/// How much more than its cost a local must save: in code that is to be compiled fast each local is work too.
fn least_gain(level: Level) -> f32 {
    match level {
        Level::Quick => 0.5,
        Level::Hot => 0.0,
    }
}

/// Chooses the locals.
pub(super) fn run(region: &mut Region, level: Level) {
    let weights = weights(region);
    let mut uses = [0.0f32; 128];
    for (block, weight) in region.blocks.iter().zip(&weights) {
        for inst in &block.insts {
            if let Inst::Get(slot) | Inst::Set(slot, _) = inst {
                uses[usize::from(slot.0)] += weight;
            }
        }
    }
    let written = region.written();
    let mut used = SlotSet(0);
    for slot in SlotSet(u128::MAX).iter() {
        let cost = match written.contains(slot) {
            true => COST_OF_WRITTEN,
            false => COST_OF_READ,
        };
        if uses[usize::from(slot.0)] > cost + least_gain(level) {
            used.insert(slot);
        }
    }
    region.locals = used;
}

/// How often each block runs for each time the region is entered at its first entry.
fn weights(region: &Region) -> Vec<f32> {
    let mut weights = vec![0.0f32; region.blocks.len()];
    if let Some(entry) = region.entries.first() {
        weights[entry.0 as usize] = 1.0;
    }
    // Every edge that does not lead forward leads to a block that polls, which is where a loop starts.
    for (number, block) in region.blocks.iter().enumerate() {
        if block.poll {
            weights[number] = (weights[number] * ROUNDS).min(1e6);
        }
        let both = block.end.successors().count() as f32;
        for to in block.end.successors().filter(|to| to.0 as usize > number) {
            weights[to.0 as usize] += weights[number] / both;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{generate, text};

    #[test]
    fn what_loops_use_is_kept_and_what_is_used_once_is_not() {
        let mut region = text::parse(
            "region entry b0
b0 @0x100:
  v0 = get x5
  v1 = get x6
  v2 = add v0, v1
  set x7, v2
  jump b1 retires 1
b1 @0x104 poll:
  v0 = get x8
  v1 = const -1
  v2 = add v0, v1
  set x8, v2
  v4 = get x6
  branch ne v2, v4, b1, b2 retires 2
b2 @0x10c:
  exit 0x10c retires 0
",
            &generate::abi(8),
        )
        .unwrap();
        run(&mut region, Level::Hot);
        let kept: Vec<_> = region.locals.iter().map(|slot| slot.0).collect();
        assert_eq!(kept, [6, 8]);
    }
}
