//! Loads and stores that the fast table does not answer: translation, devices, page crossings, faults.

use crate::isa::riscv::hart::{Hart, Stop};
use crate::isa::riscv::mmu::Access;
use crate::isa::riscv::ops::Width;
use crate::isa::riscv::trap::{Cause, Exception};
use crate::mem::{Bus, PAGE_SIZE, tlb};

/// Stops with an illegal-instruction exception. Whoever takes it reads the instruction's bits again.
#[cold]
#[inline(never)]
pub fn illegal(hart: &mut Hart) -> Stop {
    hart.raise(Exception::new(Cause::IllegalInstruction, 0))
}

/// Whether `len` bytes at `addr` lie in two pages.
fn crosses_page(addr: u64, len: u64) -> bool {
    (addr & (PAGE_SIZE - 1)) + len > PAGE_SIZE
}

/// Translates an access within a page, and raises what it fails with.
fn translate<B: Bus>(hart: &mut Hart, bus: &mut B, addr: u64, len: u64, access: Access) -> Result<u64, Stop> {
    translate_quietly(hart, bus, addr, len, access).map_err(|exception| hart.raise(exception))
}

/// Translates an access within a page, and enters RAM pages into the fast table where the whole page allows it.
pub fn translate_quietly<B: Bus>(
    hart: &mut Hart,
    bus: &mut B,
    addr: u64,
    len: u64,
    access: Access,
) -> Result<u64, Exception> {
    let context = hart.data_context();
    let page = hart
        .tlb
        .recall(context, addr, tlb::tag(addr, len), access == Access::Write);
    if let Some(page) = page {
        return Ok(page | addr & (PAGE_SIZE - 1));
    }
    let privilege = hart.data_privilege();
    let translation = hart.translate(bus, addr, len, access, privilege)?;
    let physical = translation.physical & !(PAGE_SIZE - 1);
    hart.tlb.misses += 1;
    if let Ok(host) = bus.ram().host_ptr(physical, PAGE_SIZE) {
        let readable = translation.readable && hart.whole_page_allowed(privilege, Access::Read, physical);
        let writable = translation.writable
            && hart.whole_page_allowed(privilege, Access::Write, physical)
            && bus.ram_mut().allow_stores(physical);
        hart.superpages.note(addr, translation.size);
        let mapping = tlb::Mapping {
            vaddr: addr,
            physical,
            host,
            readable,
            writable,
            global: translation.global,
            size: translation.size,
        };
        hart.tlb.fill(context, mapping);
    }
    Ok(translation.physical)
}

/// Loads, zero-extended.
#[cold]
#[inline(never)]
pub fn load<B: Bus>(hart: &mut Hart, bus: &mut B, addr: u64, width: Width) -> Result<u64, Stop> {
    load_as(hart, bus, addr, width, Access::Read)
}

/// Loads what an atomic instruction is about to store to.
#[cold]
#[inline(never)]
pub fn load_for_update<B: Bus>(hart: &mut Hart, bus: &mut B, addr: u64, width: Width) -> Result<u64, Stop> {
    if addr & (width.bytes() - 1) != 0 {
        return Err(hart.raise(Exception::new(Cause::StoreMisaligned, addr)));
    }
    let physical = translate(hart, bus, addr, width.bytes(), Access::Write)?;
    // Devices do not answer atomics.
    load_ram(bus, physical, width.bytes()).ok_or_else(|| hart.raise(Access::Write.access_fault(addr)))
}

fn load_as<B: Bus>(
    hart: &mut Hart,
    bus: &mut B,
    addr: u64,
    width: Width,
    access: Access,
) -> Result<u64, Stop> {
    let len = width.bytes();
    if crosses_page(addr, len) {
        return load_crossing(hart, bus, addr, len, access);
    }
    let physical = translate(hart, bus, addr, len, access)?;
    if let Some(value) = load_ram(bus, physical, len) {
        return Ok(value);
    }
    if physical & (len - 1) != 0 {
        return Err(hart.raise(access.access_fault(addr)));
    }
    hart.leave_soon();
    bus.mmio_read(physical, len as u8)
        .map_err(|_| hart.raise(access.access_fault(addr)))
}

/// A load that lies in two pages: both must translate, and to RAM.
fn load_crossing<B: Bus>(
    hart: &mut Hart,
    bus: &mut B,
    addr: u64,
    len: u64,
    access: Access,
) -> Result<u64, Stop> {
    let second = addr.wrapping_add(len - 1) & !(PAGE_SIZE - 1);
    let first_len = second.wrapping_sub(addr);
    let low = translate(hart, bus, addr, first_len, access)?;
    let high = translate(hart, bus, second, len - first_len, access)?;
    let mut value = 0;
    for i in (0..len).rev() {
        let (physical, vaddr) = if i < first_len {
            (low + i, addr)
        } else {
            (high + (i - first_len), second)
        };
        let byte = bus
            .ram()
            .read_u8(physical)
            .map_err(|_| hart.raise(access.access_fault(vaddr)))?;
        value = value << 8 | u64::from(byte);
    }
    Ok(value)
}

fn load_ram<B: Bus>(bus: &B, physical: u64, len: u64) -> Option<u64> {
    let bytes = bus.ram().slice(physical, len).ok()?;
    let mut value = [0; 8];
    value[..bytes.len()].copy_from_slice(bytes);
    Some(u64::from_le_bytes(value))
}

/// Stores the low `width` of `value`.
#[cold]
#[inline(never)]
pub fn store<B: Bus>(hart: &mut Hart, bus: &mut B, addr: u64, width: Width, value: u64) -> Result<(), Stop> {
    let len = width.bytes();
    let bytes = value.to_le_bytes();
    if crosses_page(addr, len) {
        let second = addr.wrapping_add(len - 1) & !(PAGE_SIZE - 1);
        let first_len = second.wrapping_sub(addr);
        let low = translate(hart, bus, addr, first_len, Access::Write)?;
        let high = translate(hart, bus, second, len - first_len, Access::Write)?;
        if !bus.ram().contains(low, first_len) {
            return Err(hart.raise(Access::Write.access_fault(addr)));
        }
        if !bus.ram().contains(high, len - first_len) {
            return Err(hart.raise(Access::Write.access_fault(second)));
        }
        let (front, back) = bytes[..len as usize].split_at(first_len as usize);
        // Both ranges are RAM: just checked.
        let _ = bus.ram_mut().write(low, front);
        let _ = bus.ram_mut().write(high, back);
        return Ok(());
    }
    let physical = translate(hart, bus, addr, len, Access::Write)?;
    if bus.ram_mut().write(physical, &bytes[..len as usize]).is_ok() {
        return Ok(());
    }
    if physical & (len - 1) != 0 {
        return Err(hart.raise(Access::Write.access_fault(addr)));
    }
    hart.leave_soon();
    bus.mmio_write(physical, len as u8, value)
        .map_err(|_| hart.raise(Access::Write.access_fault(addr)))
}
