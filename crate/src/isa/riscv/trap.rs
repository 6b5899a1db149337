//! Traps: causes, delegation, entry and return (privileged spec sections 3.1.6 to 3.1.9, 3.3.2 and 4.1).

use super::csr::{irq, mstatus};
use super::hart::{Hart, Privilege};

/// Exception codes of `mcause` and `scause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the manual's")]
#[repr(u64)]
pub enum Cause {
    InstructionMisaligned = 0,
    InstructionAccess = 1,
    IllegalInstruction = 2,
    Breakpoint = 3,
    LoadMisaligned = 4,
    LoadAccess = 5,
    StoreMisaligned = 6,
    StoreAccess = 7,
    EcallFromUser = 8,
    EcallFromSupervisor = 9,
    EcallFromMachine = 11,
    InstructionPage = 12,
    LoadPage = 13,
    StorePage = 15,
}

/// An exception: its cause and what goes into `mtval` or `stval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// What happened.
    pub cause: Cause,
    /// Faulting address or instruction bits.
    pub value: u64,
}

impl Exception {
    /// An exception with its value.
    pub const fn new(cause: Cause, value: u64) -> Self {
        Exception { cause, value }
    }
}

/// The interrupt bit of `mcause`.
const INTERRUPT: u64 = 1 << 63;

/// Interrupts in the order they are taken (privileged spec section 3.1.9).
const PRIORITY: [u64; 6] = [irq::MEI, irq::MSI, irq::MTI, irq::SEI, irq::SSI, irq::STI];

impl Hart {
    /// Takes `exception` raised by the instruction at `pc`.
    pub fn take_exception(&mut self, exception: Exception) {
        let code = exception.cause as u64;
        log::trace!(target: "trap", "{:?} {:#x} at {:#x} in {:?}", exception.cause, exception.value, self.state.pc, self.state.privilege);
        let delegated =
            self.state.privilege <= Privilege::Supervisor && self.state.csr.medeleg >> code & 1 != 0;
        self.enter_trap(code, exception.value, delegated);
    }

    /// The interrupt that is to be taken now, if any: its number.
    #[inline]
    pub fn pending_interrupt(&self) -> Option<u64> {
        let csr = &self.state.csr;
        let pending = (csr.mip | self.lines) & csr.mie;
        if pending == 0 {
            return None;
        }
        self.choose_interrupt(pending)
    }

    /// Whether an interrupt is pending that ends `wfi`: the global enables do not matter for that.
    pub fn interrupt_wakes(&self) -> bool {
        (self.state.csr.mip | self.lines) & self.state.csr.mie != 0
    }

    fn choose_interrupt(&self, pending: u64) -> Option<u64> {
        let csr = &self.state.csr;
        let enabled = |level: Privilege, bit: u64| {
            self.state.privilege < level || (self.state.privilege == level && csr.mstatus & bit != 0)
        };
        let for_machine = pending & !csr.mideleg;
        let for_supervisor = pending & csr.mideleg;
        let candidates = if for_machine != 0 && enabled(Privilege::Machine, mstatus::MIE) {
            for_machine
        } else if for_supervisor != 0 && enabled(Privilege::Supervisor, mstatus::SIE) {
            for_supervisor
        } else {
            return None;
        };
        PRIORITY.into_iter().find(|&bit| candidates >> bit & 1 != 0)
    }

    /// Takes interrupt `number` before the instruction at `pc`.
    pub fn take_interrupt(&mut self, number: u64) {
        log::trace!(target: "trap", "interrupt {number} at {:#x} in {:?}", self.state.pc, self.state.privilege);
        let delegated =
            self.state.privilege <= Privilege::Supervisor && self.state.csr.mideleg >> number & 1 != 0;
        self.enter_trap(INTERRUPT | number, 0, delegated);
    }

    fn enter_trap(&mut self, cause: u64, value: u64, to_supervisor: bool) {
        self.traps += 1;
        let state = &mut self.state;
        let csr = &mut state.csr;
        let from = state.privilege as u64;
        let vector = |base: u64| {
            let offset = if base & 1 != 0 && cause & INTERRUPT != 0 {
                4 * (cause & !INTERRUPT)
            } else {
                0
            };
            (base & !3).wrapping_add(offset)
        };
        state.waiting = false;
        // A trap handler that resumes the interrupted sequence must not complete a store-conditional begun before it.
        state.reservation = None;
        if to_supervisor {
            csr.sepc = state.pc;
            csr.scause = cause;
            csr.stval = value;
            let enabled = csr.mstatus & mstatus::SIE != 0;
            csr.mstatus &= !(mstatus::SIE | mstatus::SPIE | mstatus::SPP);
            csr.mstatus |= if enabled { mstatus::SPIE } else { 0 } | (from & 1) << mstatus::SPP_SHIFT;
            state.pc = vector(csr.stvec);
            state.privilege = Privilege::Supervisor;
        } else {
            csr.mepc = state.pc;
            csr.mcause = cause;
            csr.mtval = value;
            let enabled = csr.mstatus & mstatus::MIE != 0;
            csr.mstatus &= !(mstatus::MIE | mstatus::MPIE | mstatus::MPP);
            csr.mstatus |= if enabled { mstatus::MPIE } else { 0 } | from << mstatus::MPP_SHIFT;
            state.pc = vector(csr.mtvec);
            state.privilege = Privilege::Machine;
        }
    }

    /// `mret`, in M-mode.
    pub fn return_from_machine(&mut self) {
        let csr = &mut self.state.csr;
        let to = Privilege::from_bits(csr.mstatus >> mstatus::MPP_SHIFT & 3).unwrap_or(Privilege::User);
        let enabled = csr.mstatus & mstatus::MPIE != 0;
        csr.mstatus &= !(mstatus::MIE | mstatus::MPP);
        csr.mstatus |= mstatus::MPIE | if enabled { mstatus::MIE } else { 0 };
        if to != Privilege::Machine {
            csr.mstatus &= !mstatus::MPRV;
        }
        self.state.pc = csr.mepc;
        self.state.privilege = to;
    }

    /// `sret`, in S- or M-mode.
    pub fn return_from_supervisor(&mut self) {
        let csr = &mut self.state.csr;
        let to = if csr.mstatus & mstatus::SPP != 0 {
            Privilege::Supervisor
        } else {
            Privilege::User
        };
        let enabled = csr.mstatus & mstatus::SPIE != 0;
        csr.mstatus &= !(mstatus::SIE | mstatus::SPP | mstatus::MPRV);
        csr.mstatus |= mstatus::SPIE | if enabled { mstatus::SIE } else { 0 };
        self.state.pc = csr.sepc;
        self.state.privilege = to;
    }
}
