//! From the intermediate representation to Cranelift's.
//!
//! A region becomes one function of Cranelift's tail convention, `fn(state, entry) -> reason`. What is rarely done stands
//! in cold blocks, behind the hot ones.
//!
//! Slots that are kept in locals are Cranelift variables, loaded in the entry block. What a block writes is in memory too
//! when it ends: it is stored once, behind the block's accesses, or in the cold block by which it is left before. To
//! store everything where the region is left, each way out would have to bring the values of all locals: with one way
//! out for each access, that cost ten times the compile time and more code than the stores in loops do. The quick tier
//! keeps nothing in locals: its code stores at once, and counts retired instructions in memory.

use cranelift_codegen::ir::{
    self as clif, BlockArg, InstBuilder, MemFlagsData, SigRef, StackSlot, StackSlotData, StackSlotKind,
    condcodes::IntCC,
    types::{F64, I8, I32, I64},
};
use cranelift_frontend::{FunctionBuilder, Switch, Variable};

use super::{exits::Exits, thunk::Thunks};
use crate::ir::{
    Abi, Block, BlockId, Compare, FloatOp, Inst, Leave, Precision, Region, Slot, SlotSet, Terminator, Type,
    Value,
};
use crate::jit::Tier;

/// What code is made for.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    /// Where everything is.
    pub abi: &'a Abi,
    /// Ways to the helpers.
    pub thunks: &'a Thunks,
    /// Whether the host multiplies and adds with one rounding.
    pub fma: bool,
}

/// A region being lowered.
pub(super) struct Lower<'a, 'f> {
    pub b: FunctionBuilder<'f>,
    pub target: &'a Target<'a>,
    pub region: &'a Region,
    /// The region's number.
    pub number: u32,
    /// Pointer to the state.
    pub state: clif::Value,
    /// Pointer to the fast table, if the region accesses memory.
    pub table: Option<Variable>,
    /// The count of retired instructions, as of the current block's start; in memory if `None`.
    retired: Option<Variable>,
    /// Whether floating point is ready, as a byte, if an operation asks for it.
    pub ready: Option<Variable>,
    /// The variables of slots in locals.
    locals: Vec<Option<Variable>>,
    /// Whether writes of slots go to memory at once.
    eager: bool,
    /// Slots that the current block has written, and not stored yet.
    dirty: Vec<(Slot, clif::Value)>,
    blocks: Vec<clif::Block>,
    pub exits: Exits,
    /// The signature of regions.
    pub region_signature: SigRef,
    /// The signature of the ways to the helpers.
    pub thunk_signature: SigRef,
    /// Where those leave their results.
    pub result: Option<StackSlot>,
    /// What the current block's instructions made.
    values: Vec<Option<clif::Value>>,
}

/// The Cranelift type of a value or slot.
pub(super) fn type_of(ty: Type) -> clif::Type {
    match ty {
        Type::I64 => I64,
        Type::F64 => F64,
    }
}

/// Accesses of the state and of tables: aligned, and never trap.
pub(super) fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Cranelift's name of a comparison.
pub(super) fn condition(compare: Compare) -> IntCC {
    match compare {
        Compare::Eq => IntCC::Equal,
        Compare::Ne => IntCC::NotEqual,
        Compare::Lt => IntCC::SignedLessThan,
        Compare::Ge => IntCC::SignedGreaterThanOrEqual,
        Compare::Ltu => IntCC::UnsignedLessThan,
        Compare::Geu => IntCC::UnsignedGreaterThanOrEqual,
    }
}

/// Whether the fast way of an operation asks for readiness.
pub(super) fn asks_ready(op: FloatOp, precision: Precision) -> bool {
    match op {
        FloatOp::Min | FloatOp::Max | FloatOp::Eq | FloatOp::Lt | FloatOp::Le => false,
        FloatOp::Widen | FloatOp::Other => false,
        FloatOp::FromI32 | FloatOp::FromU32 => precision == Precision::Single,
        _ => true,
    }
}

