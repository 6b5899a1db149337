//! Reading and writing CSRs: privilege, and what a write keeps (WARL and WLRL fields).

use super::number as n;
use super::{envcfg, irq, mstatus};
use crate::isa::riscv::hart::{Hart, Privilege};
use crate::isa::riscv::mmu;

/// The access raises an illegal-instruction exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal;

/// RV64 with A, C, D, F, I, M, S and U.
const MISA: u64 = 2 << 62 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20;

/// Exceptions that may be delegated: all but a call from M-mode, which is M-mode's own.
const DELEGABLE: u64 = 0xb3ff;

/// Counters that exist: `cycle`, `time`, `instret`; the others read as zero.
const COUNTERS: u64 = 0xffff_ffff;

/// `mcountinhibit` has no bit for `time`, and the event counters never count.
const INHIBITABLE: u64 = 0b101;

impl Hart {
    /// Reads CSR `number`. `mtime` is asked only where time is read.
    pub fn read_csr(&self, number: u32, mtime: impl FnOnce() -> u64) -> Result<u64, Illegal> {
        self.check_privilege(number)?;
        let csr = &self.state.csr;
        let retired = self.state.retired;
        Ok(match number {
            n::FFLAGS => self.float_csr(u64::from(csr.fflags))?,
            n::FRM => self.float_csr(u64::from(csr.frm))?,
            n::FCSR => self.float_csr(u64::from(csr.frm) << 5 | u64::from(csr.fflags))?,
            n::CYCLE | n::MCYCLE => csr.cycle.get(retired),
            n::TIME => mtime(),
            n::INSTRET | n::MINSTRET => csr.instret.get(retired),
            n::HPMCOUNTER3..=n::HPMCOUNTER31
            | n::MHPMCOUNTER3..=n::MHPMCOUNTER31
            | n::MHPMEVENT3..=n::MHPMEVENT31
            | n::MVENDORID
            | n::MARCHID
            | n::MIMPID
            | n::MCONFIGPTR => 0,
            n::SSTATUS => self.status() & mstatus::SEEN_BY_SUPERVISOR,
            n::SIE => csr.mie & csr.mideleg,
            n::STVEC => csr.stvec,
            n::SCOUNTEREN => csr.scounteren,
            n::SENVCFG => csr.senvcfg,
            n::SSCRATCH => csr.sscratch,
            n::SEPC => csr.sepc,
            n::SCAUSE => csr.scause,
            n::STVAL => csr.stval,
            n::SIP => self.pending() & csr.mideleg,
            n::STIMECMP => csr.stimecmp,
            n::SATP => csr.satp,
            n::MSTATUS => self.status(),
            n::MISA => MISA,
            n::MEDELEG => csr.medeleg,
            n::MIDELEG => csr.mideleg,
            n::MIE => csr.mie,
            n::MTVEC => csr.mtvec,
            n::MCOUNTEREN => csr.mcounteren,
            n::MENVCFG => csr.menvcfg,
            n::MCOUNTINHIBIT => csr.mcountinhibit,
            n::MSCRATCH => csr.mscratch,
            n::MEPC => csr.mepc,
            n::MCAUSE => csr.mcause,
            n::MTVAL => csr.mtval,
            n::MIP => self.pending(),
            n::PMPCFG0..=n::PMPCFG15 if number & 1 == 0 => {
                csr.pmp.read_config((number - n::PMPCFG0) as usize)
            }
            n::PMPADDR0..=n::PMPADDR63 => csr.pmp.read_address((number - n::PMPADDR0) as usize),
            n::MHARTID => csr.mhartid,
            _ => return Err(Illegal),
        })
    }

