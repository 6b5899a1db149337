//! The ways into a function and out of it: what is kept in locals is loaded and stored, and the next region found.

use wasm_encoder::{BlockType, ValType};

use super::{Emitter, LABEL, STATE, at, val_type};
use crate::ir::{Inst, Leave, SlotSet, Type};
use crate::jit::wasm::runtime::Runtime;

impl Emitter<'_> {
    /// The slots kept in locals that the region touches.
    pub(super) fn used_slots(&self) -> SlotSet {
        let mut set = SlotSet::default();
        for inst in self.region.blocks.iter().flat_map(|block| &block.insts) {
            if let Inst::Get(slot) | Inst::Set(slot, _) = inst
                && self.region.locals.contains(*slot)
            {
                set.insert(*slot);
            }
        }
        set
    }

    /// Whether it may go on in itself: where it leaves for an address that is known only when it runs and may be an entry of its
    /// own. What is in locals stays there then.
    pub(super) fn comes_back(&self) -> bool {
        self.features.tail_calls && self.region.entries.len() > 1 && self.region.leads_anywhere()
    }

    /// Loads what is kept in locals, and opens the labels by which the region is left.
    pub(super) fn prologue(&mut self) {
        let (retired, table) = (self.retired, self.table);
        let (at_retired, at_table) = (self.abi.retired, self.abi.table);
        self.op()
            .local_get(STATE)
            .i64_load(at(at_retired))
            .local_set(retired);
        self.op().local_get(STATE).i32_load(at(at_table)).local_set(table);
        for slot in self.used_slots().iter() {
            let ty = self.abi.slot(slot).ty;
            let local = self.take(val_type(ty));
            self.slots[usize::from(slot.0)] = local;
            self.load_slot(slot);
            self.op().local_set(local);
        }
        self.start_limits();
        if self.comes_back() {
            self.op().loop_(BlockType::Empty);
            self.depth += 1;
            self.ways.again = Some(self.depth);
        }
        self.ways.exit = self.block();
        self.ways.stopped = self.block();
        self.ways.interpret = self.block();
        self.ways.budget = self.block();
    }

    /// Closes those labels, stores what must be, and goes on in another region or returns.
    pub(super) fn epilogue(&mut self) {
        let leave = self.leave;
        for way in [Leave::Budget, Leave::Interpret, Leave::Stopped] {
            self.end();
            self.op().i32_const(way as i32).local_set(leave);
            if way != Leave::Stopped {
                self.leave(self.ways.exit);
            }
        }
        self.end();
        let (abi, retired, pc, number) = (self.abi, self.retired, self.pc, self.number);
        let next = self.features.tail_calls.then(|| self.find_next());
        for slot in self
            .region
            .written()
            .iter()
            .filter(|&slot| self.region.locals.contains(slot))
        {
            let (info, local) = (abi.slot(slot), self.slots[usize::from(slot.0)]);
            self.op().local_get(STATE).local_get(local);
            match info.ty {
                Type::I64 => self.op().i64_store(at(info.offset)),
                Type::F64 => self.op().f64_store(at(info.offset)),
            };
        }
        self.op()
            .local_get(STATE)
            .local_get(retired)
            .i64_store(at(abi.retired));
        if let Some(next) = next {
            self.op().local_get(next);
            self.if_(BlockType::Empty);
            self.op().local_get(STATE).local_get(LABEL).local_get(next);
            self.op().return_call_indirect(0, Runtime::REGION_TYPE);
            self.end();
            self.give(next, ValType::I32);
        }
        self.op()
            .local_get(STATE)
            .i32_const(number as i32)
            .i32_store(at(abi.region));
        // Interpret and Stopped, which lie next to each other, have their point instead.
        self.op()
            .local_get(leave)
            .i32_const(1)
            .i32_sub()
            .i32_const(2)
            .i32_ge_u();
        self.if_(BlockType::Empty);
        self.op().local_get(STATE).local_get(pc).i64_store(at(abi.pc));
        self.end();
        if self.ways.again.is_some() {
            self.op().local_get(leave).return_();
            self.end();
            self.op().unreachable();
        } else {
            self.op().local_get(leave);
        }
        self.op().end();
    }

    /// Looks into the branch-target cache for where to go on, if instructions are left. The function is in the local that is
    /// given back, 0 for none, and its entry in the label. Goes on at once if that is this one.
    pub(super) fn find_next(&mut self) -> u32 {
        let (abi, retired, pc, place) = (self.abi, self.retired, self.pc, self.place);
        let layout = &abi.target_layout;
        let (next, entry) = (self.take(ValType::I32), self.take(ValType::I32));
        // It may be a local that was something else before.
        self.op().i32_const(0).local_set(next);
        let leave = self.leave;
        self.op().local_get(leave).i32_eqz();
        self.if_(BlockType::Empty);
        self.op()
            .local_get(retired)
            .local_get(STATE)
            .i64_load(at(abi.run_until))
            .i64_lt_u();
        self.if_hinted(BlockType::Empty, true);
        self.op().local_get(STATE).i32_load(at(abi.targets));
        self.op().local_get(pc).i64_const(1).i64_shr_u();
        self.op()
            .local_get(pc)
            .i64_const(i64::from(layout.fold_shift))
            .i64_shr_u();
        self.op()
            .i64_xor()
            .i32_wrap_i64()
            .i32_const(layout.set_mask as i32)
            .i32_and();
        let set_bytes = layout.ways * layout.entry_bytes;
        self.op()
            .i32_const(set_bytes as i32)
            .i32_mul()
            .i32_add()
            .local_set(entry);
        let hit = self.block();
        for way in 0..layout.ways {
            if way > 0 {
                self.op()
                    .local_get(entry)
                    .i32_const(layout.entry_bytes as i32)
                    .i32_add()
                    .local_set(entry);
            }
            self.op()
                .local_get(entry)
                .i64_load(at(layout.pc))
                .local_get(pc)
                .i64_eq();
            let depth = self.depth - hit;
            self.hints.push((self.code.len() as u32, true));
            self.op().br_if(depth);
        }
        // None: out of the innermost `if`.
        let depth = self.depth - hit + 1;
        self.op().br(depth);
        self.end();
        self.op()
            .local_get(entry)
            .i32_load(at(layout.entry))
            .local_set(LABEL);
        self.op()
            .local_get(entry)
            .i32_load(at(layout.function))
            .local_set(next);
        if let Some(again) = self.ways.again {
            self.op().local_get(next).i32_const(place as i32).i32_eq();
            let depth = self.depth - again;
            self.op().br_if(depth);
        }
        self.end();
        self.end();
        self.give(entry, ValType::I32);
        next
    }
}
