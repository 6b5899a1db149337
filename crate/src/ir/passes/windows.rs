//! Windows: accesses near each other off one base share one check of the fast table.
//!
//! Within a block, accesses at `base + constant` whose bytes span little get one [`Inst::Window`] before the first of
//! them, and each then only asks whether that held. A window costs about as much as the check of one access; if its bytes
//! are in two pages, it never holds, so spans are kept short.

use super::Level;
use crate::ir::abi::Helper;
use crate::ir::{BinaryOp, Block, Inst, Region, Terminator, Value};

/// Most bytes that a window spans: where nothing is known of the base, it lies across two pages in one of so many cases
/// that it still pays.
const MOST_BYTES: u64 = 2048;

/// Accesses from which on a window pays.
fn least_accesses(level: Level) -> usize {
    match level {
        Level::Quick => 3,
        Level::Hot => 2,
    }
}

/// Finds windows in every block.
pub(super) fn run(region: &mut Region, level: Level) {
    let mut scratch = Scratch::default();
    for block in &mut region.blocks {
        scratch.block(block, least_accesses(level));
    }
}

/// Accesses off one base.
struct Group {
    /// `None` for constant addresses.
    base: Option<Value>,
    /// The first byte, as an offset from the base.
    low: i64,
    /// The byte after the last.
    high: i64,
    /// The instruction of the first access.
    first: u32,
    count: usize,
    write: bool,
    /// Where its window is in the new block.
    window: Option<Value>,
}

#[derive(Default)]
struct Scratch {
    groups: Vec<Group>,
    /// So many of them take no more accesses.
    closed: usize,
    /// Accesses: their instruction, group and offset.
    accesses: Vec<(u32, u32, i64)>,
    insts: Vec<Inst>,
    map: Vec<Value>,
}

/// Address, bytes and kind of an access that has no window yet.
fn access(inst: &Inst) -> Option<(Value, u64, bool)> {
    match *inst {
        Inst::Load {
            width,
            addr,
            via: None,
            ..
        } => Some((addr, width.bytes(), false)),
        Inst::Store {
            width,
            addr,
            via: None,
            ..
        } => Some((addr, width.bytes(), true)),
        _ => None,
    }
}

/// An address as a base and an offset.
fn split(insts: &[Inst], addr: Value) -> (Option<Value>, i64) {
    match insts[addr.0 as usize] {
        Inst::Const(number) => (None, number as i64),
        Inst::Binary(BinaryOp::Add, base, offset) => match insts[offset.0 as usize] {
            Inst::Const(number) => (Some(base), number as i64),
            _ => (Some(addr), 0),
        },
        _ => (Some(addr), 0),
    }
}

impl Scratch {
    fn block(&mut self, block: &mut Block, least: usize) {
        self.groups.clear();
        self.closed = 0;
        self.accesses.clear();
        for (index, inst) in block.insts.iter().enumerate() {
            if matches!(
                inst,
                Inst::Call {
                    helper: Helper::Control,
                    ..
                }
            ) {
                // What may be accessed may be something else from here on.
                self.closed = self.groups.len();
            }
            if let Some((addr, bytes, write)) = access(inst) {
                let (base, offset) = split(&block.insts, addr);
                self.add(index as u32, base, offset, bytes as i64, write);
            }
        }
        if self.groups.iter().any(|group| group.count >= least) {
            self.rebuild(block, least);
        }
    }

    fn add(&mut self, index: u32, base: Option<Value>, offset: i64, bytes: i64, write: bool) {
        let Some(end) = offset.checked_add(bytes) else {
            return;
        };
        // The last with this base: earlier ones are too far away, or it would have joined them.
        let open = self.groups.iter_mut().enumerate().skip(self.closed);
        let near = open.rev().find(|(_, group)| {
            let (low, high) = (group.low.min(offset), group.high.max(end));
            group.base == base
                && high
                    .checked_sub(low)
                    .is_some_and(|span| span as u64 <= MOST_BYTES)
        });
        let number = match near {
            Some((number, group)) => {
                group.low = group.low.min(offset);
                group.high = group.high.max(end);
                group.count += 1;
                group.write |= write;
                number
            }
            None => {
                self.groups.push(Group {
                    base,
                    low: offset,
                    high: end,
                    first: index,
                    count: 1,
                    write,
                    window: None,
                });
                self.groups.len() - 1
            }
        };
        self.accesses.push((index, number as u32, offset));
    }

    /// Writes the block anew, with the windows.
    fn rebuild(&mut self, block: &mut Block, least: usize) {
        self.insts.clear();
        self.map.clear();
        let mut accesses = self.accesses.iter().peekable();
        for (index, mut inst) in block.insts.drain(..).enumerate() {
            inst.operands_mut(|value| *value = self.map[value.0 as usize]);
            if let Some(&(_, number, offset)) = accesses.next_if(|access| access.0 as usize == index) {
                let group = &mut self.groups[number as usize];
                if group.count >= least {
                    if group.first as usize == index {
                        group.window = Some(window(group, &self.map, &mut self.insts));
                    }
                    if let (Some(window), Inst::Load { via, .. } | Inst::Store { via, .. }) =
                        (group.window, &mut inst)
                    {
                        *via = Some((window, (offset - group.low) as u32));
                    }
                }
            }
            self.map.push(Value(self.insts.len() as u32));
            self.insts.push(inst);
        }
        let map = |value: Value| self.map[value.0 as usize];
        match &mut block.end {
            Terminator::Branch { a, b, .. } => (*a, *b) = (map(*a), map(*b)),
            Terminator::ExitTo(value) => *value = map(*value),
            _ => {}
        }
        std::mem::swap(&mut block.insts, &mut self.insts);
    }
}

/// Pushes a group's window.
fn window(group: &Group, map: &[Value], insts: &mut Vec<Inst>) -> Value {
    let mut push = |inst| {
        insts.push(inst);
        Value(insts.len() as u32 - 1)
    };
    let addr = match group.base {
        Some(base) if group.low == 0 => map[base.0 as usize],
        Some(base) => {
            let low = push(Inst::Const(group.low as u64));
            push(Inst::Binary(BinaryOp::Add, map[base.0 as usize], low))
        }
        None => push(Inst::Const(group.low as u64)),
    };
    push(Inst::Window {
        addr,
        span: (group.high - group.low) as u32,
        write: group.write,
    })
}
