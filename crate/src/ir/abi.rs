//! The contract between compiled code and the run loop: where the guest's state lies and which helpers there are.
//!
//! A compiled region is a function `fn(state: *mut State, entry: u32) -> u32`. `state` is one hart and all that belongs to
//! it; offsets below are in bytes from it. `entry` is an index into [`super::Region::entries`]. The result is a
//! [`super::Leave`].
//!
//! Before it returns, the function stores every slot that it keeps in a local and has written, the count of retired
//! instructions (64 bits, at `retired`), its own number (32 bits, at [`Abi::region`]), and
//! * for `Next` and `Budget`: the guest's program counter (64 bits, at `pc`);
//! * for `Interpret` and `Stopped`: the [`super::PointId`] ([`Abi::point`], 32 bits), by which the run loop finds the program
//!   counter and how many instructions of the block to add to `retired`.
//!
//! `Next`: where instructions are left (`retired < run_until`), the function first looks into the branch-target cache and
//! goes on in the region found there by a tail call with the same `state`, if the back end can; see [`TargetLayout`].
//!
//! **Memory.** `table` holds the host address of the fast table. An access to `bytes` bytes at `addr` uses its entry
//! number `addr >> 12 & index_mask`, and is allowed if the entry's `read` (or `write`) tag, 64 bits, equals
//! `(addr + bytes - 1) & !0xfff`. An entry that allows stores allows loads. The host address is then `addr + addend`, wrapping to the host's pointer width. Otherwise
//! the helper [`Helper::Load`] or [`Helper::Store`] does the access.
//!
//! **Helpers.** `helpers` holds one pointer (natively an address, in wasm an index into the function table) for each
//! [`Helper`], all of type `fn(state: *mut State, a: u64, b: u64, c: u64, code: u32) -> u64`. A helper that may trap sets the
//! 32 bits at `trapped` to something other than 0 if it did; then the function returns `Stopped` at once. (The run loop
//! clears them.) Helpers neither read nor write slots that may be kept in locals; what [`Helper::Control`] writes, code
//! that follows sets the slot to.
//!
//! **Floating point.** *Ready* ([`super::FloatOp`]) is: the byte at `float_flags` has the bit `inexact`, and the byte at
//! `rounding` is 0. Only [`Helper::Float`] and what happens outside compiled code change these bytes.

use super::{Slot, Type, Width};

/// A slot's name, type and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotInfo {
    /// As text shows it, such as `x5`.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its place in the state.
    pub offset: u32,
}

/// Functions of the run loop that compiled code calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Helper {
    /// Loads: `a` is the address, `code` the width in bytes.
    Load = 0,
    /// Stores: `a` is the address, `b` the value, `code` the width in bytes.
    Store = 1,
    /// Loads what is about to be stored to: as `Load`.
    LoadForUpdate = 2,
    /// Loads and reserves: as `Load`.
    LoadReserved = 3,
    /// Stores if the reservation holds: as `Store`; 0 if stored, else 1.
    StoreConditional = 4,
    /// A floating-point operation on `a`, `b` and `c`, which `code` tells. Never traps.
    Float = 5,
    /// Accesses a control register, which `code` tells, with the operand `a`. Afterwards the pointer at `table` may be
    /// another one.
    Control = 6,
}

impl Helper {
    /// All, by number.
    pub const ALL: [Helper; 7] = [
        Helper::Load,
        Helper::Store,
        Helper::LoadForUpdate,
        Helper::LoadReserved,
        Helper::StoreConditional,
        Helper::Float,
        Helper::Control,
    ];
    /// Their number.
    pub const COUNT: usize = Helper::ALL.len();
}

/// The fast table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// Number of entries less one.
    pub index_mask: u32,
    /// Bytes of an entry, a power of two.
    pub entry_bytes: u32,
    /// Offset of the tag for loads, 64 bits.
    pub read: u32,
    /// Offset of the tag for stores, 64 bits.
    pub write: u32,
    /// Offset of the host address less the guest's, of the host's pointer width.
    pub addend: u32,
}

/// The branch-target cache, as compiled code looks into it: the set of `pc` is number
/// `(pc >> 1 ^ pc >> fold_shift) & set_mask`; its `ways` entries lie next to each other. An entry whose 64 bits at `pc`
/// equal the guest's program counter gives the region: `function` (its low 32 or 64 bits, as wide as the host's
/// pointers) and `entry` (32 bits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetLayout {
    /// Number of sets less one.
    pub set_mask: u32,
    /// See above.
    pub fold_shift: u32,
    /// Entries of a set that are looked at.
    pub ways: u32,
    /// Bytes of an entry, a power of two.
    pub entry_bytes: u32,
    /// Offset of the guest's program counter, 64 bits.
    pub pc: u32,
    /// Offset of the function, 64 bits.
    pub function: u32,
    /// Offset of the entry number, 32 bits.
    pub entry: u32,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abi {
    /// The slots, by number.
    pub slots: Vec<SlotInfo>,
    /// The guest's program counter, 64 bits.
    pub pc: u32,
    /// Instructions retired, 64 bits.
    pub retired: u32,
    /// The count of retired instructions at which to return, 64 bits.
    pub run_until: u32,
    /// Pointer to the fast table of the current context.
    pub table: u32,
    /// Its layout.
    pub table_layout: TableLayout,
    /// Pointer to the entries of the branch-target cache.
    pub targets: u32,
    /// Its layout.
    pub target_layout: TargetLayout,
    /// The helpers, an array of pointers.
    pub helpers: u32,
    /// Set by helpers that trap, 32 bits.
    pub trapped: u32,
    /// Where the function stores its number, 32 bits.
    pub region: u32,
    /// Where the function stores its point, 32 bits.
    pub point: u32,
    /// The accrued floating-point flags, a byte.
    pub float_flags: u32,
    /// The inexact flag's bit in it.
    pub inexact: u8,
    /// The dynamic rounding mode, a byte; 0 is to nearest, ties to even.
    pub rounding: u32,
    /// Bytes of a pointer of the host that runs the compiled code: 4 or 8.
    pub pointer_bytes: u32,
}

impl Abi {
    /// What is known of a slot.
    pub fn slot(&self, slot: Slot) -> &SlotInfo {
        &self.slots[usize::from(slot.0)]
    }

    /// Offset of a helper's pointer.
    pub fn helper(&self, helper: Helper) -> u32 {
        self.helpers + helper as u32 * self.pointer_bytes
    }
}

/// `code` of an access of `width`.
pub const fn width_code(width: Width) -> u32 {
    width.bytes() as u32
}
