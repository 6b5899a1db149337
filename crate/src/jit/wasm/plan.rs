//! Where a block's values live, and when they are computed.
//!
//! A value that is used once and whose making has no effect is written where it is used, as part of an expression. Others
//! are put into a local when it is their turn. A slot that is itself a local of the function serves as the place of what
//! was read from it, or will be written to it, as long as nothing else is written there.

use crate::ir::{Abi, Block, Inst, Slot, SlotSet, Terminator, Type, UnaryOp, Value, Width};

/// Nested expressions deeper than this are cut: emission recurses.
const DEEPEST: u32 = 48;

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: nobody uses it, or it makes nothing.
    None,
    /// A constant, written wherever it is used.
    Const(u64),
    /// Written where it is used.
    Inline,
    /// In a local of its own.
    Local,
    /// In the local of a slot.
    Slot(Slot),
    /// Where another value is.
    Same(Value),
}

/// What is decided for a block.
#[derive(Debug, Default)]
pub struct Plan {
    /// Each value's place.
    pub places: Vec<Place>,
    /// Each value's type in its local: of a load whose bits are only used as a double, that.
    pub types: Vec<Option<Type>>,
    /// The instruction at which each value is needed last; the block's length is its terminator.
    pub last: Vec<u32>,
    /// Loads that are sign-extended, as the only use of them.
    pub signed: Vec<bool>,
    /// Instructions that need not be written: `Set`s of a slot that its value is in already.
    pub done: Vec<bool>,
    /// Windows that only accesses use: held as pointers of 32 bits.
    pub pointers: Vec<bool>,
}

