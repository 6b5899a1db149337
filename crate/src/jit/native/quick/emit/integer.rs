//! Integer operations.

use super::{Done, Emit};
use crate::ir::{BinaryOp, Block, Inst, Type, UnaryOp, Value};
use crate::jit::native::quick::asm::{Alu, Cc, Mem, Reg, Rm, Shift, Size, Unary};
use crate::jit::native::quick::cold::ColdKind;
use crate::jit::native::quick::registers::gpr;

impl Emit<'_> {
    pub(super) fn select(&mut self, block: &Block, at: u32, which: Value, a: Value, b: Value) -> Done {
        let fused = match block.insts[which.0 as usize] {
            Inst::Compare(compare, x, y) if self.r.fused[which.0 as usize] => Some((compare, x, y)),
            _ => None,
        };
        // In registers before flags are made: what loads them might change those.
        let (yes, no) = (self.r.read(a)?, self.r.read(b)?);
        let cc = match fused {
            Some((compare, x, y)) => self.compare(compare, x, y, at)?,
            None => {
                let which = self.r.read_gpr(which)?;
                self.asm().test(Size::Q, which, which);
                Cc::Ne
            }
        };
        self.r.used(at, &[which, a, b]);
        let class = if yes < 16 { Type::I64 } else { Type::F64 };
        let dst = self.r.define(block, at, class, Some(no))?;
        if class == Type::F64 {
            let skip = self.asm().label();
            if dst == yes {
                // It holds the second's place only if it is not needed: the condition decides which is copied over.
                self.asm().jcc(cc, skip);
                self.r.copy(dst, no);
            } else {
                self.r.copy(dst, no);
                self.asm().jcc(cc.negated(), skip);
                self.r.copy(dst, yes);
            }
            self.asm().bind(skip);
            return Ok(());
        }
        if dst == yes {
            self.asm().cmov(cc.negated(), gpr(dst), gpr(no));
        } else {
            self.r.copy(dst, no);
            self.asm().cmov(cc, gpr(dst), gpr(yes));
        }
        Ok(())
    }

    pub(super) fn binary(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        use BinaryOp::{
            Add, And, Div, Divu, Mul, Mulh, Mulhsu, Mulhu, Or, Rem, Remu, Rotr, Rotr32, Sar, Shl, Shr, Sub,
            Xor,
        };
        let commutes = matches!(op, Add | And | Or | Xor | Mul);
        let (a, b) = if commutes && self.r.known(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        match op {
            Mulh | Mulhu | Mulhsu => return self.high_product(block, at, op, a, b),
            Div | Divu | Rem | Remu => return self.divide(block, at, op, a, b),
            Shl | Shr | Sar | Rotr | Rotr32 => return self.shift(block, at, op, a, b),
            Add | Sub | And | Or | Xor | Mul => {}
        }
        if let Some(number) = self.r.immediate(b)
            && (op != Sub || number != i32::MIN)
        {
            if op == Mul {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a, b]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                self.asm().imul_imm(Size::Q, dst, src, number);
                return Ok(());
            }
            let src = self.r.read_gpr(a)?;
            self.r.used(at, &[a, b]);
            let dst = gpr(self.r.define(block, at, Type::I64, Some(src.0))?);
            let number = if op == Sub { -number } else { number };
            let op = match op {
                Add | Sub if dst != src => {
                    self.asm().lea(Size::Q, dst, Mem::at(src, number));
                    return Ok(());
                }
                Add | Sub => Alu::Add,
                And => Alu::And,
                Or => Alu::Or,
                _ => Alu::Xor,
            };
            // A mask of the low 32 bits or fewer clears the rest anyhow.
            let size = if op == Alu::And && number >= 0 {
                Size::D
            } else {
                Size::Q
            };
            if dst != src {
                self.asm().mov(size, dst, src);
            }
            self.asm().alu_imm(op, size, dst, number);
            return Ok(());
        }
        let x = self.r.read_gpr(a)?;
        let y = self.r.read_anywhere(b, at)?;
        self.r.used(at, &[a, b]);
        let dst = gpr(self.r.define(block, at, Type::I64, Some(x.0))?);
        let from_second = y == dst.into() && x != dst;
        if op == Add
            && dst != x
            && !from_second
            && let Rm::Reg(y) = y
        {
            self.asm().lea(Size::Q, dst, Mem::sum(x, y, 0));
            return Ok(());
        }
        if from_second {
            if op == Sub {
                self.asm().unary(Unary::Neg, Size::Q, dst);
                self.asm().alu(Alu::Add, Size::Q, dst, x);
                return Ok(());
            }
            self.two_address(op, dst, x.into());
            return Ok(());
        }
        if dst != x {
            self.asm().mov(Size::Q, dst, x);
        }
        self.two_address(op, dst, y);
        Ok(())
    }

    pub(super) fn two_address(&mut self, op: BinaryOp, dst: Reg, src: Rm) {
        let op = match op {
            BinaryOp::Add => Alu::Add,
            BinaryOp::Sub => Alu::Sub,
            BinaryOp::And => Alu::And,
            BinaryOp::Or => Alu::Or,
            BinaryOp::Xor => Alu::Xor,
            _ => return self.asm().imul(Size::Q, dst, src),
        };
        self.asm().alu(op, Size::Q, dst, src);
    }

    pub(super) fn shift(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        let size = if op == BinaryOp::Rotr32 { Size::D } else { Size::Q };
        let shift = match op {
            BinaryOp::Shl => Shift::Shl,
            BinaryOp::Shr => Shift::Shr,
            BinaryOp::Sar => Shift::Sar,
            _ => Shift::Ror,
        };
        if let Some(amount) = self.r.known(b) {
            let amount = (amount & if size == Size::D { 31 } else { 63 }) as u8;
            if shift == Shift::Ror {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a, b]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                self.asm().rorx(size, dst, src, amount);
                return Ok(());
            }
            let src = self.r.read_gpr(a)?;
            self.r.used(at, &[a, b]);
            let dst = gpr(self.r.define(block, at, Type::I64, Some(src.0))?);
            if dst != src {
                self.asm().mov(size, dst, src);
            }
            self.asm().shift(shift, size, dst, amount);
            return Ok(());
        }
        if shift == Shift::Ror {
            self.r.claim(Reg::RCX)?;
            let (src, amount) = (self.r.read(a)?, self.r.read(b)?);
            let work = self.r.scratch(Type::I64)?;
            self.r.copy(Reg::RCX.0, amount);
            self.asm().mov(size, gpr(work), gpr(src));
            self.asm().ror_cl(size, gpr(work));
            self.r.used(at, &[a, b]);
            let dst = self.r.define(block, at, Type::I64, Some(work))?;
            self.r.copy(dst, work);
            return Ok(());
        }
        let src = self.r.read_anywhere(a, at)?;
        let amount = self.r.read_gpr(b)?;
        self.r.used(at, &[a, b]);
        let dst = gpr(self.r.define(block, at, Type::I64, None)?);
        self.asm().shift_by(shift, size, dst, src, amount);
        Ok(())
    }

    pub(super) fn high_product(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        self.r.claim(Reg::RAX)?;
        self.r.claim(Reg::RDX)?;
        let (x, y) = (self.r.read(a)?, self.r.read(b)?);
        self.r.copy(Reg::RAX.0, x);
        let multiply = if op == BinaryOp::Mulh {
            Unary::Imul
        } else {
            Unary::Mul
        };
        self.asm().unary(multiply, Size::Q, gpr(y));
        if op == BinaryOp::Mulhsu {
            // As unsigned, a negative number is 2^64 too large: b too much in the high word.
            self.asm().mov(Size::Q, Reg::RAX, gpr(x));
            self.asm().shift(Shift::Sar, Size::Q, Reg::RAX, 63);
            self.asm().alu(Alu::And, Size::Q, Reg::RAX, gpr(y));
            self.asm().alu(Alu::Sub, Size::Q, Reg::RDX, Reg::RAX);
        }
        self.r.used(at, &[a, b]);
        let dst = self.r.define(block, at, Type::I64, Some(Reg::RDX.0))?;
        self.r.copy(dst, Reg::RDX.0);
        Ok(())
    }

    pub(super) fn divide(&mut self, block: &Block, at: u32, op: BinaryOp, a: Value, b: Value) -> Done {
        let signed = matches!(op, BinaryOp::Div | BinaryOp::Rem);
        let rest = matches!(op, BinaryOp::Rem | BinaryOp::Remu);
        self.r.claim(Reg::RAX)?;
        self.r.claim(Reg::RDX)?;
        let (x, y) = (self.r.read(a)?, gpr(self.r.read(b)?));
        self.r.copy(Reg::RAX.0, x);
        // Divisors 0 and -1 would trap, or may.
        if signed {
            self.asm().lea(Size::Q, Reg::RDX, Mem::at(y, 1));
            self.asm().alu_imm(Alu::Cmp, Size::Q, Reg::RDX, 1);
        } else {
            self.asm().test(Size::Q, y, y);
        }
        let (special, back) = self.cold_and_back(ColdKind::Division {
            divisor: y,
            signed,
            rest,
        });
        self.asm().jcc(if signed { Cc::Be } else { Cc::E }, special);
        // Numbers of 32 bits are divided several times as fast.
        let (long, done) = (self.asm().label(), self.asm().label());
        self.asm().mov(Size::Q, Reg::RDX, Reg::RAX);
        self.asm().alu(Alu::Or, Size::Q, Reg::RDX, y);
        self.asm().shift(Shift::Shr, Size::Q, Reg::RDX, 32);
        self.asm().jcc(Cc::Ne, long);
        // `edx` is zero now.
        self.asm().unary(Unary::Div, Size::D, y);
        self.asm().jmp(done);
        self.asm().bind(long);
        if signed {
            self.asm().cqo();
            self.asm().unary(Unary::Idiv, Size::Q, y);
        } else {
            self.asm().mov_imm(Reg::RDX, 0);
            self.asm().unary(Unary::Div, Size::Q, y);
        }
        self.asm().bind(done);
        self.asm().bind(back);
        let made = if rest { Reg::RDX } else { Reg::RAX };
        self.r.used(at, &[a, b]);
        let dst = self.r.define(block, at, Type::I64, Some(made.0))?;
        self.r.copy(dst, made.0);
        Ok(())
    }

    pub(super) fn unary(&mut self, block: &Block, at: u32, op: UnaryOp, a: Value) -> Done {
        match op {
            UnaryOp::Sext(width) | UnaryOp::Zext(width) => {
                // Bytes of memory operands are the low ones.
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                match op {
                    UnaryOp::Sext(_) => self.asm().movsx(width.bytes(), dst, src),
                    _ => self.asm().movzx(width.bytes(), dst, src),
                }
            }
            UnaryOp::Clz | UnaryOp::Ctz | UnaryOp::Cpop => {
                let src = self.r.read_anywhere(a, at)?;
                self.r.used(at, &[a]);
                let dst = gpr(self.r.define(block, at, Type::I64, None)?);
                match op {
                    UnaryOp::Clz => self.asm().lzcnt(dst, src),
                    UnaryOp::Ctz => self.asm().tzcnt(dst, src),
                    _ => self.asm().popcnt(dst, src),
                }
            }
            UnaryOp::Rev8 => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, Some(src))?;
                self.r.copy(dst, src);
                self.asm().bswap(gpr(dst));
            }
            UnaryOp::OrcB => self.orc_b(block, at, a)?,
            UnaryOp::ToBits => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, None)?;
                self.r.copy(dst, src);
            }
            UnaryOp::FromBits => {
                let src = self.r.read(a)?;
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::F64, None)?;
                self.r.copy(dst, src);
            }
            UnaryOp::Unbox => {
                let src = gpr(self.r.read(a)?);
                let (work, low) = (self.r.scratch(Type::I64)?, self.r.scratch(Type::I64)?);
                self.asm().mov(Size::Q, gpr(work), src);
                self.asm().shift(Shift::Sar, Size::Q, gpr(work), 32);
                self.asm().mov(Size::D, gpr(low), src);
                self.asm().alu_imm(Alu::Cmp, Size::Q, gpr(work), -1);
                self.asm().mov_imm(gpr(work), 0x7fc0_0000);
                self.asm().cmov(Cc::E, gpr(work), gpr(low));
                self.r.used(at, &[a]);
                let dst = self.r.define(block, at, Type::I64, Some(work))?;
                self.r.copy(dst, work);
            }
        }
        Ok(())
    }

    /// Each byte all ones if it is not zero: its top bit, by an addition that cannot carry into the next, spread.
    pub(super) fn orc_b(&mut self, block: &Block, at: u32, a: Value) -> Done {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let src = gpr(self.r.read(a)?);
        let (work, mask) = (self.r.scratch(Type::I64)?, self.r.scratch(Type::I64)?);
        let (work, mask) = (gpr(work), gpr(mask));
        self.asm().mov_imm(mask, LOW);
        self.asm().mov(Size::Q, work, src);
        self.asm().alu(Alu::And, Size::Q, work, mask);
        self.asm().alu(Alu::Add, Size::Q, work, mask);
        self.asm().alu(Alu::Or, Size::Q, work, src);
        self.asm().unary(Unary::Not, Size::Q, mask);
        self.asm().alu(Alu::And, Size::Q, work, mask);
        self.asm().shift(Shift::Shr, Size::Q, work, 7);
        self.asm().imul_imm(Size::Q, work, work, 0xff);
        self.r.used(at, &[a]);
        let dst = self.r.define(block, at, Type::I64, Some(work.0))?;
        self.r.copy(dst, work.0);
        Ok(())
    }
}
