//! Locals: which slots are kept in locals of the compiled function.
//!
//! A slot in a local costs a load at the region's entry, and a store at its exit if anything writes it; a slot in memory
//! costs a load or a store at each read or write. So each read and write is weighed by how often its block runs for each
//! entry, as far as the graph tells: the sides of a branch share, and loops multiply.

use super::Level;
use crate::ir::{Inst, Region, SlotSet};

/// How often a loop is thought to go round.
const ROUNDS: f32 = 8.0;
/// Most that a block is thought to run.
const MOST: f32 = 1e6;
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

/// How often each slot is read or written for each time the region is entered, as far as the graph tells.
pub fn slot_uses(region: &Region) -> [f32; 128] {
    let weights = weights(region);
    let mut uses = [0.0f32; 128];
    for (block, weight) in region.blocks.iter().zip(&weights) {
        for inst in &block.insts {
            if let Inst::Get(slot) | Inst::Set(slot, _) = inst {
                uses[usize::from(slot.0)] += weight;
            }
        }
    }
    uses
}

/// Chooses the locals.
pub(super) fn run(region: &mut Region, level: Level) {
    let uses = slot_uses(region);
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
    let depths = depths(region);
    let mut weights = vec![0.0f32; region.blocks.len()];
    // Entries share: which one it is entered at is not known.
    for entry in &region.entries {
        weights[entry.0 as usize] = ROUNDS.powi(depths[entry.0 as usize]) / region.entries.len() as f32;
    }
    for (number, block) in region.blocks.iter().enumerate() {
        let both = block.end.successors().count() as f32;
        for to in block
            .end
            .successors()
            .map(|to| to.0 as usize)
            .filter(|&to| to > number)
        {
            // Going into a loop is going round it, and leaving it happens once.
            let rounds = ROUNDS.powi(depths[to] - depths[number]);
            weights[to] = (weights[to] + weights[number] / both * rounds).min(MOST);
        }
    }
    weights
}

/// How many loops each block is in: those that start at a block that polls, and reach to the last that goes back to it.
fn depths(region: &Region) -> Vec<i32> {
    let mut last = vec![None; region.blocks.len()];
    for (number, block) in region.blocks.iter().enumerate() {
        for to in block.end.successors().filter(|to| to.0 as usize <= number) {
            last[to.0 as usize] = Some(number);
        }
    }
    let mut depths = vec![0; region.blocks.len()];
    for (first, last) in last.iter().enumerate() {
        if let Some(last) = *last {
            depths[first..=last].iter_mut().for_each(|depth| *depth += 1);
        }
    }
    depths
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
  v0 = get x9
  set x10, v0
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
