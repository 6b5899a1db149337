//! Checks that a region is well-formed: what back ends rely on.

use super::{
    Abi, Block, BlockId, FloatOp, Inst, PointId, Precision, Region, Slot, Terminator, Type, UnaryOp, Value,
    Width, abi::Helper,
};

/// What is wrong with a region, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Malformed {
    /// Such as `b2, v5`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// Checks a region: operands are defined earlier in their block and have the right types; blocks, points and slots exist;
/// windows cover the accesses that go by them; every cycle of blocks has one that polls.
pub fn verify(region: &Region, abi: &Abi) -> Result<(), Malformed> {
    let whole = |what: String| Malformed {
        place: "the region".to_owned(),
        what,
    };
    if region.entries.is_empty() {
        return Err(whole("it has no entry".to_owned()));
    }
    for &entry in &region.entries {
        check_block(region, entry).map_err(|what| whole(format!("an entry: {what}")))?;
    }
    for slot in region.locals.iter() {
        check_slot(abi, slot).map_err(whole)?;
    }
    for (number, block) in region.blocks.iter().enumerate() {
        let checker = Checker { region, abi, block };
        for (index, inst) in block.insts.iter().enumerate() {
            checker.inst(inst, index).map_err(|what| Malformed {
                place: format!("b{number}, v{index}"),
                what,
            })?;
        }
        checker.end().map_err(|what| Malformed {
            place: format!("b{number}, its end"),
            what,
        })?;
    }
    match cycle_without_poll(region) {
        Some(block) => Err(Malformed {
            place: format!("b{}", block.0),
            what: "it is on a cycle where no block polls".to_owned(),
        }),
        None => Ok(()),
    }
}

/// The types of a [`FloatOp`]'s operands and how many of them it has.
pub fn float_operands(op: FloatOp, precision: Precision) -> (Type, usize) {
    match op {
        FloatOp::Fma => (precision.ty(), 3),
        FloatOp::Sqrt | FloatOp::ToI32 | FloatOp::ToI64 => (precision.ty(), 1),
        FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 | FloatOp::FromU64 => (Type::I64, 1),
        FloatOp::Widen => (Type::I64, 1),
        FloatOp::Narrow => (Type::F64, 1),
        FloatOp::Other => (Type::I64, 3),
        _ => (precision.ty(), 2),
    }
}

fn check_slot(abi: &Abi, slot: Slot) -> Result<(), String> {
    match abi.slots.get(usize::from(slot.0)) {
        Some(_) if slot.0 < 128 => Ok(()),
        _ => Err(format!("there is no slot {}", slot.0)),
    }
}

fn check_block(region: &Region, block: BlockId) -> Result<(), String> {
    match region.blocks.get(block.0 as usize) {
        Some(_) => Ok(()),
        None => Err(format!("there is no block b{}", block.0)),
    }
}

struct Checker<'a> {
    region: &'a Region,
    abi: &'a Abi,
    block: &'a Block,
}

