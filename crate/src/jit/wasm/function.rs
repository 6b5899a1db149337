//! The function of a region: its locals, its entry and exits, and its blocks.

mod ways;

use wasm_encoder::{BlockType, InstructionSink, MemArg, MemArgTarget, ValType};

use super::Features;
use super::float::Limits;
use super::memory::LoadKind;
use super::plan::{Place, Plan};
use super::structure::{Step, Target, structure};
use crate::ir::{Abi, Block, Inst, PointId, Region, Slot, Terminator, Type, Value};

/// A function, but for its place in a module.
#[derive(Debug)]
pub struct Function {
    /// Types of its locals, parameters excluded.
    pub locals: Vec<ValType>,
    /// Its instructions, with the last `end`.
    pub code: Vec<u8>,
    /// Places in `code` of branches that are nearly always (not) taken.
    pub hints: Vec<(u32, bool)>,
}

/// The parameters.
pub const STATE: u32 = 0;
const LABEL: u32 = 1;

/// The function for a region, which stores `number` when it leaves, and will be at `place` in the table.
pub fn function(number: u32, place: u32, region: &Region, abi: &Abi, features: Features) -> Function {
    let mut emitter = Emitter::new(number, place, region, abi, features);
    emitter.prologue();
    emitter.body();
    emitter.epilogue();
    Function {
        locals: emitter.types,
        code: emitter.code,
        hints: emitter.hints,
    }
}

/// Labels that stand around all blocks: how many labels are open inside each.
#[derive(Debug, Default)]
pub struct Ways {
    exit: u32,
    pub stopped: u32,
    interpret: u32,
    budget: u32,
    /// The loop around everything, where the function goes on in itself.
    again: Option<u32>,
}

/// An operand that can be read several times.
#[derive(Debug, Clone, Copy)]
pub enum Operand {
    Const(u64),
    /// A local of somebody's.
    Local(u32),
    /// A local that must be released.
    Temporary(u32, ValType),
}

/// Writes a function.
pub struct Emitter<'a> {
    pub region: &'a Region,
    pub abi: &'a Abi,
    pub features: Features,
    number: u32,
    place: u32,
    code: Vec<u8>,
    hints: Vec<(u32, bool)>,
    types: Vec<ValType>,
    free: Vec<(ValType, u32)>,
    /// Labels open now.
    depth: u32,
    pub ways: Ways,
    /// The fast table's address.
    pub table: u32,
    retired: u32,
    /// Where to go on, for [`Leave::Next`] and [`Leave::Budget`].
    pc: u32,
    leave: u32,
    slots: [u32; 128],
    pub limits: Limits,
    // Of the block at hand:
    pub insts: &'a [Inst],
    pub plan: Plan,
    /// Locals of values.
    places: Vec<u32>,
    /// Values that are needed last at an instruction.
    expiring: Vec<Vec<Value>>,
}

/// The type of WebAssembly.
pub fn val_type(ty: Type) -> ValType {
    match ty {
        Type::I64 => ValType::I64,
        Type::F64 => ValType::F64,
    }
}

