//! Writes x86-64 instructions: only the forms that the quick compiler needs (Intel SDM volume 2, chapter 2 for the formats).
//!
//! Jumps go to labels and have 32-bit distances, filled in at the end. 64-bit literals follow the code.

/// A general-purpose register, by its number in encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reg(pub u8);

/// An SSE register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xmm(pub u8);

#[allow(missing_docs, reason = "the usual names")]
impl Reg {
    pub const RAX: Reg = Reg(0);
    pub const RCX: Reg = Reg(1);
    pub const RDX: Reg = Reg(2);
    pub const RBX: Reg = Reg(3);
    pub const RSP: Reg = Reg(4);
    pub const RBP: Reg = Reg(5);
    pub const RSI: Reg = Reg(6);
    pub const RDI: Reg = Reg(7);
    pub const R8: Reg = Reg(8);
    pub const R9: Reg = Reg(9);
    pub const R10: Reg = Reg(10);
    pub const R11: Reg = Reg(11);
    pub const R12: Reg = Reg(12);
    pub const R13: Reg = Reg(13);
    pub const R14: Reg = Reg(14);
    pub const R15: Reg = Reg(15);
}

/// A place in memory: `base + (index << scale) + disp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mem {
    pub base: Reg,
    pub index: Option<(Reg, u8)>,
    pub disp: i32,
}

impl Mem {
    /// `base + disp`.
    pub const fn at(base: Reg, disp: i32) -> Self {
        let index = None;
        Self { base, index, disp }
    }

    /// `base + index + disp`.
    pub const fn sum(base: Reg, index: Reg, disp: i32) -> Self {
        let index = Some((index, 0));
        Self { base, index, disp }
    }
}

/// A general-purpose register or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rm {
    Reg(Reg),
    Mem(Mem),
}

impl From<Reg> for Rm {
    fn from(reg: Reg) -> Self {
        Rm::Reg(reg)
    }
}

impl From<Mem> for Rm {
    fn from(mem: Mem) -> Self {
        Rm::Mem(mem)
    }
}

impl From<Xmm> for Rm {
    /// Encodings tell SSE registers from others by the instruction.
    fn from(xmm: Xmm) -> Self {
        Rm::Reg(Reg(xmm.0))
    }
}

/// Operand size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 32 bits; the upper half of a register that is written becomes zero.
    D,
    /// 64 bits.
    Q,
}

