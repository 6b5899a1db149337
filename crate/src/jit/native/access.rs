//! Accesses of guest memory: the fast table is looked at in line; where it does not allow the access, a cold block calls
//! the helper.

use cranelift_codegen::ir::{
    self as clif, InstBuilder, MemFlagsData,
    condcodes::IntCC,
    types::{I8, I16, I32, I64},
};

use super::lower::{Lower, trusted};
use crate::ir::{
    Leave, PointId, Value, Width,
    abi::{Helper, width_code},
};

/// Accesses of guest memory never trap once they are allowed, but need not be aligned.
fn guest() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Lower<'_, '_> {
    /// The fast table's entry for an address.
    fn table_entry(&mut self, addr: clif::Value) -> clif::Value {
        let layout = &self.target.abi.table_layout;
        let shift = layout.entry_bytes.trailing_zeros();
        let mask = i64::from(layout.index_mask) << shift;
        // The index times the entry's size, by one shift where an entry is no larger than a page.
        let offset = self
            .b
            .ins()
            .ushr_imm_u(addr, i64::from(12u32.saturating_sub(shift)));
        let offset = self.b.ins().band_imm_s(offset, mask);
        let table = self.table.expect("loaded at entry wherever memory is accessed");
        let table = self.b.use_var(table);
        self.b.ins().iadd(table, offset)
    }

    /// The host address of `addr`, whose entry of the fast table is `entry`.
    fn host_address(&mut self, addr: clif::Value, entry: clif::Value) -> clif::Value {
        let addend = self.target.abi.table_layout.addend as i32;
        let addend = self.b.ins().load(I64, trusted(), entry, addend);
        self.b.ins().iadd(addr, addend)
    }

    /// Whether `entry` has the tag of the page of `tagged`, an address; `low` are bits of it that must be clear besides.
    fn allowed(&mut self, tagged: clif::Value, entry: clif::Value, low: u64, write: bool) -> clif::Value {
        let layout = &self.target.abi.table_layout;
        let at = if write { layout.write } else { layout.read };
        let tag = self.b.ins().load(I64, trusted(), entry, at as i32);
        let page = self.b.ins().band_imm_s(tagged, !0xfff | low as i64);
        self.b.ins().icmp(IntCC::Equal, tag, page)
    }

    /// The address of an access's last byte.
    fn last_byte(&mut self, addr: clif::Value, bytes: u64) -> clif::Value {
        match bytes {
            1 => addr,
            _ => self.b.ins().iadd_imm_s(addr, bytes as i64 - 1),
        }
    }

    /// Branches: goes on with the host address where the access is allowed by the window or the fast table. Gives it, and
    /// the cold block for the helper.
    fn look_up(
        &mut self,
        addr: clif::Value,
        width: Width,
        via: Option<(Value, u32)>,
        write: bool,
    ) -> (clif::Value, i32, clif::Block) {
        let (slow, fast) = (self.cold_block(), self.b.create_block());
        if let Some((window, offset)) = via {
            let window = self.value(window);
            self.b.ins().brif(window, fast, [], slow, []);
            self.go_on_in(fast);
            return (window, offset as i32, slow);
        }
        let entry = self.table_entry(addr);
        let last = self.last_byte(addr, width.bytes());
        let allowed = self.allowed(last, entry, 0, write);
        self.b.ins().brif(allowed, fast, [], slow, []);
        self.go_on_in(fast);
        (self.host_address(addr, entry), 0, slow)
    }

    /// Reads host memory, zero-extended.
    fn read_host(&mut self, width: Width, address: clif::Value, offset: i32) -> clif::Value {
        let ins = self.b.ins();
        match width {
            Width::W8 => ins.uload8(I64, guest(), address, offset),
            Width::W16 => ins.uload16(I64, guest(), address, offset),
            Width::W32 => ins.uload32(guest(), address, offset),
            Width::W64 => ins.load(I64, guest(), address, offset),
        }
    }

    /// Ends the fast way with `value`, does the slow one, and goes on behind both with what either gave.
    fn join(
        &mut self,
        value: Option<clif::Value>,
        slow: clif::Block,
        call: impl FnOnce(&mut Self) -> clif::Value,
    ) -> Option<clif::Value> {
        let done = self.b.create_block();
        let made = value.map(|value| {
            let ty = self.b.func.dfg.value_type(value);
            self.b.append_block_param(done, ty)
        });
        self.jump_with(done, value.as_slice());
        self.go_on_in(slow);
        let result = call(self);
        self.jump_with(
            done,
            if made.is_some() {
                std::slice::from_ref(&result)
            } else {
                &[]
            },
        );
        self.go_on_in(done);
        made
    }

    /// A load.
    pub fn load_guest(
        &mut self,
        width: Width,
        addr: Value,
        via: Option<(Value, u32)>,
        at: PointId,
    ) -> clif::Value {
        let addr = self.value(addr);
        let (host, offset, slow) = self.look_up(addr, width, via, false);
        let value = self.read_host(width, host, offset);
        let call = |this: &mut Self| this.call_that_may_trap(Helper::Load, addr, addr, width_code(width), at);
        self.join(Some(value), slow, call).expect("a value was given")
    }

    /// A store.
    pub fn store_guest(
        &mut self,
        width: Width,
        addr: Value,
        value: Value,
        via: Option<(Value, u32)>,
        at: PointId,
    ) {
        let (addr, value) = (self.value(addr), self.value(value));
        let (host, offset, slow) = self.look_up(addr, width, via, true);
        let ins = self.b.ins();
        match width {
            Width::W8 => ins.istore8(guest(), value, host, offset),
            Width::W16 => ins.istore16(guest(), value, host, offset),
            Width::W32 => ins.istore32(guest(), value, host, offset),
            Width::W64 => ins.store(guest(), value, host, offset),
        };
        self.join(None, slow, |this| {
            this.call_that_may_trap(Helper::Store, addr, value, width_code(width), at)
        });
    }

    /// A load that an atomic instruction's store follows.
    pub fn load_for_update(&mut self, width: Width, addr: Value, at: PointId) -> clif::Value {
        let addr = self.value(addr);
        let (slow, fast) = (self.cold_block(), self.b.create_block());
        let entry = self.table_entry(addr);
        // Tags have no low bits: an address that is not aligned has no tag like it, and an aligned one stays in its page.
        let allowed = self.allowed(addr, entry, width.bytes() - 1, true);
        self.b.ins().brif(allowed, fast, [], slow, []);
        self.go_on_in(fast);
        let host = self.host_address(addr, entry);
        let value = self.read_host(width, host, 0);
        let call = |this: &mut Self| {
            this.call_that_may_trap(Helper::LoadForUpdate, addr, addr, width_code(width), at)
        };
        self.join(Some(value), slow, call).expect("a value was given")
    }

    /// A window: its host address, or 0.
    pub fn window(&mut self, addr: Value, span: u32, write: bool) -> clif::Value {
        let addr = self.value(addr);
        let entry = self.table_entry(addr);
        let last = self.last_byte(addr, span.into());
        let allowed = self.allowed(last, entry, 0, write);
        let host = self.host_address(addr, entry);
        let none = self.constant(0);
        self.b.ins().select(allowed, host, none)
    }

    /// Calls a helper, and leaves if it trapped.
    pub fn call_that_may_trap(
        &mut self,
        helper: Helper,
        a: clif::Value,
        b: clif::Value,
        code: u32,
        at: PointId,
    ) -> clif::Value {
        let result = self.call(helper, [a, b, b], code);
        let trapped = self.load(I32, self.target.abi.trapped);
        let (leave, go_on) = (self.cold_block(), self.b.create_block());
        if self
            .b
            .current_block()
            .is_some_and(|block| self.b.func.layout.is_cold(block))
        {
            self.b.set_cold_block(go_on);
        }
        self.b.ins().brif(trapped, leave, [], go_on, []);
        self.go_on_in(leave);
        self.leave_at(at, Leave::Stopped);
        self.go_on_in(go_on);
        if helper == Helper::Control {
            self.find_table();
        }
        result
    }

    /// The low bits of an integer as an integer of that width.
    pub fn narrow(&mut self, width: Width, value: clif::Value) -> clif::Value {
        let ty = match width {
            Width::W8 => I8,
            Width::W16 => I16,
            Width::W32 => I32,
            Width::W64 => return value,
        };
        self.b.ins().ireduce(ty, value)
    }
}
