//! The core-local interruptor: one software-interrupt bit and one timer compare register per hart, one shared clock.
//!
//! The layout is SiFive's CLINT, as on QEMU's `virt` board (also chapters 2 and 3 of the RISC-V ACLINT specification:
//! an MSWI at offset 0 and an MTIMER at 0x4000). Registers of harts that do not exist read as zero.

use serde::{Deserialize, Serialize};

use super::{AccessFault, DeviceContext, MmioDevice};

/// Nanoseconds of guest time per tick of `mtime`: the clock runs at 10 MHz.
pub const NS_PER_TICK: u64 = 100;

const MSIP: u64 = 0x0000;
const MTIMECMP: u64 = 0x4000;
const MTIME: u64 = 0xbff8;
const END: u64 = 0xc000;

/// What a CLINT remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClintState {
    /// Software interrupt pending, per hart.
    pub msip: Vec<bool>,
    /// Timer compare value in ticks, per hart.
    pub mtimecmp: Vec<u64>,
    /// What the guest's writes to `mtime` have added (modulo 2^64) to the time since power-on.
    pub offset: u64,
}

/// The device. It has no poll: the timer lines are a function of the time asked for.
#[derive(Debug)]
pub struct Clint {
    state: ClintState,
}

impl Clint {
    /// A CLINT for `harts` harts, in its reset state.
    pub fn new(harts: usize) -> Self {
        Self {
            state: ClintState {
                msip: vec![false; harts],
                mtimecmp: vec![u64::MAX; harts],
                offset: 0,
            },
        }
    }

    /// What a snapshot keeps.
    pub fn state(&self) -> &ClintState {
        &self.state
    }

    /// The clock in ticks.
    #[inline]
    pub fn mtime(&self, now_ns: u64) -> u64 {
        (now_ns / NS_PER_TICK).wrapping_add(self.state.offset)
    }

    /// Whether the hart's machine software interrupt is raised.
    #[inline]
    pub fn software(&self, hart: usize) -> bool {
        self.state.msip[hart]
    }

    /// Raises or lowers the hart's machine software interrupt.
    pub fn set_msip(&mut self, hart: usize, raised: bool) {
        self.state.msip[hart] = raised;
    }

    /// Whether the hart's machine timer interrupt is raised.
    #[inline]
    pub fn timer(&self, hart: usize, now_ns: u64) -> bool {
        self.mtime(now_ns) >= self.state.mtimecmp[hart]
    }

    /// The hart's timer compare register, in ticks.
    pub fn mtimecmp(&self, hart: usize) -> u64 {
        self.state.mtimecmp[hart]
    }

    /// Sets the hart's timer compare register, in ticks.
    pub fn set_mtimecmp(&mut self, hart: usize, ticks: u64) {
        self.state.mtimecmp[hart] = ticks;
    }

    /// When `mtime` will be at least `ticks`: at once if it already is, `None` if that lies beyond the end of time.
    /// Serves `stimecmp` (Sstc) as well as `mtimecmp`.
    pub fn ns_of_tick(&self, ticks: u64, now_ns: u64) -> Option<u64> {
        match ticks.checked_sub(self.mtime(now_ns)) {
            None | Some(0) => Some(now_ns),
            Some(wait) => (now_ns / NS_PER_TICK).checked_add(wait)?.checked_mul(NS_PER_TICK),
        }
    }

    /// When the hart's timer interrupt will be raised; see [`Self::ns_of_tick`].
    pub fn next_timer_ns(&self, hart: usize, now_ns: u64) -> Option<u64> {
        self.ns_of_tick(self.state.mtimecmp[hart], now_ns)
    }

    /// The aligned 64-bit word at `offset`.
    fn word(&self, offset: u64, now_ns: u64) -> u64 {
        let msip = |hart: u64| u64::from(self.state.msip.get(hart as usize).copied().unwrap_or(false));
        match offset {
            MSIP..MTIMECMP => {
                let first = (offset - MSIP) / 4;
                msip(first) | msip(first + 1) << 32
            }
            MTIMECMP..MTIME => {
                let hart = (offset - MTIMECMP) / 8;
                self.state.mtimecmp.get(hart as usize).copied().unwrap_or(0)
            }
            _ => self.mtime(now_ns),
        }
    }
}

