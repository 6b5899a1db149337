//! Accesses to guest memory.
//!
//! The fast table is looked into inline; what it does not allow is done by functions of the module ([`super::runtime`]),
//! in code that the engine is told to be unlikely.

use wasm_encoder::{BlockType, ValType};

use super::function::{Emitter, Operand, STATE, at};
use super::runtime::{Runtime, slow_code};
use crate::ir::abi::{Helper, TableLayout};
use crate::ir::{Inst, PointId, UnaryOp, Value, Width};

/// How far a guest address is shifted right to be the offset of its entry, and what that is masked with.
pub fn entry_shift_and_mask(layout: &TableLayout) -> (i32, i32) {
    let bits = layout.entry_bytes.trailing_zeros();
    (12 - bits as i32, (layout.index_mask << bits) as i32)
}

/// Locals of a look into the fast table.
struct Found {
    /// The entry's address.
    entry: u32,
    /// Its tag.
    tag: u32,
}

/// What a load makes of what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadKind {
    Unsigned,
    Signed,
    /// A double, of 64 bits.
    Double,
}

/// What is wanted of an entry.
struct Wanted {
    /// Offset of the tag.
    tag: u32,
    /// Added to the address before the tag is compared: the last byte must be in the page too.
    last: u64,
    /// Bits of the address that are compared with the tag.
    mask: i64,
}

