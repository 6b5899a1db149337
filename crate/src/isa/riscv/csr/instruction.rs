//! What the instructions of Zicsr do (unprivileged specification, chapter "Zicsr").

use super::access::Illegal;
use super::{mstatus, number as n};
use crate::isa::riscv::hart::Hart;
use crate::isa::riscv::insn::{Insn, Op, Reg};

/// How a register is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Change {
    /// Not at all: an instruction that sets or clears nothing does not write.
    None = 0,
    /// The operand is written.
    Write = 1,
    /// The operand's bits are set.
    Set = 2,
    /// The operand's bits are cleared.
    Clear = 3,
}

/// An instruction of Zicsr but for its registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsrAccess {
    /// The register's number.
    pub number: u32,
    /// Whether it is read: a read that nobody wants does not happen.
    pub reads: bool,
    /// What is done to it.
    pub change: Change,
}

impl CsrAccess {
    const CHANGE_SHIFT: u32 = 12;
    const READS: u32 = 1 << 14;

    /// What `insn` does, which must be of Zicsr; and its operand, if that is an immediate and no register.
    pub fn of(insn: &Insn) -> Option<(Self, Option<u64>)> {
        let source_is_zero = insn.rs1 == Reg::ZERO;
        let (change, immediate) = match insn.op {
            Op::Csrrw => (Change::Write, false),
            Op::Csrrwi => (Change::Write, true),
            Op::Csrrs => (Change::Set, false),
            Op::Csrrsi => (Change::Set, true),
            Op::Csrrc => (Change::Clear, false),
            Op::Csrrci => (Change::Clear, true),
            _ => return None,
        };
        let access = CsrAccess {
            number: insn.imm as u32,
            reads: change != Change::Write || insn.rd != Reg::SINK,
            change: match change {
                Change::Set | Change::Clear if source_is_zero => Change::None,
                other => other,
            },
        };
        Some((access, immediate.then_some(insn.rs1.index() as u64)))
    }

    /// Whether it can be done amid other instructions, given that the privilege suffices: neither changes what comes next,
    /// nor what instructions are allowed but for what [`Self::changes_status`] tells; and where it makes an interrupt due
    /// [`Hart::access_csr_quietly`] does not do it.
    pub fn is_simple(self) -> bool {
        matches!(self.number, n::SSTATUS | n::SIE) || plain(self.number).is_some()
    }

    /// Whether it may change `mstatus`.
    pub fn changes_status(self) -> bool {
        self.number == n::SSTATUS && self.change != Change::None
    }

    /// In 15 bits.
    pub fn to_bits(self) -> u32 {
        let reads = if self.reads { Self::READS } else { 0 };
        self.number | (self.change as u32) << Self::CHANGE_SHIFT | reads
    }

    /// What [`Self::to_bits`] made.
    pub fn from_bits(bits: u32) -> Self {
        CsrAccess {
            number: bits & 0xfff,
            reads: bits & Self::READS != 0,
            change: match bits >> Self::CHANGE_SHIFT & 3 {
                0 => Change::None,
                1 => Change::Write,
                2 => Change::Set,
                _ => Change::Clear,
            },
        }
    }
}

/// Registers that do nothing but keep what is written: the bits that can be written; the others are 0.
pub fn plain(number: u32) -> Option<u64> {
    match number {
        n::SSCRATCH | n::SCAUSE | n::STVAL => Some(u64::MAX),
        n::SEPC => Some(!1),
        _ => None,
    }
}

impl Hart {
    /// Does it; the result is for `rd`.
    pub fn access_csr(
        &mut self,
        access: CsrAccess,
        operand: u64,
        mtime: impl FnOnce() -> u64,
    ) -> Result<u64, Illegal> {
        let CsrAccess {
            number,
            reads,
            change,
        } = access;
        if change != Change::None && number >> 10 == 3 {
            return Err(Illegal);
        }
        let old = if reads { self.read_csr(number, mtime)? } else { 0 };
        // Lines of interrupts that `mip` shows are not what was written: "Only the software-writable SEIP bit participates in
        // the read-modify-write sequence of a CSRRS or CSRRC instruction" (privileged specification, "mip and mie").
        let kept = if number == n::MIP { self.state.csr.mip } else { old };
        match change {
            Change::None => {}
            Change::Write => self.write_csr(number, operand)?,
            Change::Set => self.write_csr(number, kept | operand)?,
            Change::Clear => self.write_csr(number, kept & !operand)?,
        }
        Ok(old)
    }