impl Checker<'_> {
    /// Checks that `value` is defined before `index` and of a type.
    fn operand(&self, value: Value, index: usize, wanted: Type) -> Result<(), String> {
        match self.ty(value, index)? {
            found if found == wanted => Ok(()),
            found => Err(format!("v{} is of type {found:?}, not {wanted:?}", value.0)),
        }
    }

    fn ty(&self, value: Value, index: usize) -> Result<Type, String> {
        let number = value.0 as usize;
        if number >= index {
            return Err(format!("v{number} is not defined before"));
        }
        self.block.insts[number]
            .ty(&self.block.insts, self.abi)
            .ok_or_else(|| format!("v{number} has no value"))
    }

    fn point(&self, at: PointId) -> Result<(), String> {
        let point = self
            .region
            .points
            .get(at.0 as usize)
            .ok_or_else(|| format!("there is no point {}", at.0))?;
        let interpreted = matches!(self.block.end, Terminator::Interpret(_));
        if point.done > self.block.retired && !interpreted {
            let all = self.block.retired;
            return Err(format!("its point is after {} of {all} instructions", point.done));
        }
        Ok(())
    }

    fn via(&self, via: Option<(Value, u32)>, index: usize, width: Width, store: bool) -> Result<(), String> {
        let Some((window, offset)) = via else {
            return Ok(());
        };
        match self.block.insts[..index].get(window.0 as usize) {
            Some(Inst::Window { span, write, .. }) => {
                if u64::from(offset) + width.bytes() > u64::from(*span) {
                    Err(format!("the access is not within v{}", window.0))
                } else if store && !write {
                    Err(format!("v{} is for loads only", window.0))
                } else {
                    Ok(())
                }
            }
            _ => Err(format!("v{} is no window before it", window.0)),
        }
    }

    fn inst(&self, inst: &Inst, index: usize) -> Result<(), String> {
        let int = |value| self.operand(value, index, Type::I64);
        if let Some(at) = inst.exit_point() {
            self.point(at)?;
        }
        match *inst {
            Inst::Const(_) => Ok(()),
            Inst::Get(slot) => check_slot(self.abi, slot),
            Inst::Set(slot, value) => {
                check_slot(self.abi, slot)?;
                self.operand(value, index, self.abi.slot(slot).ty)
            }
            Inst::Binary(_, a, b) | Inst::Compare(_, a, b) | Inst::ExitIf { a, b, .. } => {
                int(a).and_then(|()| int(b))
            }
            Inst::Unary(UnaryOp::Sext(Width::W64) | UnaryOp::Zext(Width::W64), _) => {
                Err("64 bits cannot be extended".to_owned())
            }
            Inst::Unary(UnaryOp::ToBits, a) => self.operand(a, index, Type::F64),
            Inst::Unary(_, a) | Inst::LoadForUpdate { addr: a, .. } => int(a),
            Inst::Select(condition, a, b) => {
                int(condition)?;
                self.operand(b, index, self.ty(a, index)?)
            }
            Inst::Load { width, addr, via, .. } => {
                int(addr)?;
                self.via(via, index, width, false)
            }
            Inst::Store {
                width,
                addr,
                value,
                via,
                ..
            } => {
                int(addr)?;
                int(value)?;
                self.via(via, index, width, true)
            }
            Inst::Window { addr, span, .. } => match span {
                1..=4096 => int(addr),
                _ => Err(format!("its span is {span}, not 1 to 4096")),
            },
            Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                ..
            } => {
                let (ty, count) = float_operands(op, precision);
                for (number, operand) in [a, b, c].into_iter().enumerate() {
                    if number < count {
                        self.operand(operand, index, ty)?;
                    } else if operand != a {
                        return Err(format!(
                            "operand {number}, which it has not, is not the first again"
                        ));
                    }
                }
                let wrong = match op {
                    FloatOp::Widen => precision == Precision::Single,
                    FloatOp::Narrow => precision == Precision::Double,
                    _ => false,
                };
                match wrong {
                    true => Err("its precision is not that of its result".to_owned()),
                    false => Ok(()),
                }
            }
            Inst::Call { helper, args, .. } => {
                if helper == Helper::Float {
                    return Err("the floating-point helper is not for calls".to_owned());
                }
                args.into_iter().try_for_each(int)
            }
        }
    }

    fn end(&self) -> Result<(), String> {
        let int = |value| self.operand(value, self.block.insts.len(), Type::I64);
        match self.block.end {
            Terminator::Jump(_) | Terminator::Exit(_) => {}
            Terminator::Branch { a, b, .. } => int(a).and_then(|()| int(b))?,
            Terminator::ExitTo(value) => int(value)?,
            Terminator::Interpret(at) => self.point(at)?,
        }
        self.block
            .end
            .successors()
            .try_for_each(|to| check_block(self.region, to))
    }
}

