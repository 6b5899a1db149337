//! The slots of a RISC-V hart.

use crate::ir::{Slot, SlotInfo, Type};
use crate::isa::riscv::csr::number;
use crate::isa::riscv::insn::Reg;

/// Number of slots.
pub const COUNT: usize = 70;

/// `mstatus`.
pub const MSTATUS: Slot = Slot(64);

/// Control registers that do nothing but keep what is written, and their names; their slots come after that of `mstatus`.
pub const CONTROL: [(u32, &str); 4] = [
    (number::SSCRATCH, "sscratch"),
    (number::SEPC, "sepc"),
    (number::SCAUSE, "scause"),
    (number::STVAL, "stval"),
];

/// One of these.
pub fn control(number: u32) -> Option<Slot> {
    let at = CONTROL.iter().position(|&(known, _)| known == number)?;
    Some(Slot(MSTATUS.0 + 1 + at as u8))
}

/// `menvcfg`, which compiled code only reads.
pub const MENVCFG: Slot = Slot(69);

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
        64 => "mstatus".to_owned(),
        69 => "menvcfg".to_owned(),
        _ => CONTROL[usize::from(number) - 65].1.to_owned(),
    };
    let info = |number| SlotInfo {
        name: name(number),
        ty: ty(Slot(number)),
        offset: offset_of(Slot(number)),
    };
    (0..COUNT as u8).map(info).collect()
}
