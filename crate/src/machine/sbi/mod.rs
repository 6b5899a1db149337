//! Tabvisor's own firmware: the RISC-V Supervisor Binary Interface, version 2.0, for guests started without `--bios`.
//!
//! It is not guest code: an `ecall` from S-mode comes here, and what it asks for is done through [`SbiHost`]. One file
//! per extension; [`call`] is the table of extension ids. A call handles bounded work whatever its arguments are.
//!
//! Not offered: PMU, nested acceleration and steal time; the hypervisor fences, as there is no H extension.

mod base;
mod console;
mod fence;
mod hart;
mod hart_mask;
mod ipi;
mod legacy;
mod reset;
#[cfg(test)]
mod testing;
mod timer;

use crate::mem::BadAddress;

/// What the firmware needs of the machine. Hart numbers given to these are always below [`Self::harts`].
pub trait SbiHost {
    /// Number of harts; their ids are 0 to one less.
    fn harts(&self) -> usize;
    /// Where the hart stands.
    fn hart_state(&self, hart: usize) -> HartState;
    /// Starts a stopped hart in S-mode at physical `addr`, paging and interrupts off, `a0` = hart id, `a1` = `opaque`.
    fn start_hart(&mut self, hart: usize, addr: u64, opaque: u64);
    /// Stops the hart that calls.
    fn stop_hart(&mut self, hart: usize);
    /// Suspends the hart that calls until an enabled interrupt is pending.
    fn suspend_hart(&mut self, hart: usize, how: Suspend);
    /// Sets the hart's supervisor software interrupt pending.
    fn send_ipi(&mut self, hart: usize);
    /// Takes the hart's supervisor timer interrupt away and raises it again when the clock reaches `mtime`.
    fn set_timer(&mut self, hart: usize, mtime: u64);
    /// `fence.i` on the hart.
    fn remote_fence_i(&mut self, hart: usize);
    /// `sfence.vma` on the hart for `start .. start + size`, all of it if `size` is [`u64::MAX`]; every address space
    /// if `asid` is `None`.
    fn remote_sfence(&mut self, hart: usize, start: u64, size: u64, asid: Option<u16>);
    /// Sends bytes to the console.
    fn console_write(&mut self, bytes: &[u8]);
    /// Takes what console input there is, without waiting, and returns the number of bytes.
    fn console_read(&mut self, into: &mut [u8]) -> usize;
    /// Reads guest RAM.
    fn ram_read(&self, addr: u64, into: &mut [u8]) -> Result<(), BadAddress>;
    /// Writes guest RAM.
    fn ram_write(&mut self, addr: u64, from: &[u8]) -> Result<(), BadAddress>;
    /// Ends the run or starts it again.
    fn reset(&mut self, kind: ResetKind, reason: ResetReason);
}

/// Where a hart stands, as `sbi_hart_get_status` reports it. Transitions take no time here, so there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HartState {
    /// It executes instructions.
    Started = 0,
    /// It waits for [`SbiHost::start_hart`].
    Stopped = 1,
    /// It waits for an interrupt.
    Suspended = 4,
}

/// How a hart is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspend {
    /// It goes on after the call with all registers kept.
    Retentive,
    /// It goes on as a started hart does.
    NonRetentive {
        /// Physical address of its first instruction.
        addr: u64,
        /// Its `a1`.
        opaque: u64,
    },
}

/// What a system reset does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetKind {
    /// Power off.
    Shutdown,
    /// Power cycle.
    ColdReboot,
    /// Reset of the processors.
    WarmReboot,
}

/// Why the guest resets the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// Nothing went wrong.
    None,
    /// The guest has failed.
    SystemFailure,
    /// A reason of the platform's or the vendor's own.
    Other(u32),
}

/// Error codes of the specification's chapter 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SbiError {
    /// Not supported.
    #[error("not supported")]
    NotSupported = -2,
    /// Invalid parameter.
    #[error("invalid parameter")]
    InvalidParam = -3,
    /// Invalid address.
    #[error("invalid address")]
    InvalidAddress = -5,
    /// Already available.
    #[error("already available")]
    AlreadyAvailable = -6,
}

/// Value of a call, or why it was refused.
type SbiResult = Result<u64, SbiError>;

/// What the calling hart's registers become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SbiReturn {
    /// `a0` is the error code (0 is success), `a1` the value.
    Pair {
        /// Goes to `a0`.
        error: i64,
        /// Goes to `a1`.
        value: u64,
    },
    /// A call of the legacy extensions: only `a0` changes.
    Legacy(i64),
    /// The hart does not go on after the call: it was stopped, suspended non-retentively, or the system reset.
    NoReturn,
}

impl From<SbiResult> for SbiReturn {
    fn from(result: SbiResult) -> Self {
        match result {
            Ok(value) => Self::Pair { error: 0, value },
            Err(error) => Self::Pair {
                error: error as i64,
                value: 0,
            },
        }
    }
}

/// Extension ids: ASCII letters, but for the base extension.
mod eid {
    pub const BASE: u64 = 0x10;
    pub const TIMER: u64 = 0x5449_4d45;
    pub const IPI: u64 = 0x73_5049;
    pub const FENCE: u64 = 0x5246_4e43;
    pub const HART: u64 = 0x48_534d;
    pub const RESET: u64 = 0x5352_5354;
    pub const CONSOLE: u64 = 0x4442_434e;
}

/// Handles an `ecall` of `hart`: `args` are `a0` to `a5`, `fid` is `a6`, `eid` is `a7`.
pub fn call(host: &mut dyn SbiHost, hart: usize, args: [u64; 6], fid: u64, eid: u64) -> SbiReturn {
    // Both ids are 32 bits wide; what is above them is undefined when an `int` was sign-extended into the register.
    let fid = u64::from(fid as u32);
    match u64::from(eid as u32) {
        eid::BASE => base::call(args, fid).into(),
        eid::TIMER => timer::call(host, hart, args, fid).into(),
        eid::IPI => ipi::call(host, args, fid).into(),
        eid::FENCE => fence::call(host, args, fid).into(),
        eid::HART => hart::call(host, hart, args, fid),
        eid::RESET => reset::call(host, args, fid),
        eid::CONSOLE => console::call(host, args, fid).into(),
        eid if legacy::is_legacy(eid) => legacy::call(host, hart, args, eid),
        _ => SbiResult::Err(SbiError::NotSupported).into(),
    }
}

/// Whether [`call`] knows the extension.
fn has_extension(eid: u64) -> bool {
    use eid::*;
    matches!(eid, BASE | TIMER | IPI | FENCE | HART | RESET | CONSOLE) || legacy::is_legacy(eid)
}