    /// Writes CSR `number`. What follows for translation and interrupts is seen to, at the latest, before the next
    /// instruction that the engine fetches anew.
    pub fn write_csr(&mut self, number: u32, value: u64) -> Result<(), Illegal> {
        self.check_privilege(number)?;
        if number >> 10 == 3 {
            return Err(Illegal);
        }
        let retired = self.state.retired;
        let csr = &mut self.state.csr;
        match number {
            n::FFLAGS => {
                self.float_csr(0)?;
                self.state.csr.fflags = value as u8 & 31;
                self.state.csr.mstatus |= mstatus::FS;
            }
            n::FRM => {
                self.float_csr(0)?;
                self.state.csr.frm = value as u8 & 7;
                self.state.csr.mstatus |= mstatus::FS;
            }
            n::FCSR => {
                self.float_csr(0)?;
                self.state.csr.fflags = value as u8 & 31;
                self.state.csr.frm = (value >> 5) as u8 & 7;
                self.state.csr.mstatus |= mstatus::FS;
            }
            n::SSTATUS => self.write_status(value, mstatus::SUPERVISOR),
            n::SIE => csr.mie = csr.mie & !csr.mideleg | value & csr.mideleg,
            n::STVEC => csr.stvec = tvec(csr.stvec, value),
            n::SCOUNTEREN => csr.scounteren = value & COUNTERS,
            n::SENVCFG => csr.senvcfg = env_config(csr.senvcfg, value, envcfg::SUPERVISOR),
            n::SSCRATCH => csr.sscratch = value,
            n::SEPC => csr.sepc = value & !1,
            n::SCAUSE => csr.scause = value,
            n::STVAL => csr.stval = value,
            n::SIP => {
                let mask = csr.mideleg & 1 << irq::SSI;
                csr.mip = csr.mip & !mask | value & mask;
            }
            n::STIMECMP => {
                csr.stimecmp = value;
                // The line follows from the comparison, which the machine makes.
                self.leave_soon();
            }
            n::SATP => {
                if let Some(satp) = mmu::legal_satp(value)
                    && satp != csr.satp
                {
                    // Translations are tagged with the address space (section 11.1.11: a write of `satp` does not
                    // imply a fence), but for those that are not.
                    csr.satp = satp;
                    self.leave_address_space();
                }
            }
            n::MSTATUS => self.write_status(value, mstatus::MACHINE),
            n::MISA | n::MHPMEVENT3..=n::MHPMEVENT31 | n::MHPMCOUNTER3..=n::MHPMCOUNTER31 => {}
            n::MEDELEG => csr.medeleg = value & DELEGABLE,
            n::MIDELEG => csr.mideleg = value & irq::SUPERVISOR,
            n::MIE => csr.mie = value & irq::ALL,
            n::MTVEC => csr.mtvec = tvec(csr.mtvec, value),
            n::MCOUNTEREN => csr.mcounteren = value & COUNTERS,
            n::MENVCFG => {
                csr.menvcfg = env_config(csr.menvcfg, value, envcfg::MACHINE);
                self.flush_translations();
                self.leave_soon();
            }
            n::MCOUNTINHIBIT => {
                csr.mcountinhibit = value & INHIBITABLE;
                csr.cycle.inhibit(retired, value & 1 != 0);
                csr.instret.inhibit(retired, value & 4 != 0);
            }
            n::MSCRATCH => csr.mscratch = value,
            n::MEPC => csr.mepc = value & !1,
            n::MCAUSE => csr.mcause = value,
            n::MTVAL => csr.mtval = value,
            n::MIP => {
                let mut mask = irq::SUPERVISOR;
                if csr.sstc_enabled() {
                    mask &= !(1 << irq::STI);
                }
                csr.mip = csr.mip & !mask | value & mask;
            }
            n::PMPCFG0..=n::PMPCFG15 if number & 1 == 0 => {
                csr.pmp.write_config((number - n::PMPCFG0) as usize, value);
                self.flush_translations();
            }
            n::PMPADDR0..=n::PMPADDR63 => {
                csr.pmp.write_address((number - n::PMPADDR0) as usize, value);
                self.flush_translations();
            }
            n::MCYCLE => csr.cycle.set(retired, value),
            n::MINSTRET => csr.instret.set(retired, value),
            _ => return Err(Illegal),
        }
        Ok(())
    }

    /// `mstatus` with the bits that follow from others.
    fn status(&self) -> u64 {
        let status = self.state.csr.mstatus;
        if status & mstatus::FS == mstatus::FS {
            status | mstatus::SD
        } else {
            status
        }
    }

    /// `mip`: what software set and what the lines say.
    fn pending(&self) -> u64 {
        self.state.csr.mip | self.lines
    }

    fn write_status(&mut self, value: u64, mask: u64) {
        let old = self.state.csr.mstatus;
        let mut new = old & !mask | value & mask;
        if Privilege::from_bits(new >> mstatus::MPP_SHIFT & 3).is_none() {
            new = new & !mstatus::MPP | old & mstatus::MPP;
        }
        self.state.csr.mstatus = new;
        // Each privilege and SUM have a table of their own; MXR changes what one of them allows.
        if (old ^ new) & mstatus::MXR != 0 {
            self.tlb.flush();
        }
    }

    /// `value`, if the floating-point unit is on.
    fn float_csr(&self, value: u64) -> Result<u64, Illegal> {
        if self.state.csr.mstatus & mstatus::FS == 0 {
            Err(Illegal)
        } else {
            Ok(value)
        }
    }

    fn check_privilege(&self, number: u32) -> Result<(), Illegal> {
        let csr = &self.state.csr;
        let privilege = self.state.privilege;
        if (privilege as u32) < number >> 8 & 3 {
            return Err(Illegal);
        }
        match number {
            n::SATP if privilege == Privilege::Supervisor && csr.mstatus & mstatus::TVM != 0 => Err(Illegal),
            n::STIMECMP
                if privilege == Privilege::Supervisor && (!csr.sstc_enabled() || csr.mcounteren & 2 == 0) =>
            {
                Err(Illegal)
            }
            n::CYCLE..=n::HPMCOUNTER31 => {
                let bit = 1 << (number - n::CYCLE);
                let allowed = match privilege {
                    Privilege::Machine => true,
                    Privilege::Supervisor => csr.mcounteren & bit != 0,
                    Privilege::User => csr.mcounteren & csr.scounteren & bit != 0,
                };
                if allowed { Ok(()) } else { Err(Illegal) }
            }
            _ => Ok(()),
        }
    }
}

/// A trap vector: direct or vectored mode; the reserved modes leave the register as it was.
fn tvec(old: u64, new: u64) -> u64 {
    if new & 2 == 0 { new } else { old }
}

/// An environment configuration: of `CBIE`, value 2 is reserved.
fn env_config(old: u64, new: u64, mask: u64) -> u64 {
    let new = new & mask;
    if new & envcfg::CBIE == 2 << 4 {
        new & !envcfg::CBIE | old & envcfg::CBIE
    } else {
        new
    }
}
