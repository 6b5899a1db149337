//! The slots of a RISC-V hart.

use crate::ir::{Slot, SlotInfo, Type};
use crate::isa::riscv::insn::Reg;

/// Number of slots.
pub const COUNT: usize = 65;

/// `mstatus`, which compiled code reads only.
pub const MSTATUS: Slot = Slot(64);

/// An integer register; not for [`Reg::SINK`].
pub fn integer(reg: Reg) -> Slot {
    Slot(reg.index() as u8 & 31)
}

/// A floating-point register.
pub fn float(reg: Reg) -> Slot {
    Slot(32 + (reg.index() as u8 & 31))
}

/// The type of a slot.
pub fn ty(slot: Slot) -> Type {
    if (32..64).contains(&slot.0) {
        Type::F64
    } else {
        Type::I64
    }
}

/// All slots by number, each at the place in the state that `offset_of` gives.
pub fn slot_infos(offset_of: impl Fn(Slot) -> u32) -> Vec<SlotInfo> {
    let name = |number: u8| match number {
        0..32 => format!("x{number}"),
        32..64 => format!("f{}", number - 32),
        _ => "mstatus".to_owned(),
    };
    let info = |number| SlotInfo {
        name: name(number),
        ty: ty(Slot(number)),
        offset: offset_of(Slot(number)),
    };
    (0..COUNT as u8).map(info).collect()
}