/// A block on a cycle of blocks that do not poll.
fn cycle_without_poll(region: &Region) -> Option<BlockId> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; region.blocks.len()];
    let mut stack = Vec::new();
    for start in (0..region.blocks.len() as u32).map(BlockId) {
        stack.push((start, false));
        while let Some((id, leaving)) = stack.pop() {
            let index = id.0 as usize;
            if leaving {
                seen[index] = Seen::Done;
                continue;
            }
            if region.blocks[index].poll || seen[index] == Seen::Done {
                continue;
            }
            if seen[index] == Seen::Open {
                // On the stack twice before it was opened; an open block met as a successor is found below.
                continue;
            }
            seen[index] = Seen::Open;
            stack.push((id, true));
            for to in region.blocks[index].end.successors() {
                if region.blocks[to.0 as usize].poll {
                    continue;
                }
                if seen[to.0 as usize] == Seen::Open {
                    return Some(to);
                }
                stack.push((to, false));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{BinaryOp, Compare, Point, generate};

    fn block(insts: Vec<Inst>, end: Terminator) -> Region {
        let block = Block {
            pc: 0x8000_0000,
            poll: false,
            insts,
            retired: 1,
            end,
        };
        Region {
            blocks: vec![block],
            entries: vec![BlockId(0)],
            points: vec![Point {
                pc: 0x8000_0000,
                done: 0,
            }],
            ..Region::default()
        }
    }

    fn complaint(region: &Region) -> String {
        verify(region, &generate::abi(8)).unwrap_err().to_string()
    }

    #[test]
    fn says_what_is_wrong() {
        let out = Terminator::Exit(0);
        let add = Inst::Binary(BinaryOp::Add, Value(0), Value(1));
        assert_eq!(
            complaint(&block(vec![Inst::Const(1), add], out)),
            "b0, v1: v1 is not defined before"
        );
        let f0 = Inst::Get(Slot(32));
        let sum = Inst::Binary(BinaryOp::Add, Value(0), Value(0));
        assert_eq!(
            complaint(&block(vec![f0, sum], out)),
            "b0, v1: v0 is of type F64, not I64"
        );
        let set = Inst::Set(Slot(5), Value(0));
        let again = Inst::Set(Slot(5), Value(1));
        assert_eq!(
            complaint(&block(vec![Inst::Const(1), set, again], out)),
            "b0, v2: v1 has no value"
        );
        assert_eq!(
            complaint(&block(vec![Inst::Get(Slot(99))], out)),
            "b0, v0: there is no slot 99"
        );
        assert_eq!(
            complaint(&block(vec![], Terminator::Interpret(PointId(3)))),
            "b0, its end: there is no point 3"
        );
        assert_eq!(
            complaint(&block(vec![], Terminator::Jump(BlockId(9)))),
            "b0, its end: there is no block b9"
        );
        assert_eq!(
            complaint(&block(vec![], Terminator::Jump(BlockId(0)))),
            "b0: it is on a cycle where no block polls"
        );
    }

    #[test]
    fn windows_must_cover() {
        let window = |write| Inst::Window {
            addr: Value(0),
            span: 16,
            write,
        };
        let load = |offset| Inst::Load {
            width: Width::W64,
            addr: Value(0),
            via: Some((Value(1), offset)),
            at: PointId(0),
        };
        let out = Terminator::Exit(0);
        let abi = generate::abi(8);
        assert_eq!(
            verify(&block(vec![Inst::Const(0), window(false), load(8)], out), &abi),
            Ok(())
        );
        assert_eq!(
            complaint(&block(vec![Inst::Const(0), window(false), load(9)], out)),
            "b0, v2: the access is not within v1"
        );
        let store = Inst::Store {
            width: Width::W8,
            addr: Value(0),
            value: Value(0),
            via: Some((Value(1), 0)),
            at: PointId(0),
        };
        assert_eq!(
            complaint(&block(vec![Inst::Const(0), window(false), store], out)),
            "b0, v2: v1 is for loads only"
        );
        assert_eq!(
            verify(&block(vec![Inst::Const(0), window(true), store], out), &abi),
            Ok(())
        );
    }

    #[test]
    fn long_cycles_are_found() {
        let mut region = block(vec![Inst::Const(0)], Terminator::Jump(BlockId(1)));
        let blank = region.blocks[0].clone();
        for to in [2, 3, 1] {
            region.blocks.push(Block {
                end: Terminator::Branch {
                    compare: Compare::Eq,
                    a: Value(0),
                    b: Value(0),
                    yes: BlockId(to),
                    no: BlockId(4),
                },
                ..blank.clone()
            });
        }
        region.blocks.push(Block {
            end: Terminator::Exit(0),
            ..blank
        });
        assert!(complaint(&region).ends_with("no block polls"));
        region.blocks[2].poll = true;
        assert_eq!(verify(&region, &generate::abi(8)), Ok(()));
    }
}
