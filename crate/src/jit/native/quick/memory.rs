//! Accesses of guest memory: the fast table is looked at in line; where it does not allow the access, code behind the
//! blocks calls the helper.
//!
//! Registers are chosen before the first jump to that code: it comes back to a place where all are as they would be.

use super::asm::{Alu, Cc, Label, Mem, Reg, Size};
use super::cold::ColdKind;
use super::emit::Emit;
use super::registers::{TABLE, TooManyValues, gpr, stream_distance, stream_tag};
use crate::ir::abi::{Helper, width_code};
use crate::ir::{Block, Inst, LEAST_ADDRESS, NOWHERE, PointId, Type, Value, Via, Width};

type Done = Result<(), TooManyValues>;

/// A load or store, as the representation has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    pub width: Width,
    pub addr: Value,
    pub via: Via,
    pub point: PointId,
}

/// What an access asks of the fast table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
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
    /// The same of a window that has a stream: if it is not below the least address.
    StreamedWindow(Reg),
    /// The fast table.
    Table(Check),
    /// The page of a stream's last access, then the fast table.
    Stream(u8, Check),
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
        block: &Block,
        address: Reg,
        via: Via,
        bytes: u64,
        write: bool,
    ) -> Result<(Mem, Guard), TooManyValues> {
        if let Some((window, offset)) = via.window() {
            let pointer = self.r.read_gpr(window)?;
            let guard = match block.insts[window.0 as usize] {
                Inst::Window { stream: Some(_), .. } => Guard::StreamedWindow(pointer),
                _ => Guard::Window(pointer),
            };
            return Ok((Mem::at(pointer, offset as i32), guard));
        }
        let check = Check {
            addr: address,
            last: bytes - 1,
            low: 0,
            write,
            entry: self.work()?,
            page: self.work()?,
        };
        let place = Mem::sum(address, check.entry, 0);
        let guard = match via {
            Via::Stream(stream) => Guard::Stream(stream, check),
            _ => Guard::Table(check),
        };
        Ok((place, guard))
    }

    /// Goes to `slow` unless the access is allowed.
    fn guard(&mut self, guard: Guard, slow: Label) {
        match guard {
            Guard::Window(pointer) => {
                self.asm().test(Size::Q, pointer, pointer);
                self.asm().jcc(Cc::E, slow);
            }
            Guard::StreamedWindow(pointer) => {
                self.asm().alu_imm(Alu::Cmp, Size::Q, pointer, LEAST_ADDRESS);
                self.asm().jcc(Cc::B, slow);
            }
            Guard::Table(check) => {
                self.check(&check, slow);
                self.addend(check.entry);
            }
            Guard::Stream(stream, check) => {
                // The access must be aligned: so it ends in the page that it begins in.
                let (page, keep) = (check.page, !0xfff | check.last as i32);
                self.asm().mov(Size::Q, page, check.addr);
                self.asm().alu_imm(Alu::And, Size::Q, page, keep);
                self.asm().alu(Alu::Cmp, Size::Q, page, stream_tag(stream));
                let entry = check.entry;
                let (elsewhere, back) = self.cold_and_back(ColdKind::Elsewhere { stream, check, slow });
                self.asm().jcc(Cc::Ne, elsewhere);
                self.asm().mov(Size::Q, entry, stream_distance(stream));
                self.asm().bind(back);
            }
        }
    }

    /// What is done where a stream's page is not that of an access: looks into the fast table, and goes on with the stream
    /// there and the distance to the host's address in `entry`.
    pub fn elsewhere(&mut self, stream: u8, check: &Check, slow: Label) {
        self.check(check, slow);
        self.addend(check.entry);
        self.asm().store(8, stream_tag(stream), check.page);
        self.asm().store(8, stream_distance(stream), check.entry);
    }

    /// Has all streams be nowhere.
    pub fn start_streams(&mut self) {
        for stream in 0..self.region.streams() {
            self.asm().store_imm(8, stream_tag(stream), NOWHERE);
            self.asm().store_imm(8, stream_distance(stream), -NOWHERE);
        }
    }

    /// A load.
    pub fn load(&mut self, block: &Block, at: u32, access: Access) -> Done {
        let Access {
            width,
            addr,
            via,
            point,
        } = access;
        // A sign extension that follows is made by the load.
        let signed = self.r.fused.get(at as usize + 1) == Some(&true)
            && matches!(block.insts[at as usize + 1], Inst::Unary(..));
        let result = if signed { at + 1 } else { at };
        let bytes = width.bytes();
        let address = self.r.read_gpr(addr)?;
        let (source, guard) = self.reach(block, address, via, bytes, false)?;
        match via.window() {
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
        self.guard(guard, slow);
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
    pub fn store(&mut self, block: &Block, at: u32, access: Access, value: Value) -> Done {
        let Access {
            width,
            addr,
            via,
            point,
        } = access;
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
        let (target, guard) = self.reach(block, address, via, bytes, true)?;
        let (slow, back) = self.cold_and_back(ColdKind::Store {
            addr: address,
            value: source,
            immediate: immediate.unwrap_or(0),
            width,
            point,
        });
        self.guard(guard, slow);
        match source {
            Some(source) => self.asm().store(bytes, target, source),
            None => self.asm().store_imm(bytes, target, immediate.unwrap_or(0)),
        }
        self.asm().bind(back);
        match via.window() {
            Some((window, _)) => self.r.used(at, &[addr, value, window]),
            None => self.r.used(at, &[addr, value]),
        }
        Ok(())
    }

    /// A window: its host address, or what says that there is none.
    pub fn window(
        &mut self,
        block: &Block,
        at: u32,
        addr: Value,
        span: u32,
        write: bool,
        stream: Option<u8>,
    ) -> Done {
        let address = self.r.read_gpr(addr)?;
        let span = span.max(1) as i32;
        let check = Check {
            addr: address,
            last: span as u64 - 1,
            low: 0,
            write,
            entry: self.work()?,
            page: self.work()?,
        };
        self.r.used(at, &[addr]);
        let dst = gpr(self.r.define(block, at, Type::I64, None)?);
        let (none, back) = self.cold_and_back(ColdKind::NoWindow { dst });
        let entry = check.entry;
        if let Some(stream) = stream {
            // All of it in the page. (What is nowhere makes an address below the least.)
            let page = check.page;
            self.asm().mov(Size::Q, page, address);
            self.asm().alu(Alu::Sub, Size::Q, page, stream_tag(stream));
            self.asm().alu_imm(Alu::Cmp, Size::Q, page, 4096 - span);
            let slow = none;
            let (elsewhere, here) = self.cold_and_back(ColdKind::Elsewhere { stream, check, slow });
            self.asm().jcc(Cc::A, elsewhere);
            self.asm().mov(Size::Q, entry, stream_distance(stream));
            self.asm().bind(here);
        } else {
            self.check(&check, none);
            self.addend(entry);
        }
        self.asm().lea(Size::Q, dst, Mem::sum(entry, address, 0));
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
