//! What compiled code calls: the accesses that the fast table does not answer, and exact floating point.
//!
//! They are the interpreter's own operations, so both engines do the same.

use crate::engine::Core;
use crate::engine::interpreter::Exec;
use crate::ir::abi::Helper;
use crate::isa::riscv::csr::instruction::CsrAccess;
use crate::isa::riscv::float::perform;
use crate::isa::riscv::hart::Stop;
use crate::isa::riscv::insn::{Insn, Op};
use crate::isa::riscv::ops::{Ops, Width};
use crate::mem::Bus;

/// The type of all of them; see [`crate::ir::abi`].
type Function = unsafe extern "C" fn(*mut Core, u64, u64, u64, u32) -> u64;

/// The helpers for a bus of type `B`, in the order of [`Helper`].
pub fn table<B: Bus>() -> [usize; Helper::COUNT] {
    let functions: [Function; Helper::COUNT] = [
        load::<B>,
        store::<B>,
        load_for_update::<B>,
        load_reserved::<B>,
        store_conditional::<B>,
        float,
        control,
    ];
    functions.map(|function| function as usize)
}

/// Does `f` with an [`Exec`], and notes if the instruction stopped.
///
/// # Safety
/// As for the helpers: `core` is the state that compiled code was called with, which nobody else uses meanwhile, and its
/// context's `bus` is a `B`.
#[inline(always)]
unsafe fn with_exec<B: Bus>(core: *mut Core, f: impl FnOnce(&mut Exec<'_, B>) -> Result<u64, Stop>) -> u64 {
    // SAFETY: the caller's.
    let core = unsafe { &mut *core };
    // SAFETY: the caller's; the bus is not part of the core.
    let bus = unsafe { &mut *core.context.bus.cast::<B>() };
    let table = core.context.table;
    let mut exec = Exec {
        core,
        bus,
        table,
        page: 0,
    };
    match f(&mut exec) {
        Ok(value) => value,
        Err(Stop) => {
            exec.core.context.trapped = 1;
            0
        }
    }
}

/// The width that `code` tells.
fn width(code: u32) -> Width {
    match code {
        1 => Width::Byte,
        2 => Width::Half,
        4 => Width::Word,
        _ => Width::Double,
    }
}

/// Memory operations do not look at the instruction.
const ANY: Insn = Insn::new(Op::Li);

unsafe extern "C" fn load<B: Bus>(core: *mut Core, addr: u64, _: u64, _: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    unsafe { with_exec::<B>(core, |exec| exec.load(&ANY, width(code), addr)) }
}

unsafe extern "C" fn store<B: Bus>(core: *mut Core, addr: u64, value: u64, _: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        with_exec::<B>(core, |exec| {
            exec.store(&ANY, width(code), addr, value).map(|()| 0)
        })
    }
}

unsafe extern "C" fn load_for_update<B: Bus>(core: *mut Core, addr: u64, _: u64, _: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    unsafe { with_exec::<B>(core, |exec| exec.load_for_update(&ANY, width(code), addr)) }
}

unsafe extern "C" fn load_reserved<B: Bus>(core: *mut Core, addr: u64, _: u64, _: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    unsafe { with_exec::<B>(core, |exec| exec.load_reserved(&ANY, width(code), addr)) }
}

unsafe extern "C" fn store_conditional<B: Bus>(
    core: *mut Core,
    addr: u64,
    value: u64,
    _: u64,
    code: u32,
) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        with_exec::<B>(core, |exec| {
            exec.store_conditional(&ANY, width(code), addr, value)
        })
    }
}

unsafe extern "C" fn float(core: *mut Core, a: u64, b: u64, c: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    let core = unsafe { &mut *core };
    perform::perform(perform::FloatCode(code), a, b, c, &mut core.hart.state.csr)
}

/// What `trapped` is where a helper has not done what it was to do, so that the interpreter does it.
pub const DECLINED: u32 = 2;

/// `code` is a [`CsrAccess`]. Returns what the register was; where `mstatus` changes, what that is now.
unsafe extern "C" fn control(core: *mut Core, operand: u64, _: u64, _: u64, code: u32) -> u64 {
    // SAFETY: the caller's.
    let core = unsafe { &mut *core };
    let access = CsrAccess::from_bits(code);
    let Some(old) = core.hart.access_csr_quietly(access, operand) else {
        core.context.trapped = DECLINED;
        return 0;
    };
    if access.changes_status() {
        core.context.table = core.hart.tlb.table(core.hart.data_context());
        return core.hart.state.csr.mstatus;
    }
    old
}
