//! A hart: its architectural state and what is derived from it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::csr::{Csrs, mstatus};
use super::insn::Reg;
use super::trap::Exception;
use crate::mem::PAGE_SIZE;
use crate::mem::tlb::core::Superpages;
use crate::mem::tlb::hierarchy::asid_of;
use crate::mem::tlb::{Context, Fence, Hierarchy, Tlb};

/// Privilege modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Privilege {
    /// U-mode.
    User = 0,
    /// S-mode.
    Supervisor = 1,
    /// M-mode.
    Machine = 3,
}

impl Privilege {
    /// The mode that a two-bit field of a CSR names.
    pub fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Privilege::User),
            1 => Some(Privilege::Supervisor),
            3 => Some(Privilege::Machine),
            _ => None,
        }
    }
}

/// The integer registers, and the slot where results for `x0` go.
#[derive(Debug, Clone, Default)]
pub struct IntegerFile([u64; 32], u64);

impl IntegerFile {
    /// Reads a register.
    #[inline(always)]
    pub fn get(&self, reg: Reg) -> u64 {
        // SAFETY: a `Reg` is at most 32, and the struct holds 33 values one after the other (checked below).
        unsafe { *std::ptr::from_ref(self).cast::<u64>().add(reg.index()) }
    }

    /// Writes a register. `x0` must have been made the sink by then ([`Reg::as_destination`]).
    #[inline(always)]
    pub fn set(&mut self, reg: Reg, value: u64) {
        debug_assert!(reg != Reg::ZERO);
        // SAFETY: as in `get`.
        unsafe { *std::ptr::from_mut(self).cast::<u64>().add(reg.index()) = value }
    }

    /// `x0` to `x31`.
    pub fn all(&self) -> &[u64; 32] {
        &self.0
    }
}

const _: () = assert!(
    size_of::<IntegerFile>() == 33 * 8
        && std::mem::offset_of!(IntegerFile, 0) == 0
        && std::mem::offset_of!(IntegerFile, 1) == 32 * 8
);

impl Serialize for IntegerFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IntegerFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut x = <[u64; 32]>::deserialize(deserializer)?;
        x[0] = 0;
        Ok(IntegerFile(x, 0))
    }
}

/// Architectural state: all that a snapshot of a hart needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HartState {
    /// Integer registers.
    pub x: IntegerFile,
    /// Floating-point registers, singles NaN-boxed.
    pub f: [u64; 32],
    /// Address of the next instruction.
    pub pc: u64,
    /// Current privilege mode.
    pub privilege: Privilege,
    /// Instructions retired since reset.
    pub retired: u64,
    /// Virtual address that `lr` reserved.
    pub reservation: Option<u64>,
    /// In `wfi`.
    pub waiting: bool,
    /// Control and status registers.
    pub csr: Csrs,
}

/// One hart.
#[derive(Debug)]
pub struct Hart {
    /// Architectural state.
    pub state: HartState,
    /// Levels of the interrupt lines from CLINT, PLIC and timer, as `mip` bits.
    pub lines: u64,
    /// The fast table.
    pub tlb: Tlb,
    /// What is remembered of translations below it.
    pub translations: Hierarchy,
    /// Superpages of which the fast table or a cache of fetches may hold parts.
    pub superpages: Superpages,
    /// What stopped the instruction that returned [`Stop`].
    pub stop: StopReason,
    /// The engine leaves its loop at the next jump once `retired` reaches this.
    pub run_until: u64,
    /// What must be dropped of cached instruction fetches.
    pub fetch_flush: FetchFlush,
    /// `ecall` from S-mode leaves to the host, whose firmware answers it.
    pub host_firmware: bool,
    /// Exceptions and interrupts taken. With [`HartState::retired`] it tells points of a run apart.
    pub traps: u64,
}

/// An instruction did not complete; [`Hart::stop`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// Why an instruction did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It raised an exception.
    Exception(Exception),
    /// It calls the host's firmware. It counts as retired; `pc` is moved on by whoever answers.
    FirmwareCall,
}