/// Arithmetic with a common encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts by an immediate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Shift {
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Operations on one operand, with opcode `F7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Unary {
    Not = 2,
    Neg = 3,
    /// `rdx:rax = rax × operand`, unsigned
    Mul = 4,
    /// `rdx:rax = rax × operand`, signed
    Imul = 5,
    /// `rax = rdx:rax ÷ operand`, the rest in `rdx`, unsigned
    Div = 6,
    /// The same, signed
    Idiv = 7,
}

/// Conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the usual names")]
pub enum Cc {
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    P = 10,
    L = 12,
    Ge = 13,
}

impl Cc {
    /// The condition that holds where this does not.
    pub fn negated(self) -> Self {
        match self {
            Cc::B => Cc::Ae,
            Cc::Ae => Cc::B,
            Cc::E => Cc::Ne,
            Cc::Ne => Cc::E,
            Cc::Be => Cc::A,
            Cc::A => Cc::Be,
            Cc::P => unreachable!("nobody asks for ordered numbers"),
            Cc::L => Cc::Ge,
            Cc::Ge => Cc::L,
        }
    }
}

/// A place in the code, known once it is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(u32);

/// The prefix that an SSE instruction's opcode has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Prefix {
    None = 0,
    P66 = 1,
    F3 = 2,
    F2 = 3,
}

const UNBOUND: u32 = u32::MAX;

/// Code being written.
#[derive(Debug, Default)]
pub struct Asm {
    code: Vec<u8>,
    labels: Vec<u32>,
    /// Where the distance to a label is to be filled in.
    jumps: Vec<(u32, Label)>,
    /// Where the distance to a literal is to be filled in.
    literals: Vec<(u32, u64)>,
    /// Tables: each where its label is to be, distances to labels from there, then numbers.
    tables: Vec<(Label, Vec<Label>, Vec<u64>)>,
}

impl Asm {
    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.code.clear();
        self.labels.clear();
        self.jumps.clear();
        self.literals.clear();
        self.tables.clear();
    }

    /// A label that is not bound.
    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() as u32 - 1)
    }

    /// The label is here.
    pub fn bind(&mut self, label: Label) {
        self.labels[label.0 as usize] = self.code.len() as u32;
    }

    /// Fills distances in. All labels that were jumped to must be bound.
    pub fn finish(&mut self) -> &[u8] {
        for (table, labels, numbers) in std::mem::take(&mut self.tables) {
            self.bind(table);
            let start = self.code.len() as u32;
            for label in labels {
                self.dword(self.labels[label.0 as usize].wrapping_sub(start) as i32);
            }
            for number in numbers {
                self.code.extend_from_slice(&number.to_le_bytes());
            }
        }
        for (at, label) in self.jumps.drain(..) {
            let to = self.labels[label.0 as usize];
            debug_assert_ne!(to, UNBOUND, "a jump to nowhere");
            let distance = to.wrapping_sub(at + 4);
            self.code[at as usize..][..4].copy_from_slice(&distance.to_le_bytes());
        }
        let mut placed: Vec<(u64, u32)> = Vec::new();
        for (at, literal) in std::mem::take(&mut self.literals) {
            let known = placed.iter().find(|&&(of, _)| of == literal);
            let place = match known {
                Some(&(_, place)) => place,
                None => {
                    let place = self.code.len() as u32;
                    self.code.extend_from_slice(&literal.to_le_bytes());
                    placed.push((literal, place));
                    place
                }
            };
            let distance = place.wrapping_sub(at + 4);
            self.code[at as usize..][..4].copy_from_slice(&distance.to_le_bytes());
        }
        &self.code
    }

    fn byte(&mut self, byte: u8) {
        self.code.push(byte);
    }

    fn dword(&mut self, number: i32) {
        self.code.extend_from_slice(&number.to_le_bytes());
    }

    /// ModRM, SIB and displacement.
    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(rm) => self.byte(0xc0 | reg | rm.0 & 7),
            Rm::Mem(Mem { base, index, disp }) => {
                // Without a displacement, rbp and r13 as base mean something else.
                let mode = match disp {
                    0 if base.0 & 7 != 5 => 0,
                    -128..=127 => 0x40,
                    _ => 0x80,
                };
                match index {
                    // rsp and r12 as base need an SIB byte.
                    None if base.0 & 7 == 4 => {
                        self.byte(mode | reg | 4);
                        self.byte(0x24);
                    }
                    None => self.byte(mode | reg | base.0 & 7),
                    Some((index, scale)) => {
                        self.byte(mode | reg | 4);
                        self.byte(scale << 6 | (index.0 & 7) << 3 | base.0 & 7);
                    }
                }
                match mode {
                    0x40 => self.byte(disp as u8),
                    0x80 => self.dword(disp),
                    _ => {}
                }
            }
        }
    }

    /// The high bits of the base and the index of an operand.
    fn high(rm: Rm) -> (u8, u8) {
        match rm {
            Rm::Reg(reg) => (reg.0 >> 3, 0),
            Rm::Mem(Mem { base, index, .. }) => (base.0 >> 3, index.map_or(0, |(index, _)| index.0 >> 3)),
        }
    }

    /// A REX prefix where one is needed; `bytes`: byte registers are used, which are others without it.
    fn rex(&mut self, wide: bool, reg: u8, rm: Rm, bytes: bool) {
        let (b, x) = Self::high(rm);
        let rex = u8::from(wide) << 3 | reg >> 3 << 2 | x << 1 | b;
        if rex != 0 || bytes {
            self.byte(0x40 | rex);
        }
    }

    /// An instruction with a ModRM byte.
    fn op(&mut self, size: Size, opcode: &[u8], reg: u8, rm: Rm) {
        self.rex(size == Size::Q, reg, rm, false);
        self.code.extend_from_slice(opcode);
        self.modrm(reg, rm);
    }

    /// One with a prefix before REX.
    fn prefixed(&mut self, prefix: u8, size: Size, opcode: &[u8], reg: u8, rm: Rm) {
        self.byte(prefix);
        self.op(size, opcode, reg, rm);
    }

    /// `dst = dst op src`.
    pub fn alu(&mut self, op: Alu, size: Size, dst: Reg, src: impl Into<Rm>) {
        self.op(size, &[(op as u8) << 3 | 3], dst.0, src.into());
    }

    /// `dst = dst op immediate`.
    pub fn alu_imm(&mut self, op: Alu, size: Size, dst: impl Into<Rm>, immediate: i32) {
        let dst = dst.into();
        match i8::try_from(immediate) {
            Ok(short) => {
                self.op(size, &[0x83], op as u8, dst);
                self.byte(short as u8);
            }
            Err(_) => {
                self.op(size, &[0x81], op as u8, dst);
                self.dword(immediate);
            }
        }
    }

    /// Compares the byte in memory with an immediate.
    pub fn cmp_byte(&mut self, mem: Mem, immediate: u8) {
        self.op(Size::D, &[0x80], Alu::Cmp as u8, mem.into());
        self.byte(immediate);
    }

    /// `a & b`, for the flags only.
    pub fn test(&mut self, size: Size, a: Reg, b: Reg) {
        self.op(size, &[0x85], b.0, a.into());
    }

    /// `byte & immediate`, for the flags only.
    pub fn test_byte(&mut self, mem: Mem, immediate: u8) {
        self.op(Size::D, &[0xf6], 0, mem.into());
        self.byte(immediate);
    }

    /// `dst = src`.
    pub fn mov(&mut self, size: Size, dst: Reg, src: impl Into<Rm>) {
        self.op(size, &[0x8b], dst.0, src.into());
    }

    /// `dst = number`, by the shortest instruction; flags stay.
    pub fn mov_imm(&mut self, dst: Reg, number: u64) {
        if let Ok(number) = u32::try_from(number) {
            self.rex(false, 0, dst.into(), false);
            self.byte(0xb8 | dst.0 & 7);
            self.dword(number as i32);
        } else if let Ok(number) = i32::try_from(number as i64) {
            self.op(Size::Q, &[0xc7], 0, dst.into());
            self.dword(number);
        } else {
            self.rex(true, 0, dst.into(), false);
            self.byte(0xb8 | dst.0 & 7);
            self.code.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Stores the low `bytes` bytes of a register.
    pub fn store(&mut self, bytes: u64, mem: Mem, src: Reg) {
        match bytes {
            1 => {
                self.rex(false, src.0, mem.into(), true);
                self.byte(0x88);
                self.modrm(src.0, mem.into());
            }
            2 => self.prefixed(0x66, Size::D, &[0x89], src.0, mem.into()),
            4 => self.op(Size::D, &[0x89], src.0, mem.into()),
            _ => self.op(Size::Q, &[0x89], src.0, mem.into()),
        }
    }

    /// Stores an immediate: its low `bytes` bytes, or, for eight, itself sign-extended.
    pub fn store_imm(&mut self, bytes: u64, mem: Mem, number: i32) {
        match bytes {
            1 => {
                self.op(Size::D, &[0xc6], 0, mem.into());
                self.byte(number as u8);
            }
            2 => {
                self.prefixed(0x66, Size::D, &[0xc7], 0, mem.into());
                self.code.extend_from_slice(&(number as u16).to_le_bytes());
            }
            4 => {
                self.op(Size::D, &[0xc7], 0, mem.into());
                self.dword(number);
            }
            _ => {
                self.op(Size::Q, &[0xc7], 0, mem.into());
                self.dword(number);
            }
        }
    }

    /// Loads or moves the low `bytes` bytes, zero-extended to 64 bits.
    pub fn movzx(&mut self, bytes: u64, dst: Reg, src: impl Into<Rm>) {
        let src = src.into();
        match bytes {
            1 => {
                self.rex(false, dst.0, src, matches!(src, Rm::Reg(_)));
                self.code.extend_from_slice(&[0x0f, 0xb6]);
                self.modrm(dst.0, src);
            }
            2 => self.op(Size::D, &[0x0f, 0xb7], dst.0, src),
            4 => self.mov(Size::D, dst, src),
            _ => self.mov(Size::Q, dst, src),
        }
    }

    /// The same, sign-extended.
    pub fn movsx(&mut self, bytes: u64, dst: Reg, src: impl Into<Rm>) {
        let src = src.into();
        match bytes {
            1 => self.op(Size::Q, &[0x0f, 0xbe], dst.0, src),
            2 => self.op(Size::Q, &[0x0f, 0xbf], dst.0, src),
            4 => self.op(Size::Q, &[0x63], dst.0, src),
            _ => self.mov(Size::Q, dst, src),
        }
    }

    /// `dst` = the address; flags stay.
    pub fn lea(&mut self, size: Size, dst: Reg, mem: Mem) {
        self.op(size, &[0x8d], dst.0, mem.into());
    }

    /// `dst = dst shifted by amount`.
    pub fn shift(&mut self, op: Shift, size: Size, dst: Reg, amount: u8) {
        self.op(size, &[0xc1], op as u8, dst.into());
        self.byte(amount);
    }

    /// `dst = dst rotated right by cl`.
    pub fn ror_cl(&mut self, size: Size, dst: Reg) {
        self.op(size, &[0xd3], Shift::Ror as u8, dst.into());
    }

    /// `dst = src shifted by count`, modulo the size (BMI2); flags stay.
    pub fn shift_by(&mut self, op: Shift, size: Size, dst: Reg, src: impl Into<Rm>, count: Reg) {
        let prefix = match op {
            Shift::Shl => Prefix::P66,
            Shift::Shr => Prefix::F2,
            Shift::Sar => Prefix::F3,
            Shift::Ror => unreachable!("there is no such instruction"),
        };
        self.vex(prefix, 2, size == Size::Q, 0xf7, dst.0, count.0, src.into());
    }

    /// `dst = src rotated right by amount` (BMI2); flags stay.
    pub fn rorx(&mut self, size: Size, dst: Reg, src: impl Into<Rm>, amount: u8) {
        self.vex(Prefix::F2, 3, size == Size::Q, 0xf0, dst.0, 0, src.into());
        self.byte(amount);
    }

    /// `dst = dst × src`, the low half.
    pub fn imul(&mut self, size: Size, dst: Reg, src: impl Into<Rm>) {
        self.op(size, &[0x0f, 0xaf], dst.0, src.into());
    }

    /// `dst = src × immediate`, the low half.
    pub fn imul_imm(&mut self, size: Size, dst: Reg, src: impl Into<Rm>, immediate: i32) {
        self.op(size, &[0x69], dst.0, src.into());
        self.dword(immediate);
    }

    /// See [`Unary`].
    pub fn unary(&mut self, op: Unary, size: Size, operand: impl Into<Rm>) {
        self.op(size, &[0xf7], op as u8, operand.into());
    }

    /// Sign-extends `rax` into `rdx`.
    pub fn cqo(&mut self) {
        self.code.extend_from_slice(&[0x48, 0x99]);
    }

    /// Low byte of `dst` = whether the condition holds.
    pub fn setcc(&mut self, cc: Cc, dst: Reg) {
        self.rex(false, 0, dst.into(), true);
        self.code.extend_from_slice(&[0x0f, 0x90 | cc as u8]);
        self.modrm(0, dst.into());
    }

    /// `dst = src` if the condition holds.
    pub fn cmov(&mut self, cc: Cc, dst: Reg, src: impl Into<Rm>) {
        self.op(Size::Q, &[0x0f, 0x40 | cc as u8], dst.0, src.into());
    }

    /// `dst = dst` with its bytes reversed.
    pub fn bswap(&mut self, dst: Reg) {
        self.rex(true, 0, dst.into(), false);
        self.code.extend_from_slice(&[0x0f, 0xc8 | dst.0 & 7]);
    }

    /// `dst` = number of one bits of `src`.
    pub fn popcnt(&mut self, dst: Reg, src: impl Into<Rm>) {
        self.prefixed(0xf3, Size::Q, &[0x0f, 0xb8], dst.0, src.into());
    }

    /// `dst` = leading zeros of `src`.
    pub fn lzcnt(&mut self, dst: Reg, src: impl Into<Rm>) {
        self.prefixed(0xf3, Size::Q, &[0x0f, 0xbd], dst.0, src.into());
    }

    /// `dst` = trailing zeros of `src`.
    pub fn tzcnt(&mut self, dst: Reg, src: impl Into<Rm>) {
        self.prefixed(0xf3, Size::Q, &[0x0f, 0xbc], dst.0, src.into());
    }

    /// Goes on at a label.
    pub fn jmp(&mut self, to: Label) {
        self.byte(0xe9);
        self.jumps.push((self.code.len() as u32, to));
        self.dword(0);
    }

    /// Goes on at a label if the condition holds.
    pub fn jcc(&mut self, cc: Cc, to: Label) {
        self.code.extend_from_slice(&[0x0f, 0x80 | cc as u8]);
        self.jumps.push((self.code.len() as u32, to));
        self.dword(0);
    }

    /// `dst` = the address of a label.
    pub fn lea_label(&mut self, dst: Reg, label: Label) {
        // REX.W 8D /r with a place relative to rip.
        self.code
            .extend_from_slice(&[0x48 | (dst.0 >> 3) << 2, 0x8d, (dst.0 & 7) << 3 | 5]);
        self.jumps.push((self.code.len() as u32, label));
        self.dword(0);
    }

    /// Goes on at the label that `index` selects; it must be one of them. Changes `a` and `b`.
    pub fn jmp_table(&mut self, labels: Vec<Label>, index: Reg, a: Reg, b: Reg) {
        let table = self.label();
        self.add_table(table, labels, Vec::new());
        self.lea_label(a, table);
        self.jmp_by(a, index, b);
    }

    /// Has a table be behind the code, at a label: of distances from there to other labels, 32 bits each, and numbers.
    pub fn add_table(&mut self, at: Label, labels: Vec<Label>, numbers: Vec<u64>) {
        self.tables.push((at, labels, numbers));
    }

    /// Goes on at the label that `index` selects in the table whose address is in `a`. Changes `b`.
    pub fn jmp_by(&mut self, a: Reg, index: Reg, b: Reg) {
        let entry = Mem {
            base: a,
            index: Some((index, 2)),
            disp: 0,
        };
        self.movsx(4, b, entry);
        self.alu(Alu::Add, Size::Q, b, a);
        self.jmp_to(b);
    }

    /// Goes on at an address.
    pub fn jmp_to(&mut self, to: impl Into<Rm>) {
        self.op(Size::D, &[0xff], 4, to.into());
    }

    /// Calls the function at an address.
    pub fn call(&mut self, to: impl Into<Rm>) {
        self.op(Size::D, &[0xff], 2, to.into());
    }

    /// Calls the function at a literal address.
    pub fn call_literal(&mut self, to: u64) {
        // FF /2 with a place relative to rip.
        self.code.extend_from_slice(&[0xff, 0x15]);
        self.literals.push((self.code.len() as u32, to));
        self.dword(0);
    }

    /// Returns.
    pub fn ret(&mut self) {
        self.byte(0xc3);
    }

    /// Pushes a register.
    pub fn push(&mut self, reg: Reg) {
        self.rex(false, 0, reg.into(), false);
        self.byte(0x50 | reg.0 & 7);
    }

    /// Pushes a number, sign-extended.
    pub fn push_imm(&mut self, number: i32) {
        self.byte(0x68);
        self.dword(number);
    }

    /// Pops a register.
    pub fn pop(&mut self, reg: Reg) {
        self.rex(false, 0, reg.into(), false);
        self.byte(0x58 | reg.0 & 7);
    }

    /// An instruction with a VEX prefix: `map` 1 is 0F, 2 0F38, 3 0F3A.
    #[allow(clippy::too_many_arguments, reason = "they are the fields of the encoding")]
    fn vex(&mut self, prefix: Prefix, map: u8, wide: bool, opcode: u8, reg: u8, second: u8, rm: Rm) {
        let (b, x) = Self::high(rm);
        let last = (!second & 15) << 3 | prefix as u8;
        if map == 1 && !wide && b == 0 && x == 0 {
            self.code
                .extend_from_slice(&[0xc5, (!reg & 8) << 4 | last, opcode]);
        } else {
            let first = (!reg & 8) << 4 | (x ^ 1) << 6 | (b ^ 1) << 5 | map;
            self.code
                .extend_from_slice(&[0xc4, first, u8::from(wide) << 7 | last, opcode]);
        }
        self.modrm(reg, rm);
    }

    /// An AVX instruction on scalars, `dst = second op src`, of the 0F map.
    pub fn avx(&mut self, prefix: Prefix, opcode: u8, dst: Xmm, second: Xmm, src: impl Into<Rm>) {
        self.vex(prefix, 1, false, opcode, dst.0, second.0, src.into());
    }

    /// `dst = second × dst + src` (FMA3).
    pub fn fma213(&mut self, double: bool, dst: Xmm, second: Xmm, src: impl Into<Rm>) {
        self.vex(Prefix::P66, 2, double, 0xa9, dst.0, second.0, src.into());
    }

    /// `dst = src`, all bits.
    pub fn mov_xmm(&mut self, dst: Xmm, src: Xmm) {
        self.vex(Prefix::P66, 1, false, 0x28, dst.0, 0, src.into());
    }

    /// Loads a double.
    pub fn load_xmm(&mut self, dst: Xmm, mem: Mem) {
        self.vex(Prefix::F2, 1, false, 0x10, dst.0, 0, mem.into());
    }

    /// Stores a double.
    pub fn store_xmm(&mut self, mem: Mem, src: Xmm) {
        self.vex(Prefix::F2, 1, false, 0x11, src.0, 0, mem.into());
    }

    /// `dst` = the bits of `src`.
    pub fn move_to_xmm(&mut self, size: Size, dst: Xmm, src: impl Into<Rm>) {
        self.vex(Prefix::P66, 1, size == Size::Q, 0x6e, dst.0, 0, src.into());
    }

    /// The low bits of `src` as an integer.
    pub fn move_from_xmm(&mut self, size: Size, dst: Reg, src: Xmm) {
        self.vex(Prefix::P66, 1, size == Size::Q, 0x7e, src.0, 0, dst.into());
    }

    /// `dst` = the signed integer `src` as a number; the upper bits are those of `dst`.
    pub fn convert_from_int(&mut self, double: bool, size: Size, dst: Xmm, src: impl Into<Rm>) {
        let prefix = if double { Prefix::F2 } else { Prefix::F3 };
        self.vex(prefix, 1, size == Size::Q, 0x2a, dst.0, dst.0, src.into());
    }

    /// `dst` = the number `src` as a signed integer of 64 bits, rounded towards zero.
    pub fn convert_to_int(&mut self, double: bool, dst: Reg, src: Xmm) {
        let prefix = if double { Prefix::F2 } else { Prefix::F3 };
        self.vex(prefix, 1, true, 0x2c, dst.0, 0, src.into());
    }

    /// Compares numbers: unordered sets the parity flag, less the carry flag, equal the zero flag.
    pub fn compare_xmm(&mut self, double: bool, a: Xmm, b: Xmm) {
        let prefix = if double { Prefix::P66 } else { Prefix::None };
        self.vex(prefix, 1, false, 0x2e, a.0, 0, b.into());
    }
}
