//! SiFive's test finisher: the register through which a guest ends the run, as on QEMU's `virt` board.
//!
//! Linux reaches it through the `syscon-poweroff` and `syscon-reboot` nodes of the device tree.

use super::{AccessFault, DeviceContext, MmioDevice};

const FAIL: u16 = 0x3333;
const PASS: u16 = 0x5555;
const RESET: u16 = 0x7777;

/// Value that powers the machine off when written.
pub const POWER_OFF_VALUE: u32 = PASS as u32;
/// Value that resets the machine when written.
pub const RESET_VALUE: u32 = RESET as u32;

/// How the guest wants the run to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Power off: the guest is content.
    Pass,
    /// Power off: the guest has failed with this code.
    Fail(u16),
    /// Start again.
    Reset,
}

/// The device. It has no state that a snapshot keeps: a request is taken before the next instruction runs.
#[derive(Debug, Default)]
pub struct Finisher {
    request: Option<Finish>,
}

impl Finisher {
    /// A finisher nobody has written to.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the guest has asked for since the last call.
    #[inline]
    pub fn take_request(&mut self) -> Option<Finish> {
        self.request.take()
    }
}

impl MmioDevice for Finisher {
    fn read(&mut self, offset: u64, size: u8, _: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        check(offset, size).map(|()| 0)
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        _: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        check(offset, size)?;
        if offset == 0 {
            let finish = match value as u16 {
                PASS => Some(Finish::Pass),
                FAIL => Some(Finish::Fail((value >> 16) as u16)),
                RESET => Some(Finish::Reset),
                _ => None,
            };
            self.request = finish.or(self.request);
        }
        Ok(())
    }
}

fn check(offset: u64, size: u8) -> Result<(), AccessFault> {
    if matches!(size, 2 | 4) && offset.is_multiple_of(u64::from(size)) {
        Ok(())
    } else {
        Err(AccessFault { offset, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{read, write};

    #[test]
    fn requests_are_taken_once() {
        let mut finisher = Finisher::new();
        write(&mut finisher, 0, 4, 0x1234, 0).unwrap();
        assert_eq!(finisher.take_request(), None);
        write(&mut finisher, 0, 4, 0x002a_3333, 0).unwrap();
        assert_eq!(finisher.take_request(), Some(Finish::Fail(42)));
        assert_eq!(finisher.take_request(), None);
        write(&mut finisher, 0, 2, 0x7777, 0).unwrap();
        assert_eq!(finisher.take_request(), Some(Finish::Reset));
        write(&mut finisher, 0, 4, POWER_OFF_VALUE.into(), 0).unwrap();
        write(&mut finisher, 4, 4, RESET_VALUE.into(), 0).unwrap();
        assert_eq!(finisher.take_request(), Some(Finish::Pass));
        assert_eq!(read(&mut finisher, 0, 4, 0), Ok(0));
        assert!(write(&mut finisher, 0, 8, 0x5555, 0).is_err());
    }
}
