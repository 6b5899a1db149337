//! The interpreter's vocabulary: [`Ops`] on plain numbers, done at once.
//!
//! `Exec` is taken apart into registers by the compiler, so nothing that is not inlined may be given a reference to it.

use super::memory;
use crate::engine::Core;
use crate::isa::riscv::csr::mstatus;
use crate::isa::riscv::float::{self, Flags, Rounding, perform};
use crate::isa::riscv::hart::Stop;
use crate::isa::riscv::insn::{Insn, Reg};
use crate::isa::riscv::ops::{Condition, FloatCompare, FloatOp, IntKind, Ops, Precision, Width};
use crate::isa::riscv::trap::{Cause, Exception};
use crate::mem::Bus;
use crate::mem::tlb::{Entry, index, tag};

/// What follows an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Next,
    /// The one at this address.
    Jump(u64),
    /// It is one for [`super::system`], or none at all.
    System,
}

/// What instructions work on.
#[derive(Debug)]
pub struct Exec<'a, B> {
    pub core: &'a mut Core,
    pub bus: &'a mut B,
    /// The fast table of the current context.
    pub table: *const Entry,
    /// Virtual address of the page that runs.
    pub page: u64,
}

impl<B: Bus> Exec<'_, B> {
    /// The fast table's entry for `addr`.
    #[inline(always)]
    fn entry(&mut self, addr: u64) -> &Entry {
        self.core.accesses += 1;
        // SAFETY: a context's table has `ENTRIES` entries, below which `index` stays, and lives as long as the hart.
        unsafe { &*self.table.add(index(addr)) }
    }

    /// The rounding mode of an instruction.
    #[inline(always)]
    fn rounding(&mut self, insn: &Insn) -> Result<Rounding, Stop> {
        let mode = if insn.rm == 7 {
            self.core.hart.state.csr.frm
        } else {
            insn.rm
        };
        Rounding::from_bits(mode).ok_or_else(|| memory::illegal(&mut self.core.hart))
    }

    /// Does `f` with the accrued flags.
    #[inline(always)]
    fn with_flags<T>(&mut self, f: impl FnOnce(&mut Flags) -> T) -> T {
        self.core.hart.state.csr.with_flags(f)
    }
}

/// Reads `width` at a host address, zero-extended.
///
/// # Safety
/// The bytes must be readable guest memory.
#[inline(always)]
unsafe fn read_host(ptr: *const u8, width: Width) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        match width {
            Width::Byte => u64::from(ptr.read()),
            Width::Half => u64::from(u16::from_le(ptr.cast::<u16>().read_unaligned())),
            Width::Word => u64::from(u32::from_le(ptr.cast::<u32>().read_unaligned())),
            Width::Double => u64::from_le(ptr.cast::<u64>().read_unaligned()),
        }
    }
}

/// Writes the low `width` of `value` at a host address.
///
/// # Safety
/// The bytes must be writable guest memory that holds no decoded code.
#[inline(always)]
unsafe fn write_host(ptr: *mut u8, width: Width, value: u64) {
    // SAFETY: the caller's.
    unsafe {
        match width {
            Width::Byte => ptr.write(value as u8),
            Width::Half => ptr.cast::<u16>().write_unaligned((value as u16).to_le()),
            Width::Word => ptr.cast::<u32>().write_unaligned((value as u32).to_le()),
            Width::Double => ptr.cast::<u64>().write_unaligned(value.to_le()),
        }
    }
}