impl Emitter<'_> {
    /// Looks an address up: whether it is allowed, an `i32`.
    fn look_up(&mut self, addr: Operand, wanted: &Wanted) -> Found {
        let (entry, tag) = (self.take(ValType::I32), self.take(ValType::I64));
        let table = self.table;
        let (shift, mask) = entry_shift_and_mask(&self.abi.table_layout);
        self.read(addr);
        self.op()
            .i32_wrap_i64()
            .i32_const(shift)
            .i32_shr_u()
            .i32_const(mask)
            .i32_and();
        self.op()
            .local_get(table)
            .i32_add()
            .local_tee(entry)
            .i64_load(at(wanted.tag))
            .local_tee(tag);
        self.read(addr);
        if wanted.last != 0 {
            self.op().i64_const(wanted.last as i64).i64_add();
        }
        self.op().i64_const(wanted.mask).i64_and().i64_eq();
        Found { entry, tag }
    }

    /// In the way that is taken where the access was not allowed: gives the locals back.
    fn not_allowed(&mut self, found: &Found) {
        let point = at(self.abi.point);
        // Were its comparison the tag's only use, V8 would compare with memory, and load the tag beforehand all the same.
        // Nobody reads the point before one is stored.
        self.op().local_get(STATE).local_get(found.tag).i64_store32(point);
        self.give(found.entry, ValType::I32);
        self.give(found.tag, ValType::I64);
    }

    fn wanted(&self, bytes: u64, write: bool) -> Wanted {
        let layout = &self.abi.table_layout;
        let tag = if write { layout.write } else { layout.read };
        Wanted {
            tag,
            last: bytes - 1,
            mask: !0xfff,
        }
    }

    /// The address in the host of what was looked up.
    fn host_address(&mut self, addr: Operand, entry: u32) {
        let addend = at(self.abi.table_layout.addend);
        self.op().local_get(entry).i32_load(addend);
        self.read(addr);
        self.op().i32_wrap_i64().i32_add();
    }

    /// Writes a load: its value is left on the operand stack.
    pub fn load(
        &mut self,
        width: Width,
        addr: Value,
        via: Option<(Value, u32)>,
        point: PointId,
        kind: LoadKind,
    ) {
        let addr = self.operand(addr);
        let result = BlockType::Result(match kind {
            LoadKind::Double => ValType::F64,
            LoadKind::Unsigned | LoadKind::Signed => ValType::I64,
        });
        if let Some((window, offset)) = via {
            self.window_pointer(window);
            self.if_hinted(result, true);
            self.window_pointer(window);
            self.host_load(width, offset, kind);
            self.op().else_();
            self.slow_load(Runtime::LoadAnywhere, width, addr, point, kind);
        } else {
            let wanted = self.wanted(width.bytes(), false);
            let found = self.look_up(addr, &wanted);
            self.if_hinted(result, true);
            self.host_address(addr, found.entry);
            self.host_load(width, 0, kind);
            self.op().else_();
            self.not_allowed(&found);
            self.slow_load(Runtime::Load, width, addr, point, kind);
        }
        self.end();
        self.finish(addr);
    }

    fn host_load(&mut self, width: Width, offset: u32, kind: LoadKind) {
        let place = at(offset);
        match (width, kind) {
            (Width::W8, LoadKind::Unsigned) => self.op().i64_load8_u(place),
            (Width::W16, LoadKind::Unsigned) => self.op().i64_load16_u(place),
            (Width::W32, LoadKind::Unsigned) => self.op().i64_load32_u(place),
            (Width::W8, _) => self.op().i64_load8_s(place),
            (Width::W16, _) => self.op().i64_load16_s(place),
            (Width::W32, _) => self.op().i64_load32_s(place),
            (Width::W64, LoadKind::Double) => self.op().f64_load(place),
            (Width::W64, _) => self.op().i64_load(place),
        };
    }

    /// Has a load done, and leaves if it trapped.
    fn slow_load(&mut self, by: Runtime, width: Width, addr: Operand, point: PointId, kind: LoadKind) {
        self.op().local_get(STATE);
        self.read(addr);
        self.op().i32_const(slow_code(width, point)).call(by.index());
        self.leave_if(self.ways.stopped);
        match kind {
            LoadKind::Unsigned => {}
            LoadKind::Signed => self.sign_extend(width),
            LoadKind::Double => {
                self.op().f64_reinterpret_i64();
            }
        }
    }

    fn sign_extend(&mut self, width: Width) {
        match width {
            Width::W8 => self.op().i64_extend8_s(),
            Width::W16 => self.op().i64_extend16_s(),
            Width::W32 => self.op().i64_extend32_s(),
            Width::W64 => return,
        };
    }

    /// Writes a store.
    pub fn store(
        &mut self,
        width: Width,
        addr: Value,
        value: Value,
        via: Option<(Value, u32)>,
        point: PointId,
    ) {
        let number = self.double_of(value).filter(|_| width == Width::W64);
        let (addr, value) = (self.operand(addr), self.operand(number.unwrap_or(value)));
        let double = number.is_some();
        if let Some((window, offset)) = via {
            self.window_pointer(window);
            self.if_hinted(BlockType::Empty, true);
            self.window_pointer(window);
            self.read(value);
            self.host_store(width, offset, double);
            self.op().else_();
            self.slow_store(Runtime::StoreAnywhere, width, addr, value, double, point);
        } else {
            let wanted = self.wanted(width.bytes(), true);
            let found = self.look_up(addr, &wanted);
            self.if_hinted(BlockType::Empty, true);
            self.host_address(addr, found.entry);
            self.read(value);
            self.host_store(width, 0, double);
            self.op().else_();
            self.not_allowed(&found);
            self.slow_store(Runtime::Store, width, addr, value, double, point);
        }
        self.end();
        self.finish(value);
        self.finish(addr);
    }

    /// The double whose bits a value is, if nobody else wants these.
    fn double_of(&self, value: Value) -> Option<Value> {
        match self.insts[value.0 as usize] {
            Inst::Unary(UnaryOp::ToBits, number) if self.is_inline(value) => Some(number),
            _ => None,
        }
    }

    fn host_store(&mut self, width: Width, offset: u32, double: bool) {
        let place = at(offset);
        match width {
            Width::W64 if double => self.op().f64_store(place),
            Width::W8 => self.op().i64_store8(place),
            Width::W16 => self.op().i64_store16(place),
            Width::W32 => self.op().i64_store32(place),
            Width::W64 => self.op().i64_store(place),
        };
    }

    fn slow_store(
        &mut self,
        by: Runtime,
        width: Width,
        addr: Operand,
        value: Operand,
        double: bool,
        point: PointId,
    ) {
        self.op().local_get(STATE);
        self.read(addr);
        self.read(value);
        if double {
            self.op().i64_reinterpret_f64();
        }
        self.op().i32_const(slow_code(width, point)).call(by.index());
        self.leave_if(self.ways.stopped);
    }

    /// Writes a load of what is about to be stored to. Its address must be a multiple of its width: so its low bits are
    /// compared with the tag's, which are zero.
    pub fn load_for_update(&mut self, width: Width, addr: Value, point: PointId) {
        let addr = self.operand(addr);
        let mask = !0xfff | (width.bytes() as i64 - 1);
        let wanted = Wanted {
            mask,
            last: 0,
            ..self.wanted(1, true)
        };
        let found = self.look_up(addr, &wanted);
        self.if_hinted(BlockType::Result(ValType::I64), true);
        self.host_address(addr, found.entry);
        self.host_load(width, 0, LoadKind::Unsigned);
        self.op().else_();
        self.not_allowed(&found);
        self.slow_load(Runtime::LoadForUpdate, width, addr, point, LoadKind::Unsigned);
        self.end();
        self.finish(addr);
    }

    /// Writes a window: its host address, as a pointer or as a number, is left on the operand stack.
    pub fn window(&mut self, addr: Value, span: u32, write: bool, as_pointer: bool) {
        let addr = self.operand(addr);
        let wanted = self.wanted(u64::from(span.max(1)), write);
        let found = self.look_up(addr, &wanted);
        self.if_hinted(BlockType::Result(ValType::I32), true);
        self.host_address(addr, found.entry);
        self.op().else_();
        self.not_allowed(&found);
        self.op().i32_const(0);
        self.end();
        if !as_pointer {
            self.op().i64_extend_i32_u();
        }
        self.finish(addr);
    }

    fn window_pointer(&mut self, window: Value) {
        self.push(window);
        if !self.plan.pointers[window.0 as usize] {
            self.op().i32_wrap_i64();
        }
    }

    /// Writes a call of a helper that may trap: its result is left on the operand stack.
    pub fn call(&mut self, helper: Helper, args: [Value; 2], code: u32, point: PointId) {
        self.store_point(point);
        self.op().local_get(STATE);
        self.push(args[0]);
        self.push(args[1]);
        self.op()
            .i64_const(0)
            .i32_const(code as i32)
            .call(Runtime::of(helper).index());
        match helper {
            Helper::Float => self.refresh_limits(),
            Helper::Control => {
                let (table, at_table) = (self.table, at(self.abi.table));
                self.op().local_get(STATE).i32_load(at_table).local_set(table);
            }
            _ => {}
        }
        let trapped = at(self.abi.trapped);
        self.op().local_get(STATE).i32_load(trapped);
        self.leave_if(self.ways.stopped);
    }
}
