//! Straighten: blocks that always follow each other become one, small blocks are repeated at the end of those that jump
//! to them, jumps to jumps go on at once, and blocks that nothing reaches are taken out.
//!
//! A block that polls stays as it is: something goes back to it.

use crate::ir::{Block, BlockId, Inst, Point, Region, Terminator, Value};

/// Most instructions of a block that is repeated.
const SMALL: usize = 6;
/// Most instructions of the result, so that one block is not repeated without end.
const LONGEST: usize = 4096;

/// Straightens a region. True if a block now ends in a branch that was another's: more may be known of it there.
pub(super) fn run(region: &mut Region) -> bool {
    let mut joined = false;
    thread_jumps(region);
    let mut arrivals = arrivals(region);
    for number in 0..region.blocks.len() {
        // Each block once at most: a cycle of jumps without a poll does not happen, but must not hang us.
        for _ in 0..region.blocks.len() {
            let Terminator::Jump(to) = region.blocks[number].end else {
                break;
            };
            let target = region.block(to);
            if to.0 as usize == number || target.poll {
                break;
            }
            let alone = arrivals[to.0 as usize] == 1;
            let length = region.blocks[number].insts.len() + target.insts.len();
            if !alone && (target.insts.len() > SMALL || leads_on(target)) || length > LONGEST {
                break;
            }
            append(region, number, to);
            joined |= matches!(
                region.blocks[number].end,
                Terminator::Branch { .. } | Terminator::ExitTo(_)
            );
            if alone {
                // Its edges are the merged block's now; what is left of it is taken out below.
                arrivals[to.0 as usize] = 0;
                let empty = &mut region.blocks[to.0 as usize];
                empty.insts.clear();
                empty.end = Terminator::Exit(empty.pc);
            } else {
                arrivals[to.0 as usize] -= 1;
                for next in region.blocks[number].end.successors() {
                    arrivals[next.0 as usize] += 1;
                }
            }
        }
    }
    drop_unreachable(region);
    drop_unused_points(region);
    joined
}

/// Whether a block is better shared than repeated: it compares and goes on at two others, which repeating would
/// give another way in.
fn leads_on(block: &Block) -> bool {
    matches!(block.end, Terminator::Branch { .. }) && block.insts.len() > SMALL / 2
}

/// How many edges lead to each block; being an entry counts as two.
fn arrivals(region: &Region) -> Vec<u32> {
    let mut arrivals = vec![0; region.blocks.len()];
    for entry in &region.entries {
        arrivals[entry.0 as usize] += 2;
    }
    for to in region.blocks.iter().flat_map(|block| block.end.successors()) {
        arrivals[to.0 as usize] += 1;
    }
    arrivals
}

/// Edges to blocks that do nothing but jump lead to where those jump.
fn thread_jumps(region: &mut Region) {
    for number in 0..region.blocks.len() {
        let goes_on_at = |mut at: BlockId| {
            for _ in 0..region.blocks.len() {
                let block = region.block(at);
                match block.end {
                    Terminator::Jump(to) if block.insts.is_empty() && block.retired == 0 && !block.poll => {
                        at = to;
                    }
                    _ => break,
                }
            }
            at
        };
        let end = match region.blocks[number].end {
            Terminator::Jump(to) => Terminator::Jump(goes_on_at(to)),
            Terminator::Branch {
                compare,
                a,
                b,
                yes,
                no,
            } => {
                let (yes, no) = (goes_on_at(yes), goes_on_at(no));
                match yes == no {
                    true => Terminator::Jump(yes),
                    false => Terminator::Branch {
                        compare,
                        a,
                        b,
                        yes,
                        no,
                    },
                }
            }
            other => other,
        };
        region.blocks[number].end = end;
    }
}

/// Puts what block `from` does, which block `number` jumps to, at its end.
fn append(region: &mut Region, number: usize, from: BlockId) {
    let tail = region.blocks[from.0 as usize].clone();
    let points = &mut region.points;
    let block = &mut region.blocks[number];
    let first = block.insts.len() as u32;
    let before = block.retired;
    let mut moved = |at| {
        let Point { pc, done } = points[at as usize];
        points.push(Point {
            pc,
            done: done + before,
        });
        points.len() as u32 - 1
    };
    let later = |value: &mut Value| value.0 += first;
    block.insts.extend(tail.insts.iter().map(|&inst| {
        let mut inst: Inst = inst;
        inst.operands_mut(later);
        if let Some(at) = inst.exit_point_mut() {
            at.0 = moved(at.0);
        }
        inst
    }));
    block.retired += tail.retired;
    block.end = tail.end;
    match &mut block.end {
        Terminator::Branch { a, b, .. } => {
            later(a);
            later(b);
        }
        Terminator::ExitTo(value) => later(value),
        Terminator::Interpret(at) => at.0 = moved(at.0),
        Terminator::Jump(_) | Terminator::Exit(_) => {}
    }
}

/// Takes out blocks that cannot be reached; the others stay in their order.
fn drop_unreachable(region: &mut Region) {
    let mut reached = vec![false; region.blocks.len()];
    let mut waiting = region.entries.clone();
    while let Some(id) = waiting.pop() {
        if !std::mem::replace(&mut reached[id.0 as usize], true) {
            waiting.extend(region.block(id).end.successors());
        }
    }
    let mut next = 0;
    let numbers: Vec<BlockId> = reached
        .iter()
        .map(|&reached| {
            let number = BlockId(next);
            next += u32::from(reached);
            number
        })
        .collect();
    let mut reached = reached.iter();
    region.blocks.retain(|_| reached.next() == Some(&true));
    let renumber = |id: &mut BlockId| *id = numbers[id.0 as usize];
    region.entries.iter_mut().for_each(renumber);
    for block in &mut region.blocks {
        match &mut block.end {
            Terminator::Jump(to) => renumber(to),
            Terminator::Branch { yes, no, .. } => {
                renumber(yes);
                renumber(no);
            }
            _ => {}
        }
    }
}

/// Takes out points that nothing names.
fn drop_unused_points(region: &mut Region) {
    const UNUSED: u32 = u32::MAX;
    let mut numbers = vec![UNUSED; region.points.len()];
    let mut points = Vec::with_capacity(region.points.len());
    for block in &mut region.blocks {
        let end = match &mut block.end {
            Terminator::Interpret(at) => Some(at),
            _ => None,
        };
        for at in block.insts.iter_mut().filter_map(Inst::exit_point_mut).chain(end) {
            let number = &mut numbers[at.0 as usize];
            if *number == UNUSED {
                *number = points.len() as u32;
                points.push(region.points[at.0 as usize]);
            }
            at.0 = *number;
        }
    }
    region.points = points;
}
