//! What a region does, said plainly: the reference that passes and back ends are held against. Not for running guests.

use super::{
    Block, BlockId, FloatOp, Inst, Leave, PointId, Region, Terminator, Value, Width,
    abi::{Helper, width_code},
    eval,
};

/// The guest's state, as far as a region knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The slots' bits, by number.
    pub slots: Vec<u64>,
    /// Instructions retired.
    pub retired: u64,
    /// The count of retired instructions at which to return.
    pub run_until: u64,
    /// Whether the inexact flag is set.
    pub inexact: bool,
    /// The dynamic rounding mode.
    pub rounding: u8,
}

/// Memory and helpers.
pub trait World {
    /// The bytes at `addr` if the fast table allows all of them to be loaded from (or stored to, too, if `write`).
    fn fast(&mut self, addr: u64, bytes: u64, write: bool) -> Option<&mut [u8]>;

    /// Calls a helper; `None` if it traps.
    fn help(&mut self, state: &mut State, helper: Helper, args: [u64; 3], code: u32) -> Option<u64>;
}

/// How a region was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Why.
    pub leave: Leave,
    /// Where execution goes on, or the instruction that stopped.
    pub pc: u64,
    /// The point, for `Interpret` and `Stopped`. Its instructions done are in the state's `retired` already.
    pub point: Option<PointId>,
}

/// Why a region could not be run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// It went round for too long.
    #[error("the region was not left within the blocks that were allowed")]
    Endless,
    /// An access goes by a window at another address than its own.
    #[error("v{inst} of b{block} goes by a window to {by:#x}, but its address is {addr:#x}")]
    Astray {
        /// The block.
        block: u32,
        /// The access.
        inst: u32,
        /// By the window.
        by: u64,
        /// By its address.
        addr: u64,
    },
}

/// Runs a region, which must be well-formed ([`super::verify`]), from one of its entries; at most `blocks` blocks.
pub fn run(
    region: &Region,
    entry: usize,
    state: &mut State,
    world: &mut impl World,
    blocks: u64,
) -> Result<Left, RunError> {
    let mut id = region.entries[entry];
    for _ in 0..blocks {
        let block = region.block(id);
        if block.poll && state.retired >= state.run_until {
            return Ok(Left {
                leave: Leave::Budget,
                pc: block.pc,
                point: None,
            });
        }
        let mut frame = Frame {
            region,
            id,
            block,
            values: Vec::with_capacity(block.insts.len()),
        };
        match frame.block(state, world)? {
            Next::Block(to) => id = to,
            Next::Left(left) => return Ok(left),
        }
    }
    Err(RunError::Endless)
}

enum Next {
    Block(BlockId),
    Left(Left),
}

/// A block being run.
struct Frame<'a> {
    region: &'a Region,
    id: BlockId,
    block: &'a Block,
    /// What each instruction made; 0 where it makes nothing. A window's is 1 if accesses may go by it.
    values: Vec<u64>,
}

