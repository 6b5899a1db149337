//! What code does of the privileged state: control registers of supervisors, `cbo.zero`, and looks at `mstatus.FS`.

use super::{Builder, FloatState, Flow, Guard, V};
use crate::ir::Point;
use crate::ir::abi::Helper;
use crate::ir::{self, BinaryOp, Compare, Inst};
use crate::isa::riscv::CACHE_BLOCK;
use crate::isa::riscv::csr::instruction::{Change, CsrAccess, plain};
use crate::isa::riscv::csr::{envcfg, mstatus, number};
use crate::isa::riscv::insn::{Insn, Op};
use crate::isa::riscv::ops::Ops;
use crate::jit::region::slots;

/// What a CSR instruction does, and its immediate operand, if compiled code does it. Control registers of supervisors are
/// there for who `supervises`.
pub fn simple_csr(insn: &Insn, supervises: bool) -> Option<(CsrAccess, Option<u64>)> {
    CsrAccess::of(insn).filter(|(access, _)| supervises && access.is_simple())
}

/// Whether compiled code does a system instruction, where it `supervises`; the others end a region.
pub fn is_compiled(insn: &Insn, supervises: bool) -> bool {
    simple_csr(insn, supervises).is_some() || supervises && insn.op == Op::CboZero
}

impl Builder {
    /// A system instruction: done here if that can be.
    pub(super) fn lift_system(&mut self, insn: &Insn) -> Flow {
        if insn.op == Op::CboZero && self.supervises {
            self.zero_block(insn);
            return Flow::Next;
        }
        let Some((access, immediate)) = simple_csr(insn, self.supervises) else {
            return Flow::Interpret;
        };
        let operand = match immediate {
            Some(number) => V::Const(number),
            None => self.x(insn.rs1),
        };
        let old = match (slots::control(access.number), plain(access.number)) {
            (Some(slot), Some(writable)) => {
                let old = self.get(slot);
                let new = match access.change {
                    Change::None => None,
                    Change::Write => Some(operand),
                    Change::Set => Some(self.binary(BinaryOp::Or, old, operand)),
                    Change::Clear => {
                        let kept = self.binary(BinaryOp::Xor, operand, V::Const(u64::MAX));
                        Some(self.binary(BinaryOp::And, old, kept))
                    }
                };
                if let Some(new) = new {
                    let new = self.binary(BinaryOp::And, new, V::Const(writable));
                    self.set(slot, new);
                }
                old
            }
            _ if access.number == number::SSTATUS => {
                let old = self.supervisor_status();
                if access.changes_status() {
                    let status = self.control(operand, access.to_bits());
                    self.set(slots::MSTATUS, status);
                }
                old
            }
            _ => self.control(operand, access.to_bits()),
        };
        self.set_x(insn.rd, old);
        Flow::Next
    }

    /// `cbo.zero`, where no more is to be done than to store zeroes; else it is the interpreter's.
    pub(super) fn zero_block(&mut self, insn: &Insn) {
        let zero = self.int_constant(0);
        let at = self.point();
        let allowed = self.get(slots::MENVCFG);
        let allowed = self.binary(BinaryOp::And, allowed, V::Const(envcfg::CBZE));
        let addr = self.x(insn.rs1);
        let block = self.binary(BinaryOp::And, addr, V::Const(!(CACHE_BLOCK - 1)));
        let block = self.int(block);
        let window = self.emit(Inst::Window {
            addr: block,
            span: CACHE_BLOCK as u32,
            write: true,
        });
        for needed in [self.int(allowed), window] {
            self.emit(Inst::ExitIf {
                compare: Compare::Eq,
                a: needed,
                b: zero,
                at,
            });
        }
        for offset in (0..CACHE_BLOCK).step_by(8) {
            let addr = self.binary(BinaryOp::Add, V::Int(block), V::Const(offset));
            let addr = self.int(addr);
            self.emit(Inst::Store {
                width: ir::Width::W64,
                addr,
                value: zero,
                via: Some((window, offset as u32)),
                at,
            });
        }
    }

    /// `sstatus`.
    pub(super) fn supervisor_status(&mut self) -> V {
        let status = self.get(slots::MSTATUS);
        let state = self.binary(BinaryOp::And, status, V::Const(mstatus::FS));
        let dirty = self.compare(Compare::Eq, state, V::Const(mstatus::FS));
        let sd = self.binary(
            BinaryOp::Shl,
            dirty,
            V::Const(mstatus::SD.trailing_zeros().into()),
        );
        let seen = mstatus::SEEN_BY_SUPERVISOR & !mstatus::SD;
        let seen = self.binary(BinaryOp::And, status, V::Const(seen));
        self.binary(BinaryOp::Or, seen, sd)
    }

    /// Accesses a control register as `code` tells.
    pub(super) fn control(&mut self, operand: V, code: u32) -> V {
        let zero = self.int_constant(0);
        let args = [self.int(operand), zero];
        let at = self.point();
        V::Int(self.emit(Inst::Call {
            helper: Helper::Control,
            args,
            code,
            at,
        }))
    }

    /// Leaves in front of `pc` unless the guest's floating-point state is as `needed`.
    pub(in crate::jit::region) fn guard_at(&mut self, pc: u64, needed: FloatState) {
        self.here = Point { pc, done: 0 };
        self.here_id = None;
        self.guard_float(needed);
    }

    /// Leaves at this instruction, to be interpreted, unless the guest's floating-point state is as `needed`.
    pub(super) fn guard_float(&mut self, needed: FloatState) {
        if self.guards.last().is_some_and(|guard| guard.needed >= needed) {
            return;
        }
        let status = self.get(slots::MSTATUS);
        let state = self.binary(BinaryOp::And, status, V::Const(mstatus::FS));
        let (compare, than) = match needed {
            FloatState::Dirty => (Compare::Ne, mstatus::FS),
            _ => (Compare::Eq, 0),
        };
        let (a, b) = (self.int(state), self.int_constant(than));
        let at = self.point();
        let inst = self.emit(Inst::ExitIf { compare, a, b, at });
        self.guards.push(Guard { inst, needed });
    }
}