/// Whether the CLINT answers such an access: aligned words and doublewords.
fn check(offset: u64, size: u8) -> Result<(), AccessFault> {
    if matches!(size, 4 | 8) && offset.is_multiple_of(u64::from(size)) {
        Ok(())
    } else {
        Err(AccessFault { offset, size })
    }
}

impl MmioDevice for Clint {
    fn read(&mut self, offset: u64, size: u8, cx: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        check(offset, size)?;
        if offset >= END {
            return Ok(0);
        }
        let word = self.word(offset & !7, cx.now_ns);
        Ok(match size {
            8 => word,
            _ => word >> (offset % 8 * 8) & 0xffff_ffff,
        })
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        check(offset, size)?;
        if offset >= END {
            return Ok(());
        }
        let old = self.word(offset & !7, cx.now_ns);
        let new = match size {
            8 => value,
            _ => {
                let shift = offset % 8 * 8;
                old & !(0xffff_ffff << shift) | (value & 0xffff_ffff) << shift
            }
        };
        match offset & !7 {
            word @ MSIP..MTIMECMP => {
                let first = ((word - MSIP) / 4) as usize;
                for (hart, bit) in [(first, new & 1), (first + 1, new >> 32 & 1)] {
                    if let Some(msip) = self.state.msip.get_mut(hart) {
                        *msip = bit != 0;
                    }
                }
            }
            word @ MTIMECMP..MTIME => {
                if let Some(cmp) = self.state.mtimecmp.get_mut(((word - MTIMECMP) / 8) as usize) {
                    *cmp = new;
                }
            }
            _ => self.state.offset = new.wrapping_sub(cx.now_ns / NS_PER_TICK),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{read, write};

    #[test]
    fn software_interrupts_are_one_bit_per_hart() {
        let mut clint = Clint::new(2);
        write(&mut clint, 4, 4, 0xffff_ffff, 0).unwrap();
        assert!(!clint.software(0) && clint.software(1));
        assert_eq!(read(&mut clint, 0, 8, 0), Ok(1 << 32));
        write(&mut clint, 0, 8, 1, 0).unwrap();
        assert!(clint.software(0) && !clint.software(1));
        // Registers of harts that are not there, and accesses no register answers.
        write(&mut clint, 0x3ff8, 8, u64::MAX, 0).unwrap();
        assert_eq!(read(&mut clint, 0x3ffc, 4, 0), Ok(0));
        assert!(read(&mut clint, 0, 1, 0).is_err());
        assert!(read(&mut clint, 2, 4, 0).is_err());
        assert_eq!(read(&mut clint, 0xc000, 4, 0), Ok(0));
    }

    #[test]
    fn timers_fire_when_the_clock_reaches_them() {
        let mut clint = Clint::new(2);
        assert!(!clint.timer(1, u64::MAX));
        assert_eq!(clint.next_timer_ns(1, 0), None);
        write(&mut clint, MTIMECMP + 12, 4, 0, 0).unwrap();
        write(&mut clint, MTIMECMP + 8, 4, 50, 0).unwrap();
        assert_eq!(clint.mtimecmp(1), 50);
        assert_eq!(clint.next_timer_ns(1, 40), Some(5000));
        assert!(!clint.timer(1, 4999));
        assert!(clint.timer(1, 5000));
        assert_eq!(clint.next_timer_ns(1, 7000), Some(7000));
    }

    #[test]
    fn the_clock_can_be_written_half_by_half() {
        let mut clint = Clint::new(1);
        assert_eq!(read(&mut clint, MTIME, 8, 12_345), Ok(123));
        write(&mut clint, MTIME + 4, 4, 7, 0).unwrap();
        write(&mut clint, MTIME, 4, 9, 0).unwrap();
        assert_eq!(read(&mut clint, MTIME, 8, 1000), Ok((7 << 32) + 19));
        assert_eq!(read(&mut clint, MTIME + 4, 4, 1000), Ok(7));
        write(&mut clint, MTIME, 8, 3, 1000).unwrap();
        assert_eq!(clint.mtime(1000), 3);
    }
}
