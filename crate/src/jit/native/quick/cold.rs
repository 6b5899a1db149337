//! What is rarely done: it stands behind the blocks, so that what is often done is straight.

use super::asm::{Alu, Cc, Label, Mem, Reg, Size, Unary};
use super::emit::Emit;
use super::registers::{AnyReg, STATE, gpr, xmm};
use crate::ir::abi::Helper;
use crate::ir::{Leave, PointId, Width};

/// Something to be written behind the blocks.
#[derive(Debug)]
pub(super) struct Cold {
    /// Where it is.
    pub label: Label,
    /// Where it goes back to, if it does.
    pub back: Label,
    pub kind: ColdKind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ColdKind {
    /// The budget is used up before the instruction at `pc`.
    Budget { pc: u64 },
    /// The region is left at a point.
    Leave { point: PointId, reason: Leave },
    /// A load by the helper.
    Load {
        helper: Helper,
        addr: Reg,
        dst: Reg,
        width: Width,
        signed: bool,
        point: PointId,
    },
    /// A store by the helper, of a register or else the immediate.
    Store {
        addr: Reg,
        value: Option<Reg>,
        immediate: i32,
        width: Width,
        point: PointId,
    },
    /// The window does not hold.
    NoWindow { dst: Reg },
    /// The divisor is 0, or -1 if the division is signed; the dividend is in `rax`.
    Division { divisor: Reg, signed: bool, rest: bool },
    /// A floating-point operation by the helper.
    Float {
        operands: [AnyReg; 3],
        code: u32,
        dst: AnyReg,
    },
}

/// Arguments of a helper, on the stack: `a`, `b`, `c` and `code`.
const ARGUMENTS: i32 = 32;

/// Where a helper's result is, once the arguments are dropped: in the red zone (System V psABI, 3.2.2).
pub(super) fn result() -> Mem {
    Mem::at(Reg::RSP, -ARGUMENTS)
}

impl Emit<'_> {
    /// Writes all that has gathered.
    pub fn write_cold(&mut self) {
        for index in 0..self.cold.len() {
            let Cold { label, back, kind } = self.cold[index];
            self.asm().bind(label);
            self.write(kind, back);
        }
    }

    fn write(&mut self, kind: ColdKind, back: Label) {
        match kind {
            ColdKind::Budget { pc } => self.leave_budget(pc),
            ColdKind::Leave { point, reason } => self.leave_at(point, reason),
            ColdKind::Load {
                helper,
                addr,
                dst,
                width,
                signed,
                point,
            } => {
                self.call_helper(helper, [addr.0; 3], Self::width_code(width));
                self.stop_if_trapped(point);
                if signed {
                    self.asm().movsx(width.bytes(), dst, result());
                } else {
                    self.asm().mov(Size::Q, dst, result());
                }
                self.asm().jmp(back);
            }
            ColdKind::Store {
                addr,
                value,
                immediate,
                width,
                point,
            } => {
                let code = Self::width_code(width);
                match value {
                    Some(value) => self.call_helper(Helper::Store, [addr.0, value.0, value.0], code),
                    None => {
                        self.asm().push_imm(code as i32);
                        self.asm().push_imm(immediate);
                        self.asm().push_imm(immediate);
                        self.asm().push(addr);
                        self.call_with_arguments(Helper::Store);
                    }
                }
                self.stop_if_trapped(point);
                self.asm().jmp(back);
            }
            ColdKind::NoWindow { dst } => {
                self.asm().mov_imm(dst, 0);
                self.asm().jmp(back);
            }
            ColdKind::Division {
                divisor,
                signed,
                rest,
            } => self.special_division(divisor, signed, rest, back),
            ColdKind::Float { operands, code, dst } => {
                self.float_helper(operands, code, dst);
                self.asm().jmp(back);
            }
        }
    }

    fn special_division(&mut self, divisor: Reg, signed: bool, rest: bool, back: Label) {
        let by_zero = self.asm().label();
        if signed {
            self.asm().test(Size::Q, divisor, divisor);
            self.asm().jcc(Cc::E, by_zero);
            if rest {
                self.asm().mov_imm(Reg::RDX, 0);
            } else {
                self.asm().unary(Unary::Neg, Size::Q, Reg::RAX);
            }
            self.asm().jmp(back);
            self.asm().bind(by_zero);
        }
        if rest {
            self.asm().mov(Size::Q, Reg::RDX, Reg::RAX);
        } else {
            self.asm().mov_imm(Reg::RAX, u64::MAX);
        }
        self.asm().jmp(back);
    }

    /// Has the helper do an operation.
    pub fn float_helper(&mut self, operands: [AnyReg; 3], code: u32, dst: AnyReg) {
        self.call_helper(Helper::Float, operands, code);
        self.asm().lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, ARGUMENTS));
        self.r.fetch(dst, result());
        if self.asks_ready {
            self.find_ready();
        }
    }

    fn push(&mut self, reg: AnyReg) {
        if reg < 16 {
            self.asm().push(gpr(reg));
        } else {
            self.asm().lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, -8));
            self.asm().store_xmm(Mem::at(Reg::RSP, 0), xmm(reg));
        }
    }

    /// Calls a helper: all registers stay as they are, the result lies where the first argument lay. The arguments are
    /// still on the stack.
    pub fn call_helper(&mut self, helper: Helper, args: [AnyReg; 3], code: u32) {
        self.asm().push_imm(code as i32);
        for arg in args.into_iter().rev() {
            self.push(arg);
        }
        self.call_with_arguments(helper);
    }

    fn call_with_arguments(&mut self, helper: Helper) {
        let thunk = self.host.thunks[helper as usize][usize::from(!self.has_doubles)];
        self.asm().call_literal(thunk as u64);
    }

    /// Drops the arguments, and leaves if the helper trapped.
    pub fn stop_if_trapped(&mut self, point: PointId) {
        let go_on = self.asm().label();
        let trapped = Mem::at(STATE, self.abi.trapped as i32);
        self.asm().lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, ARGUMENTS));
        self.asm().alu_imm(Alu::Cmp, Size::D, trapped, 0);
        self.asm().jcc(Cc::E, go_on);
        self.leave_at(point, Leave::Stopped);
        self.asm().bind(go_on);
    }
}
