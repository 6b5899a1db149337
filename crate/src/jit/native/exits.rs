//! Ways out of a region. All of one kind share one block.

use cranelift_codegen::ir::{
    self as clif, InstBuilder,
    condcodes::IntCC,
    types::{I32, I64},
};

use super::lower::{Lower, trusted};
use crate::ir::{Leave, PointId};

/// The shared blocks, made when the first way out needs them.
#[derive(Debug, Default)]
pub(super) struct Exits {
    /// Takes a program counter: goes on in the region that the branch-target cache knows for it, or returns.
    next: Option<clif::Block>,
    /// Takes a program counter, and returns because the budget is used up.
    budget: Option<clif::Block>,
    /// Takes a point and a reason.
    point: Option<clif::Block>,
}

impl Lower<'_, '_> {
    /// Leaves for the guest address `pc`.
    pub fn leave_next(&mut self, pc: clif::Value) {
        let to = match self.exits.next {
            Some(block) => block,
            None => {
                let block = self.b.create_block();
                self.b.append_block_param(block, I64);
                *self.exits.next.insert(block)
            }
        };
        self.jump_with(to, &[pc]);
    }

    /// Leaves because the budget is used up; from a cold block.
    pub fn leave_budget(&mut self, pc: u64) {
        let to = match self.exits.budget {
            Some(block) => block,
            None => {
                let block = self.cold_block();
                self.b.append_block_param(block, I64);
                *self.exits.budget.insert(block)
            }
        };
        let pc = self.constant(pc);
        self.jump_with(to, &[pc]);
    }

    /// Leaves at a point.
    pub fn leave_at(&mut self, point: PointId, reason: Leave) {
        let to = match self.exits.point {
            Some(block) => block,
            None => {
                let block = self.cold_block();
                self.b.append_block_param(block, I32);
                self.b.append_block_param(block, I32);
                *self.exits.point.insert(block)
            }
        };
        self.store_dirty();
        let point = self.b.ins().iconst(I32, i64::from(point.0));
        let reason = self.b.ins().iconst(I32, reason as i64);
        self.jump_with(to, &[point, reason]);
    }

    /// Fills the shared blocks in. No way out can be added afterwards.
    pub fn shared_exits(&mut self) {
        let abi = self.target.abi;
        if let Some(block) = self.exits.point {
            self.go_on_in(block);
            let [point, reason] = *self.b.block_params(block) else {
                unreachable!("it was made with two parameters")
            };
            self.store_retired();
            self.store(point, abi.point);
            self.store_number();
            self.b.ins().return_(&[reason]);
        }
        if let Some(block) = self.exits.budget {
            self.go_on_in(block);
            let pc = self.b.block_params(block)[0];
            self.store_retired();
            self.return_with_pc(pc, Leave::Budget);
        }
        if let Some(block) = self.exits.next {
            self.go_on_in(block);
            let pc = self.b.block_params(block)[0];
            let retired = self.store_retired();
            let until = self.load(I64, abi.run_until);
            let left = self.b.ins().icmp(IntCC::UnsignedLessThan, retired, until);
            let (probe, leave) = (self.b.create_block(), self.cold_block());
            self.b.ins().brif(left, probe, [], leave, []);
            self.go_on_in(probe);
            self.probe(pc, leave);
            self.go_on_in(leave);
            self.return_with_pc(pc, Leave::Next);
        }
    }

    /// Stores which region this is.
    fn store_number(&mut self) {
        let number = self.b.ins().iconst(I32, i64::from(self.number));
        self.store(number, self.target.abi.region);
    }

    fn return_with_pc(&mut self, pc: clif::Value, reason: Leave) {
        self.store(pc, self.target.abi.pc);
        self.store_number();
        let reason = self.b.ins().iconst(I32, reason as i64);
        self.b.ins().return_(&[reason]);
    }

    /// Goes on in the region for `pc` if the branch-target cache has it, else in the block `missed`.
    fn probe(&mut self, pc: clif::Value, missed: clif::Block) {
        let abi = self.target.abi;
        let layout = &abi.target_layout;
        let low = self.b.ins().ushr_imm_u(pc, 1);
        let high = self.b.ins().ushr_imm_u(pc, i64::from(layout.fold_shift));
        let set = self.b.ins().bxor(low, high);
        let set = self.b.ins().band_imm_u(set, i64::from(layout.set_mask));
        let offset = self
            .b
            .ins()
            .imul_imm_s(set, i64::from(layout.ways * layout.entry_bytes));
        let targets = self.load(I64, abi.targets);
        let first = self.b.ins().iadd(targets, offset);
        for way in 0..layout.ways {
            let at = (way * layout.entry_bytes) as i32;
            let tag = self.b.ins().load(I64, trusted(), first, at + layout.pc as i32);
            let same = self.b.ins().icmp(IntCC::Equal, tag, pc);
            let hit = self.b.create_block();
            let last = way + 1 == layout.ways;
            let other = if last { missed } else { self.b.create_block() };
            self.b.ins().brif(same, hit, [], other, []);
            self.go_on_in(hit);
            let function = self
                .b
                .ins()
                .load(I64, trusted(), first, at + layout.function as i32);
            let entry = self.b.ins().load(I32, trusted(), first, at + layout.entry as i32);
            let args = [self.state, entry];
            self.b
                .ins()
                .return_call_indirect(self.region_signature, function, &args);
            if !last {
                self.go_on_in(other);
            }
        }
        if layout.ways == 0 {
            self.b.ins().jump(missed, []);
        }
    }
}
