//! Functions that every module has: what regions call when the fast table does not allow an access, and the helpers.

use wasm_encoder::{BlockType, CodeSection, Function, FunctionSection, TypeSection, ValType};

use super::function::at;
use super::memory::entry_shift_and_mask;
use crate::ir::abi::{Helper, width_code};
use crate::ir::{Abi, PointId, Width};

/// A function of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Runtime {
    /// The helpers themselves, first: `(state, a, b, c, code) -> i64`.
    RawLoad = 0,
    RawStore,
    RawLoadForUpdate,
    RawLoadReserved,
    RawStoreConditional,
    RawFloat,
    RawControl,
    /// `(state, addr, code) -> (value, trapped)`, by the helper; the code is a [`slow_code`].
    Load,
    LoadForUpdate,
    /// `(state, addr, value, code) -> trapped`, by the helper.
    Store,
    /// As `Load` and `Store`, but the fast table is tried first.
    LoadAnywhere,
    StoreAnywhere,
    /// `(state) -> i32`: whether floating-point operations may be done by the host's.
    Ready,
}

/// Bits of the width in a [`slow_code`].
const WIDTH_BITS: u32 = 4;
const WIDTH_MASK: i32 = (1 << WIDTH_BITS) - 1;
/// Points that a region may have.
pub const MOST_POINTS: usize = 1 << (32 - WIDTH_BITS);

/// An access's width in bytes, and above it the point at which it is left if it traps. The function stores that, so that
/// regions need no local for it, which would be alive from the first access to the last.
pub fn slow_code(width: Width, point: PointId) -> i32 {
    (width_code(width) | point.0 << WIDTH_BITS) as i32
}

// Types, by index.
const HELPER_TYPE: u32 = 1;
const LOAD_TYPE: u32 = 2;
const STORE_TYPE: u32 = 3;
const READY_TYPE: u32 = 4;

impl Runtime {
    /// The type of regions.
    pub const REGION_TYPE: u32 = 0;
    /// How many there are; the functions of regions follow.
    pub const COUNT: u32 = Runtime::Ready as u32 + 1;

    /// Its index among the module's functions.
    pub fn index(self) -> u32 {
        self as u32
    }

    /// The helper itself.
    pub fn of(helper: Helper) -> Self {
        match helper {
            Helper::Load => Runtime::RawLoad,
            Helper::Store => Runtime::RawStore,
            Helper::LoadForUpdate => Runtime::RawLoadForUpdate,
            Helper::LoadReserved => Runtime::RawLoadReserved,
            Helper::StoreConditional => Runtime::RawStoreConditional,
            Helper::Float => Runtime::RawFloat,
            Helper::Control => Runtime::RawControl,
        }
    }
}

/// All types of a module.
pub fn types() -> TypeSection {
    use ValType::{I32, I64};
    let mut types = TypeSection::new();
    types.ty().function([I32, I32], [I32]);
    types.ty().function([I32, I64, I64, I64, I32], [I64]);
    types.ty().function([I32, I64, I32], [I64, I32]);
    types.ty().function([I32, I64, I64, I32], [I32]);
    types.ty().function([I32], [I32]);
    types
}

/// Adds the functions, which come first in a module.
pub fn add(abi: &Abi, functions: &mut FunctionSection, code: &mut CodeSection) {
    for helper in Helper::ALL {
        functions.function(HELPER_TYPE);
        code.function(&raw(abi, helper));
    }
    for helper in [Helper::Load, Helper::LoadForUpdate] {
        functions.function(LOAD_TYPE);
        code.function(&load(abi, helper));
    }
    functions.function(STORE_TYPE);
    code.function(&store(abi));
    functions.function(LOAD_TYPE);
    code.function(&anywhere(abi, false));
    functions.function(STORE_TYPE);
    code.function(&anywhere(abi, true));
    functions.function(READY_TYPE);
    code.function(&ready(abi));
}

fn raw(abi: &Abi, helper: Helper) -> Function {
    let mut function = Function::new([]);
    let mut op = function.instructions();
    op.local_get(0)
        .local_get(1)
        .local_get(2)
        .local_get(3)
        .local_get(4);
    op.local_get(0)
        .i32_load(at(abi.helper(helper)))
        .call_indirect(0, HELPER_TYPE)
        .end();
    function
}