impl<B: Bus> Ops for Exec<'_, B> {
    type V = u64;
    type Stop = Stop;
    type Flow = Flow;

    #[inline(always)]
    fn constant(&mut self, value: u64) -> u64 {
        value
    }
    #[inline(always)]
    fn x(&mut self, reg: Reg) -> u64 {
        self.core.hart.state.x.get(reg)
    }
    #[inline(always)]
    fn set_x(&mut self, reg: Reg, value: u64) {
        self.core.hart.state.x.set(reg, value);
    }
    #[inline(always)]
    fn pc(&mut self, insn: &Insn) -> u64 {
        self.page.wrapping_add(u64::from(insn.offset))
    }
    #[inline(always)]
    fn add(&mut self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }
    #[inline(always)]
    fn sub(&mut self, a: u64, b: u64) -> u64 {
        a.wrapping_sub(b)
    }
    #[inline(always)]
    fn and(&mut self, a: u64, b: u64) -> u64 {
        a & b
    }
    #[inline(always)]
    fn or(&mut self, a: u64, b: u64) -> u64 {
        a | b
    }
    #[inline(always)]
    fn xor(&mut self, a: u64, b: u64) -> u64 {
        a ^ b
    }
    #[inline(always)]
    fn shl(&mut self, a: u64, b: u64) -> u64 {
        a << (b & 63)
    }
    #[inline(always)]
    fn shr(&mut self, a: u64, b: u64) -> u64 {
        a >> (b & 63)
    }
    #[inline(always)]
    fn sar(&mut self, a: u64, b: u64) -> u64 {
        (a as i64 >> (b & 63)) as u64
    }
    #[inline(always)]
    fn rotr(&mut self, a: u64, b: u64) -> u64 {
        a.rotate_right(b as u32 & 63)
    }
    #[inline(always)]
    fn rotr32(&mut self, a: u64, b: u64) -> u64 {
        u64::from((a as u32).rotate_right(b as u32 & 31))
    }
    #[inline(always)]
    fn mul(&mut self, a: u64, b: u64) -> u64 {
        a.wrapping_mul(b)
    }
    #[inline(always)]
    fn mulh(&mut self, a: u64, b: u64) -> u64 {
        ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
    }
    #[inline(always)]
    fn mulhu(&mut self, a: u64, b: u64) -> u64 {
        ((u128::from(a) * u128::from(b)) >> 64) as u64
    }
    #[inline(always)]
    fn mulhsu(&mut self, a: u64, b: u64) -> u64 {
        ((i128::from(a as i64) * b as i128) >> 64) as u64
    }
    #[inline(always)]
    fn div(&mut self, a: u64, b: u64) -> u64 {
        if b == 0 {
            u64::MAX
        } else {
            (a as i64).wrapping_div(b as i64) as u64
        }
    }
    #[inline(always)]
    fn divu(&mut self, a: u64, b: u64) -> u64 {
        a.checked_div(b).unwrap_or(u64::MAX)
    }
    #[inline(always)]
    fn rem(&mut self, a: u64, b: u64) -> u64 {
        if b == 0 {
            a
        } else {
            (a as i64).wrapping_rem(b as i64) as u64
        }
    }
    #[inline(always)]
    fn remu(&mut self, a: u64, b: u64) -> u64 {
        a.checked_rem(b).unwrap_or(a)
    }
    #[inline(always)]
    fn slt(&mut self, a: u64, b: u64) -> u64 {
        u64::from((a as i64) < b as i64)
    }
    #[inline(always)]
    fn sltu(&mut self, a: u64, b: u64) -> u64 {
        u64::from(a < b)
    }
    #[inline(always)]
    fn select(&mut self, condition: u64, a: u64, b: u64) -> u64 {
        if condition != 0 { a } else { b }
    }
    #[inline(always)]
    fn sext(&mut self, width: Width, a: u64) -> u64 {
        match width {
            Width::Byte => a as i8 as u64,
            Width::Half => a as i16 as u64,
            Width::Word => a as i32 as u64,
            Width::Double => a,
        }
    }
    #[inline(always)]
    fn zext(&mut self, width: Width, a: u64) -> u64 {
        match width {
            Width::Byte => u64::from(a as u8),
            Width::Half => u64::from(a as u16),
            Width::Word => u64::from(a as u32),
            Width::Double => a,
        }
    }
    #[inline(always)]
    fn clz(&mut self, a: u64) -> u64 {
        u64::from(a.leading_zeros())
    }
    #[inline(always)]
    fn ctz(&mut self, a: u64) -> u64 {
        u64::from(a.trailing_zeros())
    }
    #[inline(always)]
    fn cpop(&mut self, a: u64) -> u64 {
        u64::from(a.count_ones())
    }
    #[inline(always)]
    fn rev8(&mut self, a: u64) -> u64 {
        a.swap_bytes()
    }
    #[inline(always)]
    fn orc_b(&mut self, a: u64) -> u64 {
        // The top bit of each byte that is not zero, then that bit spread over its byte.
        const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let top = ((a & LOW_SEVEN).wrapping_add(LOW_SEVEN) | a) & !LOW_SEVEN;
        (top >> 7).wrapping_mul(0xff)
    }

    #[inline(always)]
    fn load(&mut self, _: &Insn, width: Width, addr: u64) -> Result<u64, Stop> {
        let entry = *self.entry(addr);
        if entry.read == tag(addr, width.bytes()) {
            let ptr = (addr as usize).wrapping_add(entry.addend) as *const u8;
            // SAFETY: the tag matched, so the entry's page is mapped for loads and holds the whole access.
            return Ok(unsafe { read_host(ptr, width) });
        }
        memory::load(&mut self.core.hart, self.bus, addr, width)
    }
    #[inline(always)]
    fn store(&mut self, _: &Insn, width: Width, addr: u64, value: u64) -> Result<(), Stop> {
        let entry = *self.entry(addr);
        if entry.write == tag(addr, width.bytes()) {
            let ptr = (addr as usize).wrapping_add(entry.addend) as *mut u8;
            // SAFETY: the tag matched, so the entry's page is mapped for stores, holds the whole access and no code.
            unsafe { write_host(ptr, width, value) };
            return Ok(());
        }
        memory::store(&mut self.core.hart, self.bus, addr, width, value)
    }
    #[inline(always)]
    fn load_for_update(&mut self, _: &Insn, width: Width, addr: u64) -> Result<u64, Stop> {
        let entry = *self.entry(addr);
        if entry.write == tag(addr, width.bytes()) && addr & (width.bytes() - 1) == 0 {
            let ptr = (addr as usize).wrapping_add(entry.addend) as *const u8;
            // SAFETY: as in `store`; a page that may be stored to may be loaded from.
            return Ok(unsafe { read_host(ptr, width) });
        }
        memory::load_for_update(&mut self.core.hart, self.bus, addr, width)
    }
    #[inline(always)]
    fn load_reserved(&mut self, insn: &Insn, width: Width, addr: u64) -> Result<u64, Stop> {
        if addr & (width.bytes() - 1) != 0 {
            let exception = Exception::new(Cause::LoadMisaligned, addr);
            return Err(self.core.hart.raise(exception));
        }
        let value = self.load(insn, width, addr)?;
        self.core.hart.state.reservation = Some(addr);
        Ok(value)
    }
    #[inline(always)]
    fn store_conditional(&mut self, insn: &Insn, width: Width, addr: u64, value: u64) -> Result<u64, Stop> {
        if addr & (width.bytes() - 1) != 0 {
            let exception = Exception::new(Cause::StoreMisaligned, addr);
            return Err(self.core.hart.raise(exception));
        }
        if self.core.hart.state.reservation.take() != Some(addr) {
            return Ok(1);
        }
        self.store(insn, width, addr, value)?;
        Ok(0)
    }

    #[inline(always)]
    fn next(&mut self) -> Result<Flow, Stop> {
        Ok(Flow::Next)
    }
    #[inline(always)]
    fn branch(
        &mut self,
        insn: &Insn,
        condition: Condition,
        a: u64,
        b: u64,
        offset: i32,
    ) -> Result<Flow, Stop> {
        let taken = match condition {
            Condition::Eq => a == b,
            Condition::Ne => a != b,
            Condition::Lt => (a as i64) < b as i64,
            Condition::Ge => a as i64 >= b as i64,
            Condition::Ltu => a < b,
            Condition::Geu => a >= b,
        };
        if taken {
            self.jump(insn, offset)
        } else {
            Ok(Flow::Next)
        }
    }
    #[inline(always)]
    fn jump(&mut self, insn: &Insn, offset: i32) -> Result<Flow, Stop> {
        Ok(Flow::Jump(self.pc(insn).wrapping_add(i64::from(offset) as u64)))
    }
    #[inline(always)]
    fn jump_to(&mut self, _: &Insn, target: u64) -> Result<Flow, Stop> {
        Ok(Flow::Jump(target))
    }
    #[inline(always)]
    fn system(&mut self, _: &Insn) -> Result<Flow, Stop> {
        Ok(Flow::System)
    }

    #[inline(always)]
    fn float_enabled(&mut self, _: &Insn) -> Result<(), Stop> {
        if self.core.hart.state.csr.mstatus & mstatus::FS == 0 {
            return Err(memory::illegal(&mut self.core.hart));
        }
        Ok(())
    }
    #[inline(always)]
    fn f(&mut self, reg: Reg) -> u64 {
        self.core.hart.state.f[reg.index() & 31]
    }
    #[inline(always)]
    fn set_f(&mut self, reg: Reg, value: u64) {
        let state = &mut self.core.hart.state;
        state.f[reg.index() & 31] = value;
        state.csr.mstatus |= mstatus::FS;
    }
    #[inline(always)]
    fn unbox(&mut self, value: u64) -> u64 {
        float::unbox_f32(value)
    }
    #[inline(always)]
    fn float(&mut self, insn: &Insn, op: FloatOp, precision: Precision, a: u64, b: u64) -> Result<u64, Stop> {
        // `rm` selects between minimum and maximum: it is no rounding mode there.
        let rounding = match op {
            FloatOp::Min | FloatOp::Max => Rounding::NearestEven,
            _ => self.rounding(insn)?,
        };
        Ok(self.with_flags(|flags| perform::arithmetic(op, precision, a, b, rounding, flags)))
    }
    #[inline(always)]
    fn float_fma(&mut self, insn: &Insn, precision: Precision, a: u64, b: u64, c: u64) -> Result<u64, Stop> {
        let rounding = self.rounding(insn)?;
        Ok(self.with_flags(|flags| perform::fused(precision, a, b, c, rounding, flags)))
    }
    #[inline(always)]
    fn float_compare(&mut self, op: FloatCompare, precision: Precision, a: u64, b: u64) -> u64 {
        u64::from(self.with_flags(|flags| perform::compare(op, precision, a, b, flags)))
    }
    #[inline(always)]
    fn float_classify(&mut self, precision: Precision, a: u64) -> u64 {
        perform::classify(precision, a)
    }
    #[inline(always)]
    fn float_to_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: u64,
    ) -> Result<u64, Stop> {
        let rounding = self.rounding(insn)?;
        Ok(self.with_flags(|flags| perform::to_int(precision, kind, a, rounding, flags)))
    }
    #[inline(always)]
    fn float_from_int(
        &mut self,
        insn: &Insn,
        precision: Precision,
        kind: IntKind,
        a: u64,
    ) -> Result<u64, Stop> {
        let rounding = self.rounding(insn)?;
        Ok(self.with_flags(|flags| perform::from_int(precision, kind, a, rounding, flags)))
    }
    #[inline(always)]
    fn float_convert(&mut self, insn: &Insn, precision: Precision, a: u64) -> Result<u64, Stop> {
        let rounding = self.rounding(insn)?;
        Ok(self.with_flags(|flags| perform::convert(precision, a, rounding, flags)))
    }
}
