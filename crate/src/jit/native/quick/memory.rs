//! Accesses of guest memory: the fast table is looked at in line; where it does not allow the access, code behind the
//! blocks calls the helper.
//!
//! Registers are chosen before the first jump to that code: it comes back to a place where all are as they would be.

use super::asm::{Alu, Cc, Label, Mem, Reg, Size};
use super::cold::ColdKind;
use super::emit::Emit;
use super::registers::{TABLE, TooManyValues, gpr};
use crate::ir::abi::{Helper, width_code};
use crate::ir::{Block, PointId, Type, Value, Width};

type Done = Result<(), TooManyValues>;

/// What an access asks of the fast table.
struct Check {
    addr: Reg,
    /// Added to the address before its page is compared: the last byte must be in the page too.
    last: u64,
    /// Bits of the address that must be clear besides.
    low: u64,
    write: bool,
    /// Will hold the entry's offset.
    entry: Reg,
    /// Will hold the page.
    page: Reg,
}

/// What says whether an access is allowed.
enum Guard {
    /// A window's host address, if it is not 0.
    Window(Reg),
    /// The fast table.
    Table(Check),
}

impl Emit<'_> {
    /// A place in the entry at offset `entry` of the fast table.
    fn in_entry(entry: Reg, field: u32) -> Mem {
        Mem::sum(TABLE, entry, field as i32)
    }

    /// Goes to `slow` unless the fast table allows the access.
    fn check(&mut self, check: &Check, slow: Label) {
        let layout = &self.abi.table_layout;
        let shift = layout.entry_bytes.trailing_zeros();
        let mask = layout.index_mask << shift;
        let tag = if check.write { layout.write } else { layout.read };
        let Check {
            addr, entry, page, ..
        } = *check;
        self.asm().rorx(Size::Q, entry, addr, 12 - shift as u8);
        self.asm().alu_imm(Alu::And, Size::D, entry, mask as i32);
        if check.last == 0 {
            self.asm().mov(Size::Q, page, addr);
        } else {
            self.asm().lea(Size::Q, page, Mem::at(addr, check.last as i32));
        }
        let keep = !0xfff | check.low as i32;
        self.asm().alu_imm(Alu::And, Size::Q, page, keep);
        self.asm()
            .alu(Alu::Cmp, Size::Q, page, Self::in_entry(entry, tag));
        self.asm().jcc(Cc::Ne, slow);
    }

    /// Puts the distance from the guest's address to the host's into `entry`.
    fn addend(&mut self, entry: Reg) {
        let addend = self.abi.table_layout.addend;
        self.asm().mov(Size::Q, entry, Self::in_entry(entry, addend));
    }

    /// Where in the host's memory an access of `bytes` at a guest address goes, and what has to be asked before: by a window, if
    /// there is one, at an offset.
    fn reach(
        &mut self,
        address: Reg,
        via: Option<(Value, u32)>,
        bytes: u64,
        write: bool,
    ) -> Result<(Mem, Guard), TooManyValues> {
        if let Some((window, offset)) = via {
            let pointer = self.r.read_gpr(window)?;
            return Ok((Mem::at(pointer, offset as i32), Guard::Window(pointer)));
        }
        let check = Check {
            addr: address,
            last: bytes - 1,
            low: 0,
            write,
            entry: self.work()?,
            page: self.work()?,
        };
        Ok((Mem::sum(address, check.entry, 0), Guard::Table(check)))
    }

    /// Goes to `slow` unless the access is allowed.
    fn guard(&mut self, guard: &Guard, slow: Label) {
        match guard {
            Guard::Window(pointer) => {
                self.asm().test(Size::Q, *pointer, *pointer);
                self.asm().jcc(Cc::E, slow);
            }
            Guard::Table(check) => {
                self.check(check, slow);
                self.addend(check.entry);
            }
        }
    }

    /// A load.
    pub fn load(
        &mut self,
        block: &Block,
        at: u32,
        width: Width,
        addr: Value,
        via: Option<(Value, u32)>,
        point: PointId,
    ) -> Done {
        // A sign extension that follows is made by the load.
        let signed = self.r.fused.get(at as usize + 1) == Some(&true)
            && matches!(block.insts[at as usize + 1], crate::ir::Inst::Unary(..));
        let result = if signed { at + 1 } else { at };
        let bytes = width.bytes();
        let address = self.r.read_gpr(addr)?;
        let (source, guard) = self.reach(address, via, bytes, false)?;
        match via {
            Some((window, _)) => self.r.used(at, &[addr, window]),
            None => self.r.used(at, &[addr]),
        }
        let dst = self.r.define(block, result, Type::I64, Some(address.0))?;
        let (slow, back) = self.cold_and_back(ColdKind::Load {
            helper: Helper::Load,
            addr: address,
            dst: gpr(dst),
            width,
            signed,
            point,
        });
        self.guard(&guard, slow);
        if signed {
            self.asm().movsx(bytes, gpr(dst), source);
        } else {
            self.asm().movzx(bytes, gpr(dst), source);
        }
        self.asm().bind(back);
        Ok(())
    }

    /// A load that an atomic instruction's store follows.
    pub fn load_for_update(
        &mut self,
        block: &Block,
        at: u32,
        width: Width,
        addr: Value,
        point: PointId,
    ) -> Done {
        let address = self.r.read_gpr(addr)?;
        let check = Check {
            addr: address,
            last: 0,
            // Tags have no low bits: an address that is not aligned has no tag like it, and an aligned one stays in its page.
            low: width.bytes() - 1,
            write: true,
            entry: self.work()?,
            page: self.work()?,
        };
        self.r.used(at, &[addr]);
        let dst = gpr(self.r.define(block, at, Type::I64, Some(address.0))?);
        let (slow, back) = self.cold_and_back(ColdKind::Load {
            helper: Helper::LoadForUpdate,
            addr: address,
            dst,
            width,
            signed: false,
            point,
        });
        self.check(&check, slow);
        self.addend(check.entry);
        self.asm()
            .movzx(width.bytes(), dst, Mem::sum(address, check.entry, 0));
        self.asm().bind(back);
        Ok(())
    }

    /// A store.
    pub fn store(
        &mut self,
        at: u32,
        width: Width,
        addr: Value,
        value: Value,
        via: Option<(Value, u32)>,
        point: PointId,
    ) -> Done {
        let bytes = width.bytes();
        let address = self.r.read_gpr(addr)?;
        let immediate = match (self.r.known(value), width) {
            (Some(number), Width::W64) => i32::try_from(number as i64).ok(),
            (Some(number), _) => Some(number as i32),
            (None, _) => None,
        };
        let source = match immediate {
            Some(_) => None,
            None => Some(self.r.read_gpr(value)?),
        };
        let (target, guard) = self.reach(address, via, bytes, true)?;
        let (slow, back) = self.cold_and_back(ColdKind::Store {
            addr: address,
            value: source,
            immediate: immediate.unwrap_or(0),
            width,
            point,
        });
        self.guard(&guard, slow);
        match source {
            Some(source) => self.asm().store(bytes, target, source),
            None => self.asm().store_imm(bytes, target, immediate.unwrap_or(0)),
        }
        self.asm().bind(back);
        match via {
            Some((window, _)) => self.r.used(at, &[addr, value, window]),
            None => self.r.used(at, &[addr, value]),
        }
        Ok(())
    }

    /// A window: its host address, or 0.
    pub fn window(&mut self, block: &Block, at: u32, addr: Value, span: u32, write: bool) -> Done {
        let address = self.r.read_gpr(addr)?;
        let check = Check {
            addr: address,
            last: u64::from(span.max(1)) - 1,
            low: 0,
            write,
            entry: self.work()?,
            page: self.work()?,
        };
        self.r.used(at, &[addr]);
        let dst = gpr(self.r.define(block, at, Type::I64, None)?);
        let (none, back) = self.cold_and_back(ColdKind::NoWindow { dst });
        self.check(&check, none);
        self.addend(check.entry);
        self.asm().lea(Size::Q, dst, Mem::sum(check.entry, address, 0));
        self.asm().bind(back);
        Ok(())
    }

    /// A call of a helper that may trap.
    pub fn call(
        &mut self,
        block: &Block,
        at: u32,
        helper: Helper,
        args: [Value; 2],
        code: u32,
        point: PointId,
    ) -> Done {
        let (a, b) = (self.r.read(args[0])?, self.r.read(args[1])?);
        self.r.used(at, &args);
        let dst = gpr(self.r.define(block, at, Type::I64, None)?);
        self.call_helper(helper, [a, b, b], code);
        self.stop_if_trapped(point);
        self.asm().mov(Size::Q, dst, super::cold::result());
        match helper {
            Helper::Float if self.asks_ready => self.find_ready(),
            Helper::Control => {
                let table = Self::state(self.abi.table);
                self.asm().mov(Size::Q, TABLE, table);
            }
            _ => {}
        }
        Ok(())
    }

    /// The helper's number for a width.
    pub fn width_code(width: Width) -> u32 {
        width_code(width)
    }
}