impl<'a, 'f> Lower<'a, 'f> {
    /// Lowers `region`, to which `number` belongs, by a builder of an empty function of the right signature.
    pub fn region(
        mut b: FunctionBuilder<'f>,
        target: &'a Target<'a>,
        region: &'a Region,
        number: u32,
        tier: Tier,
    ) -> FunctionBuilder<'f> {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let [state, index] = *b.block_params(entry) else {
            unreachable!("regions have two parameters")
        };
        let region_signature = b.import_signature(super::thunk::region_signature());
        let thunk_signature = b.import_signature(super::thunk::thunk_signature());
        let eager = tier == Tier::Quick;
        let retired = (!eager).then(|| b.declare_var(I64));
        let blocks = region.blocks.iter().map(|_| b.create_block()).collect();
        let mut lower = Lower {
            b,
            target,
            region,
            number,
            state,
            table: None,
            retired,
            ready: None,
            locals: vec![None; 128],
            eager,
            dirty: Vec::new(),
            blocks,
            exits: Exits::default(),
            region_signature,
            thunk_signature,
            result: None,
            values: Vec::new(),
        };
        lower.enter(index);
        for (block, &at) in region.blocks.iter().zip(&lower.blocks.clone()) {
            lower.b.switch_to_block(at);
            lower.block(block);
        }
        lower.shared_exits();
        lower.b.seal_all_blocks();
        lower.b
    }

    /// The function's first block: loads what is kept in locals, and goes to the block that is entered.
    fn enter(&mut self, index: clif::Value) {
        let abi = self.target.abi;
        if let Some(retired) = self.retired {
            let value = self.load(I64, abi.retired);
            self.b.def_var(retired, value);
        }
        let insts = || self.region.blocks.iter().flat_map(|block| &block.insts);
        let memory = |inst: &Inst| {
            matches!(
                inst,
                Inst::Load { .. } | Inst::Store { .. } | Inst::LoadForUpdate { .. } | Inst::Window { .. }
            )
        };
        if insts().any(memory) {
            let table = self.b.declare_var(I64);
            self.table = Some(table);
            self.find_table();
        }
        if insts().any(|inst| matches!(*inst, Inst::Float { op, precision, .. } if asks_ready(op, precision)))
        {
            let ready = self.b.declare_var(I8);
            self.ready = Some(ready);
            self.find_ready();
        }
        let mut used = self.region.written();
        for inst in insts() {
            if let Inst::Get(slot) = inst {
                used.insert(*slot);
            }
        }
        let locals = if self.eager {
            SlotSet::default()
        } else {
            SlotSet(self.region.locals.0 & used.0)
        };
        for slot in locals.iter() {
            let info = abi.slot(slot);
            let variable = self.b.declare_var(type_of(info.ty));
            let value = self.load(type_of(info.ty), info.offset);
            self.b.def_var(variable, value);
            self.locals[usize::from(slot.0)] = Some(variable);
        }
        if let [only] = self.region.entries[..] {
            let to = self.at(only);
            self.b.ins().jump(to, []);
            return;
        }
        let first = self.at(self.region.entries[0]);
        let mut switch = Switch::new();
        for (number, &entry) in self.region.entries.iter().enumerate().skip(1) {
            switch.set_entry(number as u128, self.at(entry));
        }
        switch.emit(&mut self.b, index, first);
    }

    /// The Cranelift block of a block.
    pub fn at(&self, block: BlockId) -> clif::Block {
        self.blocks[block.0 as usize]
    }

    /// Reads from the state.
    pub fn load(&mut self, ty: clif::Type, offset: u32) -> clif::Value {
        self.b.ins().load(ty, trusted(), self.state, offset as i32)
    }

    /// Writes to the state.
    pub fn store(&mut self, value: clif::Value, offset: u32) {
        self.b.ins().store(trusted(), value, self.state, offset as i32);
    }

    /// A constant.
    pub fn constant(&mut self, number: u64) -> clif::Value {
        self.b.ins().iconst(I64, number as i64)
    }

    /// What an instruction of the current block made.
    pub fn value(&self, value: Value) -> clif::Value {
        self.values[value.0 as usize].expect("operands are values that were made before in their block")
    }

    /// The number that a value is, if the current block has it as a constant.
    pub fn known(&self, block: &Block, value: Value) -> Option<u64> {
        match block.insts[value.0 as usize] {
            Inst::Const(number) => Some(number),
            _ => None,
        }
    }

    /// A block that is put behind the hot ones.
    pub fn cold_block(&mut self) -> clif::Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    /// Goes on in `block`, all of whose predecessors are complete.
    pub fn go_on_in(&mut self, block: clif::Block) {
        self.b.switch_to_block(block);
        self.b.seal_block(block);
    }

    /// Where helpers leave their results.
    pub fn result_slot(&mut self) -> StackSlot {
        *self.result.get_or_insert_with(|| {
            self.b
                .create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3))
        })
    }

    fn block(&mut self, block: &Block) {
        self.values.clear();
        if block.poll {
            self.poll(block.pc);
        }
        for inst in &block.insts {
            let made = self.inst(block, inst);
            self.values.push(made);
        }
        self.store_dirty();
        self.dirty.clear();
        if !matches!(block.end, Terminator::Interpret(_)) {
            let before = self.retired();
            let after = self.b.ins().iadd_imm_s(before, i64::from(block.retired));
            match self.retired {
                Some(retired) => self.b.def_var(retired, after),
                None => self.store(after, self.target.abi.retired),
            }
        }
        match block.end {
            Terminator::Jump(to) => {
                let to = self.at(to);
                self.b.ins().jump(to, []);
            }
            Terminator::Branch {
                compare,
                a,
                b,
                yes,
                no,
            } => {
                let holds = self.holds(block, compare, a, b);
                let (yes, no) = (self.at(yes), self.at(no));
                self.b.ins().brif(holds, yes, [], no, []);
            }
            Terminator::Exit(pc) => {
                let pc = self.constant(pc);
                self.leave_next(pc);
            }
            Terminator::ExitTo(pc) => {
                let pc = self.value(pc);
                self.leave_next(pc);
            }
            Terminator::Interpret(point) => self.leave_at(point, Leave::Interpret),
        }
    }

    /// Leaves at the block's start if the budget is used up.
    fn poll(&mut self, pc: u64) {
        let retired = self.retired();
        let until = self.load(I64, self.target.abi.run_until);
        let over = self
            .b
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, retired, until);
        let (leave, go_on) = (self.cold_block(), self.b.create_block());
        self.b.ins().brif(over, leave, [], go_on, []);
        self.go_on_in(leave);
        self.leave_budget(pc);
        self.go_on_in(go_on);
    }

    /// Whether a comparison holds, as a byte.
    pub fn holds(&mut self, block: &Block, compare: Compare, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.value(a), self.value(b));
        match self.known(block, b) {
            Some(number) => self.b.ins().icmp_imm_s(condition(compare), x, number as i64),
            None => self.b.ins().icmp(condition(compare), x, y),
        }
    }

    fn inst(&mut self, block: &Block, inst: &Inst) -> Option<clif::Value> {
        Some(match *inst {
            Inst::Const(number) => self.constant(number),
            Inst::Get(slot) => self.get(slot),
            Inst::Set(slot, value) => {
                self.set(slot, value);
                return None;
            }
            Inst::Binary(op, a, b) => self.binary(block, op, a, b),
            Inst::Unary(op, a) => self.unary(op, a),
            Inst::Compare(compare, a, b) => {
                let holds = self.holds(block, compare, a, b);
                self.b.ins().uextend(I64, holds)
            }
            Inst::Select(which, a, b) => {
                let (which, a, b) = (self.value(which), self.value(a), self.value(b));
                self.b.ins().select(which, a, b)
            }
            Inst::Load { width, addr, via, at } => self.load_guest(width, addr, via, at),
            Inst::Store {
                width,
                addr,
                value,
                via,
                at,
            } => {
                self.store_guest(width, addr, value, via, at);
                return None;
            }
            Inst::LoadForUpdate { width, addr, at } => self.load_for_update(width, addr, at),
            Inst::Window { addr, span, write } => self.window(addr, span, write),
            Inst::Float {
                op,
                precision,
                a,
                b,
                c,
                code,
            } => self.float(op, precision, [a, b, c], code),
            Inst::Call {
                helper,
                args,
                code,
                at,
            } => {
                let [a, b] = args.map(|value| self.value(value));
                self.call_that_may_trap(helper, a, b, code, at)
            }
            Inst::ExitIf { compare, a, b, at } => {
                let holds = self.holds(block, compare, a, b);
                let (leave, go_on) = (self.cold_block(), self.b.create_block());
                self.b.ins().brif(holds, leave, [], go_on, []);
                self.go_on_in(leave);
                self.leave_at(at, Leave::Interpret);
                self.go_on_in(go_on);
                return None;
            }
        })
    }

    /// Loads the pointer to the fast table.
    pub fn find_table(&mut self) {
        if let Some(table) = self.table {
            let pointer = self.load(I64, self.target.abi.table);
            self.b.def_var(table, pointer);
        }
    }

    /// The count of retired instructions, as of the block's start.
    pub fn retired(&mut self) -> clif::Value {
        match self.retired {
            Some(retired) => self.b.use_var(retired),
            None => self.load(I64, self.target.abi.retired),
        }
    }

    /// Stores the count of retired instructions if it is kept in a local; gives it.
    pub fn store_retired(&mut self) -> clif::Value {
        let retired = self.retired();
        if self.retired.is_some() {
            self.store(retired, self.target.abi.retired);
        }
        retired
    }

    fn get(&mut self, slot: Slot) -> clif::Value {
        if let Some(variable) = self.locals[usize::from(slot.0)] {
            return self.b.use_var(variable);
        }
        if let Some(&(_, value)) = self.dirty.iter().find(|(dirty, _)| *dirty == slot) {
            return value;
        }
        let info = self.target.abi.slot(slot);
        self.load(type_of(info.ty), info.offset)
    }

    fn set(&mut self, slot: Slot, value: Value) {
        let value = self.value(value);
        if self.eager {
            return self.store(value, self.target.abi.slot(slot).offset);
        }
        if let Some(variable) = self.locals[usize::from(slot.0)] {
            self.b.def_var(variable, value);
        }
        match self.dirty.iter_mut().find(|(dirty, _)| *dirty == slot) {
            Some(entry) => entry.1 = value,
            None => self.dirty.push((slot, value)),
        }
    }

    /// Stores what the block has written so far, where it is left or ends.
    pub fn store_dirty(&mut self) {
        for number in 0..self.dirty.len() {
            let (slot, value) = self.dirty[number];
            self.store(value, self.target.abi.slot(slot).offset);
        }
    }

    /// Finds out anew whether floating point is ready.
    pub fn find_ready(&mut self) {
        let Some(ready) = self.ready else { return };
        let abi = self.target.abi;
        let (flags, rounding) = (self.load(I8, abi.float_flags), self.load(I8, abi.rounding));
        let inexact = self.b.ins().band_imm_u(flags, i64::from(abi.inexact));
        let inexact = self.b.ins().icmp_imm_s(IntCC::NotEqual, inexact, 0);
        let nearest = self.b.ins().icmp_imm_s(IntCC::Equal, rounding, 0);
        let both = self.b.ins().band(inexact, nearest);
        self.b.def_var(ready, both);
    }

    /// Calls a helper, by the way that leaves all registers as they are.
    pub fn call(&mut self, helper: crate::ir::abi::Helper, args: [clif::Value; 3], code: u32) -> clif::Value {
        let slot = self.result_slot();
        let callee = self.constant(self.target.thunks.of(helper) as u64);
        let code = self.b.ins().iconst(I32, i64::from(code));
        let result = self.b.ins().stack_addr(I64, slot, 0);
        let [a, b, c] = args;
        let args = [self.state, a, b, c, code, result];
        self.b.ins().call_indirect(self.thunk_signature, callee, &args);
        self.b.ins().stack_load(I64, I64, slot, 0)
    }

    /// Goes to a block that takes parameters.
    pub fn jump_with(&mut self, to: clif::Block, args: &[clif::Value]) {
        let args: Vec<BlockArg> = args.iter().copied().map(BlockArg::from).collect();
        self.b.ins().jump(to, &args);
    }
}
