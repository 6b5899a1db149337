//! Control and status registers (privileged spec chapters 2 to 4, 10).
//!
//! The registers stand here as plain data; [`access`] says who may read and write which, and what a write keeps.

pub mod access;
pub mod instruction;
pub mod number;

use serde::{Deserialize, Serialize};

use super::float::Flags;
use super::pmp::Pmp;

/// Fields of `mstatus`, and of `sstatus` as far as it shows them.
#[allow(missing_docs, reason = "the names are the manual's")]
pub mod mstatus {
    pub const SIE: u64 = 1 << 1;
    pub const MIE: u64 = 1 << 3;
    pub const SPIE: u64 = 1 << 5;
    pub const MPIE: u64 = 1 << 7;
    pub const SPP_SHIFT: u32 = 8;
    pub const SPP: u64 = 1 << SPP_SHIFT;
    pub const MPP_SHIFT: u32 = 11;
    pub const MPP: u64 = 3 << MPP_SHIFT;
    pub const FS: u64 = 3 << 13;
    pub const MPRV: u64 = 1 << 17;
    pub const SUM: u64 = 1 << 18;
    pub const MXR: u64 = 1 << 19;
    pub const TVM: u64 = 1 << 20;
    pub const TW: u64 = 1 << 21;
    pub const TSR: u64 = 1 << 22;
    /// U- and S-mode are 64 bits wide, always.
    pub const UXL_SXL: u64 = 2 << 32 | 2 << 34;
    pub const SD: u64 = 1 << 63;
    /// What `sstatus` lets be written.
    pub const SUPERVISOR: u64 = SIE | SPIE | SPP | FS | SUM | MXR;
    /// What `sstatus` shows of it; UXL too, which is fixed, and SD.
    pub const SEEN_BY_SUPERVISOR: u64 = SUPERVISOR | SD | 3 << 32;
    /// What `mstatus` lets be written.
    pub const MACHINE: u64 = SUPERVISOR | MIE | MPIE | MPP | MPRV | TVM | TW | TSR;
}

/// Interrupt numbers: bits of `mip`, `mie` and `mideleg`.
#[allow(missing_docs, reason = "the names are the manual's")]
pub mod irq {
    pub const SSI: u64 = 1;
    pub const MSI: u64 = 3;
    pub const STI: u64 = 5;
    pub const MTI: u64 = 7;
    pub const SEI: u64 = 9;
    pub const MEI: u64 = 11;
    /// Those of S-mode: what can be delegated.
    pub const SUPERVISOR: u64 = 1 << SSI | 1 << STI | 1 << SEI;
    /// All.
    pub const ALL: u64 = SUPERVISOR | 1 << MSI | 1 << MTI | 1 << MEI;
}

/// Fields of `menvcfg` and `senvcfg`.
#[allow(missing_docs, reason = "the names are the manual's")]
pub mod envcfg {
    pub const FIOM: u64 = 1;
    pub const CBIE: u64 = 3 << 4;
    pub const CBCFE: u64 = 1 << 6;
    pub const CBZE: u64 = 1 << 7;
    pub const ADUE: u64 = 1 << 61;
    pub const PBMTE: u64 = 1 << 62;
    pub const STCE: u64 = 1 << 63;
    pub const SUPERVISOR: u64 = FIOM | CBIE | CBCFE | CBZE;
    pub const MACHINE: u64 = SUPERVISOR | ADUE | PBMTE | STCE;
}

/// The values of a hart's control and status registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub struct Csrs {
    pub mhartid: u64,
    pub mstatus: u64,
    pub medeleg: u64,
    pub mideleg: u64,
    pub mie: u64,
    /// Bits that software set; the lines from devices are OR-ed to them.
    pub mip: u64,
    pub mtvec: u64,
    pub mcounteren: u64,
    pub menvcfg: u64,
    pub mcountinhibit: u64,
    pub mscratch: u64,
    pub mepc: u64,
    pub mcause: u64,
    pub mtval: u64,
    pub stvec: u64,
    pub scounteren: u64,
    pub senvcfg: u64,
    pub sscratch: u64,
    pub sepc: u64,
    pub scause: u64,
    pub stval: u64,
    pub satp: u64,
    pub stimecmp: u64,
    pub pmp: Pmp,
    /// `mcycle`; a cycle is an instruction.
    pub cycle: Counter,
    /// `minstret`
    pub instret: Counter,
    /// `fflags`, low five bits.
    pub fflags: u8,
    /// `frm`
    pub frm: u8,
}

impl Csrs {
    /// Reset values.
    pub fn new(hart_id: u64) -> Self {
        Csrs {
            mhartid: hart_id,
            mstatus: mstatus::UXL_SXL,
            medeleg: 0,
            mideleg: 0,
            mie: 0,
            mip: 0,
            mtvec: 0,
            mcounteren: 0,
            // Page-table bits and memory types are on from the start, as on QEMU's boards.
            menvcfg: envcfg::ADUE | envcfg::PBMTE,
            mcountinhibit: 0,
            mscratch: 0,
            mepc: 0,
            mcause: 0,
            mtval: 0,
            stvec: 0,
            scounteren: 0,
            senvcfg: 0,
            sscratch: 0,
            sepc: 0,
            scause: 0,
            stval: 0,
            satp: 0,
            stimecmp: u64::MAX,
            pmp: Pmp::default(),
            cycle: Counter::default(),
            instret: Counter::default(),
            fflags: 0,
            frm: 0,
        }
    }

    /// Accrued floating-point exceptions.
    #[inline(always)]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_truncate(self.fflags)
    }

    /// Does `f` with the accrued floating-point exceptions; `mstatus.FS` becomes Dirty if it adds any.
    #[inline(always)]
    pub fn with_flags<T>(&mut self, f: impl FnOnce(&mut Flags) -> T) -> T {
        let mut flags = self.flags();
        let value = f(&mut flags);
        if flags.bits() != self.fflags {
            self.fflags = flags.bits();
            self.mstatus |= mstatus::FS;
        }
        value
    }

    /// Whether `stimecmp` drives the supervisor timer interrupt.
    #[inline]
    pub fn sstc_enabled(&self) -> bool {
        self.menvcfg & envcfg::STCE != 0
    }
}

/// A counter that follows the hart's count of retired instructions, may be written, and may be stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The counter's value minus the count, while it runs.
    offset: u64,
    /// Its value while it is stopped.
    stopped: Option<u64>,
}

impl Counter {
    /// Its value when `retired` instructions have retired.
    pub fn get(&self, retired: u64) -> u64 {
        self.stopped.unwrap_or_else(|| retired.wrapping_add(self.offset))
    }

    /// Sets its value. The instruction that does it does not count: the next reads what was written.
    pub fn set(&mut self, retired: u64, value: u64) {
        match &mut self.stopped {
            Some(stopped) => *stopped = value,
            None => self.offset = value.wrapping_sub(retired.wrapping_add(1)),
        }
    }

    /// Stops it or lets it run on.
    pub fn inhibit(&mut self, retired: u64, stop: bool) {
        match (self.stopped, stop) {
            (None, true) => self.stopped = Some(self.get(retired)),
            (Some(value), false) => {
                self.offset = value.wrapping_sub(retired);
                self.stopped = None;
            }
            _ => {}
        }
    }
}