impl Frame<'_> {
    fn get(&self, value: Value) -> u64 {
        self.values[value.0 as usize]
    }

    fn leave(&self, state: &mut State, leave: Leave, at: PointId) -> Next {
        let point = self.region.point(at);
        state.retired += u64::from(point.done);
        Next::Left(Left {
            leave,
            pc: point.pc,
            point: Some(at),
        })
    }

    fn block(&mut self, state: &mut State, world: &mut impl World) -> Result<Next, RunError> {
        for inst in &self.block.insts {
            match self.inst(inst, state, world)? {
                Made::Value(value) => self.values.push(value),
                Made::Trap(at) => return Ok(self.leave(state, Leave::Stopped, at)),
                Made::Exit(at) => return Ok(self.leave(state, Leave::Interpret, at)),
            }
        }
        if let Terminator::Interpret(at) = self.block.end {
            return Ok(self.leave(state, Leave::Interpret, at));
        }
        state.retired += u64::from(self.block.retired);
        let next = |pc| {
            Next::Left(Left {
                leave: Leave::Next,
                pc,
                point: None,
            })
        };
        Ok(match self.block.end {
            Terminator::Jump(to) => Next::Block(to),
            Terminator::Branch {
                compare,
                a,
                b,
                yes,
                no,
            } => Next::Block(if compare.holds(self.get(a), self.get(b)) {
                yes
            } else {
                no
            }),
            Terminator::Exit(pc) => next(pc),
            Terminator::ExitTo(value) => next(self.get(value)),
            Terminator::Interpret(_) => unreachable!("left above"),
        })
    }

    /// The bytes of an access that may be done without a helper.
    fn bytes<'w>(
        &self,
        world: &'w mut impl World,
        addr: u64,
        width: Width,
        via: Option<(Value, u32)>,
        write: bool,
    ) -> Result<Option<&'w mut [u8]>, RunError> {
        if let Some((window, offset)) = via
            && let Inst::Window { addr: start, .. } = self.block.insts[window.0 as usize]
            && self.get(window) != 0
        {
            let by = self.get(start).wrapping_add(offset.into());
            if by != addr {
                return Err(RunError::Astray {
                    block: self.id.0,
                    inst: self.values.len() as u32,
                    by,
                    addr,
                });
            }
        }
        Ok(world.fast(addr, width.bytes(), write))
    }

    fn inst(&self, inst: &Inst, state: &mut State, world: &mut impl World) -> Result<Made, RunError> {
        let value = match *inst {
            Inst::Const(number) => number,
            Inst::Get(slot) => state.slots[usize::from(slot.0)],
            Inst::Set(slot, value) => {
                state.slots[usize::from(slot.0)] = self.get(value);
                0
            }
            Inst::Binary(op, a, b) => eval::binary(op, self.get(a), self.get(b)),
            Inst::Unary(op, a) => eval::unary(op, self.get(a)),
            Inst::Compare(compare, a, b) => compare.holds(self.get(a), self.get(b)).into(),
            Inst::Select(condition, a, b) => self.get(if self.get(condition) != 0 { a } else { b }),
            Inst::Load { width, addr, via, at } => {
                let addr = self.get(addr);
                match self.bytes(world, addr, width, via, false)? {
                    Some(bytes) => load(bytes),
                    None => return Ok(helped(world, state, Helper::Load, [addr, 0, 0], width, at)),
                }
            }
            Inst::Store {
                width,
                addr,
                value,
                via,
                at,
            } => {
                let (addr, value) = (self.get(addr), self.get(value));
                match self.bytes(world, addr, width, via, true)? {
                    Some(bytes) => bytes.copy_from_slice(&value.to_le_bytes()[..width.bytes() as usize]),
                    None => return Ok(helped(world, state, Helper::Store, [addr, value, 0], width, at)),
                }
                0
            }
            Inst::LoadForUpdate { width, addr, at } => {
                let addr = self.get(addr);
                let aligned = addr.is_multiple_of(width.bytes());
                match world.fast(addr, width.bytes(), true) {
                    Some(bytes) if aligned => load(bytes),
                    _ => {
                        return Ok(helped(
                            world,
                            state,
                            Helper::LoadForUpdate,
                            [addr, 0, 0],
                            width,
                            at,
                        ));
                    }
                }
            }
            Inst::Window { addr, span, write } => world
                .fast(self.get(addr), u64::from(span), write)
                .is_some()
                .into(),
            Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                code,
            } => {
                let operands = [a, b, c].map(|operand| self.get(operand));
                let ready = state.inexact && state.rounding == 0;
                let fast = match op {
                    FloatOp::Other => None,
                    _ => eval::float(op, precision, operands, ready),
                };
                fast.or_else(|| world.help(state, Helper::Float, operands, code))
                    .unwrap_or_default()
            }
            Inst::Call {
                helper,
                args: [a, b],
                code,
                at,
            } => match world.help(state, helper, [self.get(a), self.get(b), 0], code) {
                Some(value) => value,
                None => return Ok(Made::Trap(at)),
            },
            Inst::ExitIf { compare, a, b, at } => match compare.holds(self.get(a), self.get(b)) {
                true => return Ok(Made::Exit(at)),
                false => 0,
            },
        };
        Ok(Made::Value(value))
    }
}

/// What became of an instruction.
enum Made {
    Value(u64),
    Trap(PointId),
    Exit(PointId),
}

/// A number from the bytes of memory.
fn load(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn helped(
    world: &mut impl World,
    state: &mut State,
    helper: Helper,
    args: [u64; 3],
    width: Width,
    at: PointId,
) -> Made {
    match world.help(state, helper, args, width_code(width)) {
        Some(value) => Made::Value(value),
        None => Made::Trap(at),
    }
}