/// Operands of a terminator.
pub fn end_operands(end: &Terminator) -> impl Iterator<Item = Value> + use<> {
    let (first, second) = match *end {
        Terminator::Branch { a, b, .. } => (Some(a), Some(b)),
        Terminator::ExitTo(to) => (Some(to), None),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

impl Plan {
    /// Decides for `block`, whose region keeps `locals` in locals.
    pub fn new(block: &Block, locals: SlotSet, abi: &Abi) -> Self {
        let mut planner = Planner::new(block, locals, abi);
        planner.place();
        planner.find_homes();
        planner.plan
    }
}

/// For each instruction that touches a slot, the next that writes the same.
fn next_sets(block: &Block) -> Vec<u32> {
    let mut next = [u32::MAX; 128];
    let mut all = vec![u32::MAX; block.insts.len()];
    for (at, inst) in block.insts.iter().enumerate().rev() {
        if let Inst::Get(slot) | Inst::Set(slot, _) = inst {
            all[at] = next[usize::from(slot.0)];
        }
        if let Inst::Set(slot, _) = inst {
            next[usize::from(slot.0)] = at as u32;
        }
    }
    all
}

struct Planner<'a> {
    block: &'a Block,
    locals: SlotSet,
    uses: Vec<u32>,
    /// The instruction at which a value's only (or last seen, going backwards: first) user is written.
    user: Vec<u32>,
    /// For each instruction that touches a slot, the next that writes the same.
    next_set: Vec<u32>,
    depth: Vec<u32>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(block: &'a Block, locals: SlotSet, abi: &Abi) -> Self {
        let count = block.insts.len();
        let mut types: Vec<Option<Type>> = Vec::with_capacity(count);
        for inst in &block.insts {
            types.push(match inst {
                Inst::Select(_, a, _) => types.get(a.0 as usize).copied().flatten(),
                _ => inst.ty(&block.insts, abi),
            });
        }
        let mut uses = vec![0; count];
        for inst in &block.insts {
            inst.operands(|value| uses[value.0 as usize] += 1);
        }
        end_operands(&block.end).for_each(|value| uses[value.0 as usize] += 1);
        Self {
            block,
            locals,
            uses,
            user: vec![0; count],
            next_set: next_sets(block),
            depth: vec![0; count],
            plan: Plan {
                places: vec![Place::None; count],
                types,
                last: vec![0; count],
                signed: vec![false; count],
                done: vec![false; count],
                pointers: vec![false; count],
            },
        }
    }

    /// Places of all values, last first: by then it is known when each user is written.
    fn place(&mut self) {
        let end = self.block.insts.len() as u32;
        let mut windows_as_numbers = vec![false; end as usize];
        for value in end_operands(&self.block.end) {
            self.used(value, end, 1);
            windows_as_numbers[value.0 as usize] = true;
        }
        for at in (0..end).rev() {
            let index = at as usize;
            let inst = self.block.insts[index];
            if self.uses[index] == 0 && !inst.has_effect() {
                continue;
            }
            self.plan.places[index] = self.place_of(at, inst);
            let inline = self.plan.places[index] == Place::Inline;
            let (written, depth) = if inline {
                (self.user[index], self.depth[index] + 1)
            } else {
                (at, 1)
            };
            if let Place::Same(value) = self.plan.places[index] {
                let last = self.plan.last[index];
                self.plan.last[value.0 as usize] = last;
                self.user[value.0 as usize] = at;
                continue;
            }
            inst.operands(|value| self.used(value, written, depth));
            let via = match inst {
                Inst::Load { via, .. } | Inst::Store { via, .. } => via,
                _ => None,
            };
            inst.operands(|value| {
                windows_as_numbers[value.0 as usize] |= via.is_none_or(|(window, _)| window != value);
            });
        }
        for (index, inst) in self.block.insts.iter().enumerate() {
            self.plan.pointers[index] = matches!(inst, Inst::Window { .. }) && !windows_as_numbers[index];
        }
    }

    fn used(&mut self, value: Value, written: u32, depth: u32) {
        let index = value.0 as usize;
        self.user[index] = written;
        self.depth[index] = self.depth[index].max(depth);
        self.plan.last[index] = self.plan.last[index].max(written);
    }

    fn place_of(&mut self, at: u32, inst: Inst) -> Place {
        let index = at as usize;
        let once = self.uses[index] == 1 && self.depth[index] < DEEPEST;
        match inst {
            Inst::Const(value) => Place::Const(value),
            Inst::Get(slot) if self.next_set[index] >= self.plan.last[index] => {
                if self.locals.contains(slot) {
                    Place::Slot(slot)
                } else if once {
                    Place::Inline
                } else {
                    Place::Local
                }
            }
            Inst::Unary(UnaryOp::Sext(width), value) if self.is_only_use_of_load(value, width) => {
                self.plan.signed[value.0 as usize] = true;
                Place::Same(value)
            }
            Inst::Unary(UnaryOp::FromBits, value) if self.is_only_use_of_load(value, Width::W64) => {
                self.plan.types[value.0 as usize] = Some(Type::F64);
                Place::Same(value)
            }
            Inst::Binary(..) | Inst::Unary(..) | Inst::Compare(..) | Inst::Select(..) if once => {
                Place::Inline
            }
            _ if self.uses[index] == 0 => Place::None,
            _ => Place::Local,
        }
    }

    fn is_only_use_of_load(&self, value: Value, width: Width) -> bool {
        let load = self.block.insts[value.0 as usize];
        self.uses[value.0 as usize] == 1 && matches!(load, Inst::Load { width: of, .. } if of == width)
    }

    /// Puts values that are about to be written to a slot there at once, if nobody can tell.
    fn find_homes(&mut self) {
        // Up to which instruction what the slot's local holds is looked at; one past the slot's last read or write that
        // happens in its turn; one past the last place where the region may be left.
        let (mut held_until, mut touched, mut left) = ([0; 128], [0; 128], 0);
        for at in 0..self.block.insts.len() as u32 {
            let index = at as usize;
            let inst = self.block.insts[index];
            match inst {
                Inst::Get(slot) => match self.plan.places[index] {
                    Place::Slot(_) => raise(&mut held_until[usize::from(slot.0)], self.plan.last[index]),
                    Place::Local => touched[usize::from(slot.0)] = at + 1,
                    _ => {}
                },
                Inst::Set(slot, value) if self.locals.contains(slot) => {
                    let number = usize::from(slot.0);
                    let value = self.origin(value);
                    let from = value.0 as usize;
                    let last = self.plan.last[from];
                    let unseen = left.max(touched[number]) <= value.0 + 1 && held_until[number] <= value.0;
                    let is_free = self.plan.places[from] == Place::Local && !self.plan.pointers[from];
                    if is_free && unseen && self.next_set[index] >= last {
                        self.plan.places[from] = Place::Slot(slot);
                        self.plan.done[index] = true;
                        raise(&mut held_until[number], last);
                    } else if self.block.insts[from] == Inst::Get(slot)
                        && self.plan.places[from] == Place::Slot(slot)
                    {
                        self.plan.done[index] = self.next_set[from] >= at;
                    }
                    touched[number] = at + 1;
                }
                _ => {}
            }
            if inst.exit_point().is_some() {
                left = at + 1;
            }
        }
    }

    /// The value in whose place `value` is.
    fn origin(&self, mut value: Value) -> Value {
        while let Place::Same(other) = self.plan.places[value.0 as usize] {
            value = other;
        }
        value
    }
}

fn raise(to: &mut u32, at_least: u32) {
    *to = at_least.max(*to);
}