/// Cached fetches that have become stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFlush {
    /// None.
    Nothing,
    /// Those of one virtual page.
    Page(u64),
    /// Those of pages that are not global.
    AddressSpace,
    /// All.
    All,
}

impl Hart {
    /// A hart in its reset state: M-mode, at `pc`.
    pub fn new(id: u64, pc: u64) -> Self {
        Hart {
            state: HartState {
                x: IntegerFile::default(),
                f: [0; 32],
                pc,
                privilege: Privilege::Machine,
                retired: 0,
                reservation: None,
                waiting: false,
                csr: Csrs::new(id),
            },
            lines: 0,
            tlb: Tlb::default(),
            translations: Hierarchy::default(),
            superpages: Superpages::default(),
            stop: StopReason::FirmwareCall,
            run_until: 0,
            fetch_flush: FetchFlush::All,
            host_firmware: false,
            traps: 0,
        }
    }

    /// Stops the instruction with an exception.
    #[cold]
    pub fn raise(&mut self, exception: Exception) -> Stop {
        self.stop = StopReason::Exception(exception);
        Stop
    }

    /// Makes the engine leave its loop at the next jump, to look at interrupts and devices again.
    #[inline]
    pub fn leave_soon(&mut self) {
        self.run_until = 0;
    }

    /// Drops every cached translation.
    pub fn flush_translations(&mut self) {
        self.fence(Fence::All);
    }

    /// Drops the cached translations that a fence names.
    pub fn fence(&mut self, fence: Fence) {
        self.translations.fence(fence);
        // The fast table and what is cached of fetches know only the present address space, and global pages.
        let is_elsewhere = |asid| asid != asid_of(self.state.csr.satp);
        match fence {
            Fence::All => {
                self.tlb.flush();
                self.superpages.clear();
                self.fetch_flush = FetchFlush::All;
            }
            Fence::Asid(asid) | Fence::Range { asid: Some(asid), .. } if is_elsewhere(asid) => {}
            Fence::Asid(_) => self.leave_address_space(),
            Fence::Range { start, pages, .. } => {
                for page in 0..pages {
                    self.flush_page(start.wrapping_add(page * PAGE_SIZE));
                }
            }
        }
    }

    /// Drops what belongs to the present address space alone from the fast table and of cached fetches, as when `satp`
    /// changes.
    pub fn leave_address_space(&mut self) {
        self.tlb.leave_address_space();
        self.fetch_flush = match self.fetch_flush {
            FetchFlush::Nothing | FetchFlush::AddressSpace => FetchFlush::AddressSpace,
            FetchFlush::Page(_) | FetchFlush::All => FetchFlush::All,
        };
    }

    /// Drops one virtual page, of whatever size, from the fast table and of cached fetches.
    fn flush_page(&mut self, vaddr: u64) {
        self.tlb.flush_page(vaddr);
        if let Some(largest) = self.superpages.around(vaddr) {
            self.tlb.flush_superpages(vaddr, largest);
            self.fetch_flush = FetchFlush::All;
        }
        self.fetch_flush = match self.fetch_flush {
            FetchFlush::Nothing => FetchFlush::Page(vaddr & !0xfff),
            FetchFlush::Page(page) if page == vaddr & !0xfff => FetchFlush::Page(page),
            _ => FetchFlush::All,
        };
    }

    /// The privilege that loads and stores have: the current one, or `MPP` under `MPRV`.
    pub fn data_privilege(&self) -> Privilege {
        let status = self.state.csr.mstatus;
        if self.state.privilege == Privilege::Machine && status & mstatus::MPRV != 0 {
            Privilege::from_bits(status >> mstatus::MPP_SHIFT & 3).unwrap_or(Privilege::User)
        } else {
            self.state.privilege
        }
    }

    /// Which table serves loads and stores.
    pub fn data_context(&self) -> Context {
        match self.data_privilege() {
            Privilege::User => Context::User,
            Privilege::Supervisor if self.state.csr.mstatus & mstatus::SUM != 0 => Context::SupervisorUser,
            Privilege::Supervisor => Context::Supervisor,
            Privilege::Machine => Context::Machine,
        }
    }
}