/// Memory at an offset.
pub fn at(offset: u32) -> MemArg {
    MemArg {
        offset: u64::from(offset),
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

impl<'a> Emitter<'a> {
    fn new(number: u32, place: u32, region: &'a Region, abi: &'a Abi, features: Features) -> Self {
        let mut emitter = Self {
            region,
            abi,
            features,
            number,
            place,
            code: Vec::with_capacity(1024),
            hints: Vec::new(),
            types: Vec::new(),
            free: Vec::new(),
            depth: 0,
            ways: Ways::default(),
            table: 0,
            retired: 0,
            pc: 0,
            leave: 0,
            slots: [u32::MAX; 128],
            limits: Limits::default(),
            insts: &[],
            plan: Plan::default(),
            places: Vec::new(),
            expiring: Vec::new(),
        };
        emitter.retired = emitter.take(ValType::I64);
        emitter.pc = emitter.take(ValType::I64);
        emitter.leave = emitter.take(ValType::I32);
        emitter.table = emitter.take(ValType::I32);
        emitter
    }

    /// Where instructions are written.
    pub fn op(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// A local that nobody uses.
    pub fn take(&mut self, ty: ValType) -> u32 {
        match self.free.iter().rposition(|&(of, _)| of == ty) {
            Some(at) => self.free.swap_remove(at).1,
            None => {
                self.types.push(ty);
                LABEL + self.types.len() as u32
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

    /// Whether a value is written where it is used.
    pub fn is_inline(&self, value: Value) -> bool {
        self.plan.places[value.0 as usize] == Place::Inline
    }

    /// The number that a value always is.
    pub fn constant(&self, value: Value) -> Option<u64> {
        match self.plan.places[value.0 as usize] {
            Place::Const(number) => Some(number),
            _ => None,
        }
    }

    /// Gives a local back.
    pub fn give(&mut self, local: u32, ty: ValType) {
        self.free.push((ty, local));
    }

    /// Opens an `if` that is nearly always (not) entered.
    pub fn if_hinted(&mut self, ty: BlockType, likely: bool) {
        self.hints.push((self.code.len() as u32, likely));
        self.op().if_(ty);
        self.depth += 1;
    }

    /// Opens an `if`.
    pub fn if_(&mut self, ty: BlockType) {
        self.op().if_(ty);
        self.depth += 1;
    }

    /// Closes the innermost label.
    pub fn end(&mut self) {
        self.op().end();
        self.depth -= 1;
    }

    /// Opens a block: how many labels are open inside.
    fn block(&mut self) -> u32 {
        self.op().block(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    /// Branches to a block, by the number of labels open in it, if the operand is not 0.
    pub fn leave_if(&mut self, way: u32) {
        let depth = self.depth - way;
        self.hints.push((self.code.len() as u32, false));
        self.op().br_if(depth);
    }

    fn leave(&mut self, way: u32) {
        let depth = self.depth - way;
        self.op().br(depth);
    }

    /// Stores the point at which the region is left, or may be by what is called next.
    pub fn store_point(&mut self, point: PointId) {
        let at_point = at(self.abi.point);
        self.op()
            .local_get(STATE)
            .i32_const(point.0 as i32)
            .i32_store(at_point);
    }

    /// All blocks.
    fn body(&mut self) {
        let successors = |block: &Block| {
            let mut to = block.end.successors().map(|id| id.0);
            [to.next(), to.next()]
        };
        let nodes: Vec<_> = self.region.blocks.iter().map(successors).collect();
        let entries: Vec<u32> = self.region.entries.iter().map(|id| id.0).collect();
        for step in structure(&nodes, &entries) {
            match step {
                Step::Block => {
                    self.block();
                }
                Step::Loop => {
                    self.op().loop_(BlockType::Empty);
                    self.depth += 1;
                }
                Step::End => self.end(),
                Step::Body(node) => self.block_body(node),
                Step::If(node) => {
                    self.condition_of(node, true);
                    self.if_(BlockType::Empty);
                }
                Step::Goto(target) => {
                    self.set_label(target);
                    self.op().br(target.depth);
                }
                Step::GotoIf { node, first, target } => {
                    self.set_label(target);
                    self.condition_of(node, first);
                    self.op().br_if(target.depth);
                }
                Step::Dispatch(table) => {
                    let first = table.first().copied().unwrap_or(0);
                    self.op().local_get(LABEL).br_table(table, first);
                }
            }
        }
    }

    fn set_label(&mut self, target: Target) {
        if let Some(label) = target.label {
            self.op().i32_const(label as i32).local_set(LABEL);
        }
    }

    /// Whether the block that was just written takes its first (or second) successor.
    fn condition_of(&mut self, node: u32, first: bool) {
        if let Terminator::Branch { compare, a, b, .. } = self.region.blocks[node as usize].end {
            self.compare(if first { compare } else { compare.negated() }, a, b);
        }
    }

    /// A block's instructions, and its end if that leaves the region.
    fn block_body(&mut self, node: u32) {
        let block = &self.region.blocks[node as usize];
        // The condition of the block before has been written by now.
        for value in self.expiring.pop().unwrap_or_default() {
            self.give_value(value);
        }
        self.insts = &block.insts;
        self.plan = Plan::new(block, self.region.locals, self.abi);
        self.places = vec![u32::MAX; block.insts.len()];
        self.expiring = vec![Vec::new(); block.insts.len() + 1];
        let (retired, pc) = (self.retired, self.pc);
        if block.poll {
            let at_until = at(self.abi.run_until);
            let until = self.take(ValType::I64);
            self.op()
                .local_get(retired)
                .local_get(STATE)
                .i64_load(at_until)
                .local_tee(until)
                .i64_ge_u();
            self.if_hinted(BlockType::Empty, false);
            // A second use of what was loaded: see `not_allowed`.
            let point = at(self.abi.point);
            self.op().local_get(STATE).local_get(until).i64_store32(point);
            self.give(until, ValType::I64);
            self.op().i64_const(block.pc as i64).local_set(pc);
            self.leave(self.ways.budget);
            self.end();
        }
        for index in 0..block.insts.len() {
            self.statement(index);
            for value in std::mem::take(&mut self.expiring[index]) {
                self.give_value(value);
            }
        }
        if block.retired != 0 && !matches!(block.end, Terminator::Interpret(_)) {
            let count = i64::from(block.retired);
            self.op()
                .local_get(retired)
                .i64_const(count)
                .i64_add()
                .local_set(retired);
        }
        match block.end {
            Terminator::Jump(_) | Terminator::Branch { .. } => {}
            Terminator::Exit(to) => {
                self.op().i64_const(to as i64).local_set(pc);
                self.leave(self.ways.exit);
            }
            Terminator::ExitTo(to) => {
                self.push(to);
                self.op().local_set(pc);
                self.leave(self.ways.exit);
            }
            Terminator::Interpret(at) => {
                self.store_point(at);
                self.leave(self.ways.interpret);
            }
        }
    }

    fn give_value(&mut self, value: Value) {
        let ty = self.value_type(value);
        self.give(self.places[value.0 as usize], ty);
    }

    /// The type of a value's local.
    fn value_type(&self, value: Value) -> ValType {
        let index = value.0 as usize;
        match self.plan.types[index] {
            _ if self.plan.pointers[index] => ValType::I32,
            Some(ty) => val_type(ty),
            None => ValType::I64,
        }
    }

    /// Writes an instruction whose turn it is.
    fn statement(&mut self, index: usize) {
        let inst = self.insts[index];
        let value = Value(index as u32);
        match inst {
            Inst::Set(slot, from) => {
                if !self.plan.done[index] {
                    self.set_slot(slot, from);
                }
                return;
            }
            Inst::Store {
                width,
                addr,
                value,
                via,
                at,
            } => return self.store(width, addr, value, via, at),
            Inst::ExitIf { compare, a, b, at } => {
                self.compare(compare, a, b);
                self.if_hinted(BlockType::Empty, false);
                self.store_point(at);
                self.leave(self.ways.interpret);
                return self.end();
            }
            _ => {}
        }
        let needed = matches!(self.plan.places[index], Place::Local | Place::Slot(_));
        if let Inst::Get(slot) = inst
            && self.plan.places[index] == Place::Slot(slot)
        {
            return;
        }
        let unused = self.plan.places[index] == Place::None && inst.has_effect();
        if !needed && !unused {
            return;
        }
        if matches!(inst, Inst::Float { .. }) {
            let result = self.result(value);
            return self.float(inst, result);
        }
        match inst {
            Inst::Load { width, addr, via, at } => {
                let kind = match self.plan.types[index] {
                    Some(Type::F64) => LoadKind::Double,
                    _ if self.plan.signed[index] => LoadKind::Signed,
                    _ => LoadKind::Unsigned,
                };
                self.load(width, addr, via, at, kind);
            }
            Inst::LoadForUpdate { width, addr, at } => self.load_for_update(width, addr, at),
            Inst::Window { addr, span, write } => self.window(addr, span, write, self.plan.pointers[index]),
            Inst::Call {
                helper,
                args,
                code,
                at,
            } => self.call(helper, args, code, at),
            _ => self.expression(inst),
        }
        if needed {
            let result = self.result(value);
            self.op().local_set(result);
        } else {
            self.op().drop();
        }
    }

    /// The local that a value is to be put into.
    fn result(&mut self, value: Value) -> u32 {
        let index = value.0 as usize;
        if let Place::Slot(slot) = self.plan.places[index] {
            return self.slots[usize::from(slot.0)];
        }
        let ty = self.value_type(value);
        let local = self.take(ty);
        self.places[index] = local;
        let last = self.plan.last[index].max(value.0);
        self.expiring[last as usize].push(value);
        local
    }

    /// The local that a slot is kept in.
    pub fn slot_local(&self, slot: Slot) -> Option<u32> {
        self.region
            .locals
            .contains(slot)
            .then(|| self.slots[usize::from(slot.0)])
    }

    /// Writes a read of a slot's memory.
    pub fn load_slot(&mut self, slot: Slot) {
        let info = self.abi.slot(slot);
        match info.ty {
            Type::I64 => self.op().local_get(STATE).i64_load(at(info.offset)),
            Type::F64 => self.op().local_get(STATE).f64_load(at(info.offset)),
        };
    }

    fn set_slot(&mut self, slot: Slot, from: Value) {
        if self.region.locals.contains(slot) {
            self.push(from);
            let local = self.slots[usize::from(slot.0)];
            self.op().local_set(local);
            return;
        }
        self.op().local_get(STATE);
        self.push(from);
        let info = self.abi.slot(slot);
        match info.ty {
            Type::I64 => self.op().i64_store(at(info.offset)),
            Type::F64 => self.op().f64_store(at(info.offset)),
        };
    }

    /// Writes what leaves a value on the operand stack.
    pub fn push(&mut self, value: Value) {
        let index = value.0 as usize;
        match self.plan.places[index] {
            Place::Const(number) => {
                self.op().i64_const(number as i64);
            }
            Place::Inline => self.expression(self.insts[index]),
            Place::Same(_) => self.push(self.origin(value)),
            Place::Slot(slot) => {
                let local = self.slots[usize::from(slot.0)];
                self.op().local_get(local);
            }
            Place::Local | Place::None => {
                let local = self.places[index];
                self.op().local_get(local);
            }
        }
    }

    /// A value that will be read several times.
    pub fn operand(&mut self, value: Value) -> Operand {
        let index = value.0 as usize;
        match self.plan.places[index] {
            Place::Const(number) => Operand::Const(number),
            Place::Same(_) => self.operand(self.origin(value)),
            Place::Slot(slot) => Operand::Local(self.slots[usize::from(slot.0)]),
            Place::Local | Place::None => Operand::Local(self.places[index]),
            Place::Inline => {
                self.push(value);
                let ty = self.value_type(value);
                let local = self.take(ty);
                self.op().local_set(local);
                Operand::Temporary(local, ty)
            }
        }
    }

    /// Writes what leaves it on the operand stack.
    pub fn read(&mut self, operand: Operand) {
        match operand {
            Operand::Const(number) => self.op().i64_const(number as i64),
            Operand::Local(local) | Operand::Temporary(local, _) => self.op().local_get(local),
        };
    }

    /// Says that it will not be read again.
    pub fn finish(&mut self, operand: Operand) {
        if let Operand::Temporary(local, ty) = operand {
            self.give(local, ty);
        }
    }
}