    /// Does what [is simple](CsrAccess::is_simple): `None`, with nothing changed, where it is illegal or makes an interrupt
    /// due.
    pub fn access_csr_quietly(&mut self, access: CsrAccess, operand: u64) -> Option<u64> {
        let csr = &self.state.csr;
        let (status, enabled) = (csr.mstatus, csr.mie);
        let old = self.access_csr(access, operand, || 0).ok()?;
        let csr = &self.state.csr;
        let more = csr.mstatus & !status & mstatus::SIE | csr.mie & !enabled;
        if more != 0 && self.pending_interrupt().is_some() {
            (self.state.csr.mstatus, self.state.csr.mie) = (status, enabled);
            return None;
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::riscv::csr::irq;
    use crate::isa::riscv::hart::Privilege;

    #[test]
    fn what_an_instruction_does_survives_its_bits() {
        for op in [
            Op::Csrrw,
            Op::Csrrs,
            Op::Csrrc,
            Op::Csrrwi,
            Op::Csrrsi,
            Op::Csrrci,
        ] {
            for (rd, rs1) in [(Reg::SINK, Reg::ZERO), (Reg::new(5), Reg::new(6))] {
                let insn = Insn {
                    rd,
                    rs1,
                    imm: 0xfff,
                    ..Insn::new(op)
                };
                let (access, _) = CsrAccess::of(&insn).unwrap();
                assert_eq!(CsrAccess::from_bits(access.to_bits()), access);
            }
        }
        assert_eq!(CsrAccess::of(&Insn::new(Op::Add)), None);
    }

    #[test]
    fn plain_registers_are_plain() {
        let mut hart = Hart::new(0, 0);
        hart.state.privilege = Privilege::Supervisor;
        let before = hart.state.csr.mstatus;
        let mut count = 0;
        for number in 0..0x1000 {
            let Some(writable) = plain(number) else { continue };
            count += 1;
            for value in [u64::MAX, 0, 0x0123_4567_89ab_cdef] {
                hart.write_csr(number, value).unwrap();
                assert_eq!(
                    hart.read_csr(number, || 0).ok(),
                    Some(value & writable),
                    "{number:#x}"
                );
            }
        }
        assert_eq!((count, hart.state.csr.mstatus), (4, before));
    }

    #[test]
    fn a_line_that_mip_shows_is_not_written_back() {
        let mut hart = Hart::new(0, 0);
        hart.lines = 1 << irq::SEI;
        let set_ssip = CsrAccess {
            number: n::MIP,
            reads: true,
            change: Change::Set,
        };
        let old = hart.access_csr(set_ssip, 1 << irq::SSI, || 0);
        assert_eq!(old.ok(), Some(1 << irq::SEI));
        hart.lines = 0;
        assert_eq!(hart.read_csr(n::MIP, || 0).ok(), Some(1 << irq::SSI));
    }

    #[test]
    fn an_interrupt_that_would_be_due_is_left_to_others() {
        let mut hart = Hart::new(0, 0);
        hart.state.privilege = Privilege::Supervisor;
        let set_sie = CsrAccess {
            number: n::SSTATUS,
            reads: true,
            change: Change::Set,
        };
        assert!(hart.access_csr_quietly(set_sie, mstatus::SIE).is_some());
        hart.state.csr.mstatus &= !mstatus::SIE;
        // A software interrupt that waits.
        (hart.state.csr.mideleg, hart.state.csr.mie, hart.state.csr.mip) = (2, 2, 2);
        let before = hart.state.csr.mstatus;
        assert_eq!(hart.access_csr_quietly(set_sie, mstatus::SIE), None);
        assert_eq!(hart.state.csr.mstatus, before);
        assert!(hart.access_csr_quietly(set_sie, mstatus::SUM).is_some());
        hart.state.privilege = Privilege::User;
        assert_eq!(hart.access_csr_quietly(set_sie, 0), None);
    }
}
