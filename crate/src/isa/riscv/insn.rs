//! Decoded instructions: what the decoder makes and every engine consumes.

use std::fmt;

/// An integer or floating-point register number, or [`Reg::SINK`]. Always at most 32, so it indexes a file of 33
/// without a check.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reg(u8);

impl Reg {
    /// `x0`, which reads as zero.
    pub const ZERO: Reg = Reg(0);
    /// `x1`, the return address by convention.
    pub const RA: Reg = Reg(1);
    /// `x2`, the stack pointer by convention.
    pub const SP: Reg = Reg(2);
    /// `x10`, the first argument by convention.
    pub const A0: Reg = Reg(10);
    /// Where results for `x0` go: a slot that nothing reads, which spares each write a comparison.
    pub const SINK: Reg = Reg(32);

    /// Register `number`, of which the low five bits count.
    #[inline]
    pub const fn new(number: u32) -> Self {
        Reg((number & 31) as u8)
    }

    /// `self` as an integer destination: `x0` becomes the sink.
    #[inline]
    pub const fn as_destination(self) -> Self {
        if self.0 == 0 { Reg::SINK } else { self }
    }

    /// The number, at most 32.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// One decoded instruction. Compressed instructions decode to the operation they stand for.
///
/// `imm` is the immediate, sign-extended; for shifts the amount, for CSR instructions the CSR number, for illegal ones
/// the instruction's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// What it does.
    pub op: Op,
    /// Destination.
    pub rd: Reg,
    /// First source; for immediate CSR instructions the 5-bit immediate.
    pub rs1: Reg,
    /// Second source.
    pub rs2: Reg,
    /// Immediate, as described above.
    pub imm: i32,
    /// Third source of fused multiply-add.
    pub rs3: Reg,
    /// Rounding-mode field of floating-point instructions.
    pub rm: u8,
    /// Length in bytes: 2 or 4.
    pub len: u8,
    /// Bytes from the start of its page.
    pub offset: u16,
}

impl Insn {
    /// An instruction of four bytes with no operands.
    pub const fn new(op: Op) -> Self {
        Insn {
            op,
            rd: Reg::SINK,
            rs1: Reg::ZERO,
            rs2: Reg::ZERO,
            imm: 0,
            rs3: Reg::ZERO,
            rm: 0,
            len: 4,
            offset: 0,
        }
    }

    /// The encoding `bits` of `len` bytes, which means nothing.
    pub const fn illegal(bits: u32, len: u8) -> Self {
        let mut insn = Insn::new(Op::Illegal);
        insn.imm = bits as i32;
        insn.len = len;
        insn
    }
}

/// What an instruction does. Names follow the RISC-V manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[rustfmt::skip]
pub enum Op {
    /// `lui`, and `addi` from `x0`: loads the immediate.
    Li,
    // RV64I
    Auipc, Jal, Jalr,
    Beq, Bne, Blt, Bge, Bltu, Bgeu,
    Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu, Sb, Sh, Sw, Sd,
    Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai, Addiw, Slliw, Srliw, Sraiw,
    Add, Sub, Sll, Slt, Sltu, Xor, Srl, Sra, Or, And, Addw, Subw, Sllw, Srlw, Sraw,
    Fence, Ecall, Ebreak,
    // Zifencei, Zicsr
    FenceI, Csrrw, Csrrs, Csrrc, Csrrwi, Csrrsi, Csrrci,
    // Privileged, Svinval
    Mret, Sret, Wfi, SfenceVma, SinvalVma, SfenceWInval, SfenceInvalIr,
    // M
    Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu, Mulw, Divw, Divuw, Remw, Remuw,
    // A
    LrW, LrD, ScW, ScD,
    AmoswapW, AmoaddW, AmoxorW, AmoandW, AmoorW, AmominW, AmomaxW, AmominuW, AmomaxuW,
    AmoswapD, AmoaddD, AmoxorD, AmoandD, AmoorD, AmominD, AmomaxD, AmominuD, AmomaxuD,
    // F
    Flw, Fsw, FmaddS, FmsubS, FnmsubS, FnmaddS, FaddS, FsubS, FmulS, FdivS, FsqrtS,
    FsgnjS, FsgnjnS, FsgnjxS, FminS, FmaxS, FeqS, FltS, FleS, FclassS,
    FcvtWS, FcvtWuS, FcvtLS, FcvtLuS, FcvtSW, FcvtSWu, FcvtSL, FcvtSLu, FmvXW, FmvWX,
    // D
    Fld, Fsd, FmaddD, FmsubD, FnmsubD, FnmaddD, FaddD, FsubD, FmulD, FdivD, FsqrtD,
    FsgnjD, FsgnjnD, FsgnjxD, FminD, FmaxD, FeqD, FltD, FleD, FclassD,
    FcvtWD, FcvtWuD, FcvtLD, FcvtLuD, FcvtDW, FcvtDWu, FcvtDL, FcvtDLu, FmvXD, FmvDX,
    FcvtSD, FcvtDS,
    // Zba
    Sh1add, Sh2add, Sh3add, AddUw, Sh1addUw, Sh2addUw, Sh3addUw, SlliUw,
    // Zbb
    Andn, Orn, Xnor, Clz, Ctz, Cpop, Clzw, Ctzw, Cpopw, Max, Maxu, Min, Minu,
    SextB, SextH, ZextH, Rol, Ror, Rori, Rolw, Rorw, Roriw, OrcB, Rev8,
    // Zbs
    Bclr, Bext, Binv, Bset, Bclri, Bexti, Binvi, Bseti,
    // Zicbom, Zicboz
    CboInval, CboClean, CboFlush, CboZero,
    /// No instruction of ours: raises an illegal-instruction exception.
    Illegal,
    /// Not an instruction: its second half lies in the next page, so it cannot be decoded from one page.
    Straddle,
    /// Not an instruction: execution goes on at the given offset (in `imm`), past the page's end where that is 4096.
    Continue,
}

impl Op {
    /// Whether it writes a floating-point register or may raise a floating-point flag: `mstatus.FS` becomes Dirty by
    /// it.
    pub fn dirties_float(self) -> bool {
        let float = (Op::Flw as u8..=Op::FcvtDS as u8).contains(&(self as u8));
        let reads_only = matches!(
            self,
            Op::Fsw | Op::Fsd | Op::FmvXW | Op::FmvXD | Op::FclassS | Op::FclassD
        );
        float && !reads_only
    }

    /// Whether it is a CSR, environment, privileged or cache-block instruction: engines do these between others, where all
    /// state is exact.
    pub fn is_system(self) -> bool {
        (Op::Ecall as u8..=Op::SfenceInvalIr as u8).contains(&(self as u8))
            || (Op::CboInval as u8..=Op::CboZero as u8).contains(&(self as u8))
    }

    /// Whether execution never goes on at the next instruction in memory without leaving the straight line first:
    /// the decoder ends a run here.
    pub fn ends_run(self) -> bool {
        matches!(
            self,
            Op::Jal
                | Op::Jalr
                | Op::Mret
                | Op::Sret
                | Op::Ecall
                | Op::Ebreak
                | Op::Illegal
                | Op::Straddle
                | Op::Continue
        )
    }
}