fn load(abi: &Abi, helper: Helper) -> Function {
    let mut function = Function::new([]);
    store_point(&mut function, abi, 2);
    let mut op = function.instructions();
    op.local_get(0)
        .local_get(1)
        .i64_const(0)
        .i64_const(0)
        .local_get(2)
        .i32_const(WIDTH_MASK)
        .i32_and();
    op.call(Runtime::of(helper).index())
        .local_get(0)
        .i32_load(at(abi.trapped))
        .end();
    function
}

fn store(abi: &Abi) -> Function {
    let mut function = Function::new([]);
    store_point(&mut function, abi, 3);
    let mut op = function.instructions();
    op.local_get(0)
        .local_get(1)
        .local_get(2)
        .i64_const(0)
        .local_get(3)
        .i32_const(WIDTH_MASK)
        .i32_and();
    op.call(Runtime::RawStore.index())
        .drop()
        .local_get(0)
        .i32_load(at(abi.trapped))
        .end();
    function
}

/// Stores the point of the [`slow_code`] in local `code`.
fn store_point(function: &mut Function, abi: &Abi, code: u32) {
    function
        .instructions()
        .local_get(0)
        .local_get(code)
        .i32_const(WIDTH_BITS as i32)
        .i32_shr_u()
        .i32_store(at(abi.point));
}

/// Writes the look-up of the address in local 1, its [`slow_code`] being in local `code`, up to an `i32` that tells whether the access
/// is allowed; the entry's address is put into local `entry`.
fn look_up(function: &mut Function, abi: &Abi, tag: u32, code: u32, entry: u32) {
    let (shift, mask) = entry_shift_and_mask(&abi.table_layout);
    let mut op = function.instructions();
    op.local_get(1)
        .i32_wrap_i64()
        .i32_const(shift)
        .i32_shr_u()
        .i32_const(mask)
        .i32_and();
    op.local_get(0)
        .i32_load(at(abi.table))
        .i32_add()
        .local_tee(entry)
        .i64_load(at(tag));
    op.local_get(1)
        .local_get(code)
        .i32_const(WIDTH_MASK)
        .i32_and()
        .i32_const(1)
        .i32_sub()
        .i64_extend_i32_u()
        .i64_add();
    op.i64_const(!0xfff).i64_and().i64_eq();
}

/// A load, or a store, of any width at an address that may be anywhere: in line if the fast table allows it.
fn anywhere(abi: &Abi, write: bool) -> Function {
    // Before it come the state, the address, and what is stored.
    let code = if write { 3 } else { 2 };
    let host = code + 1;
    let (tag, slow) = if write {
        (abi.table_layout.write, Runtime::Store)
    } else {
        (abi.table_layout.read, Runtime::Load)
    };
    let mut function = Function::new([(1, ValType::I32)]);
    look_up(&mut function, abi, tag, code, host);
    let mut op = function.instructions();
    op.if_(BlockType::Empty);
    op.local_get(host)
        .i32_load(at(abi.table_layout.addend))
        .local_get(1)
        .i32_wrap_i64()
        .i32_add()
        .local_set(host);
    for bytes in [1, 2, 4, 8] {
        op.local_get(code)
            .i32_const(WIDTH_MASK)
            .i32_and()
            .i32_const(bytes)
            .i32_eq()
            .if_(BlockType::Empty)
            .local_get(host);
        if write {
            op.local_get(2);
        }
        match (bytes, write) {
            (1, false) => op.i64_load8_u(at(0)),
            (2, false) => op.i64_load16_u(at(0)),
            (4, false) => op.i64_load32_u(at(0)),
            (_, false) => op.i64_load(at(0)),
            (1, true) => op.i64_store8(at(0)),
            (2, true) => op.i64_store16(at(0)),
            (4, true) => op.i64_store32(at(0)),
            (_, true) => op.i64_store(at(0)),
        };
        op.i32_const(0).return_().end();
    }
    op.end();
    for parameter in 0..=code {
        op.local_get(parameter);
    }
    op.call(slow.index()).end();
    function
}

fn ready(abi: &Abi) -> Function {
    let mut function = Function::new([]);
    let mut op = function.instructions();
    op.local_get(0)
        .i32_load8_u(at(abi.float_flags))
        .i32_const(i32::from(abi.inexact))
        .i32_and()
        .i32_const(0)
        .i32_ne();
    op.local_get(0)
        .i32_load8_u(at(abi.rounding))
        .i32_eqz()
        .i32_and()
        .end();
    function
}
