//! The Goldfish real-time clock: nanoseconds since 1970 and one alarm.
//!
//! Registers as in Android's Goldfish virtual hardware documentation and QEMU's `goldfish_rtc`.

use serde::{Deserialize, Serialize};

use super::{AccessFault, DeviceContext, MmioDevice};

/// Reading the low half keeps the high half of the same moment for the next read.
const TIME_LOW: u64 = 0x00;
const TIME_HIGH: u64 = 0x04;
/// Writing the low half sets the alarm, so the high half goes first.
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const IRQ_ENABLED: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const ALARM_STATUS: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;

/// What the clock remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtcState {
    /// Nanoseconds since 1970 at power-on, as the guest has set it.
    pub epoch_ns: u64,
    /// High half of the time whose low half was read last.
    pub latched_high: u32,
    /// When the alarm rings, in nanoseconds since 1970.
    pub alarm_ns: u64,
    /// The alarm is set and has not rung.
    pub alarm_set: bool,
    /// The alarm has rung.
    pub pending: bool,
    /// The interrupt line follows `pending`.
    pub irq_enabled: bool,
}

/// The device.
#[derive(Debug)]
pub struct Rtc {
    state: RtcState,
}

impl Rtc {
    /// A clock that showed `epoch_ns` nanoseconds since 1970 at power-on.
    pub fn new(epoch_ns: u64) -> Self {
        Self {
            state: RtcState {
                epoch_ns,
                latched_high: 0,
                alarm_ns: 0,
                alarm_set: false,
                pending: false,
                irq_enabled: false,
            },
        }
    }

    /// What a snapshot keeps.
    pub fn state(&self) -> &RtcState {
        &self.state
    }

    /// Rings the alarm if its time has come. To be called at [`Self::next_alarm_ns`] or after it.
    pub fn poll(&mut self, now_ns: u64) {
        if self.state.alarm_set && self.time(now_ns) >= self.state.alarm_ns {
            self.state.alarm_set = false;
            self.state.pending = true;
        }
    }

    /// Guest time since power-on at which the alarm will ring.
    pub fn next_alarm_ns(&self, now_ns: u64) -> Option<u64> {
        let wait = self.state.alarm_ns.saturating_sub(self.time(now_ns));
        self.state.alarm_set.then(|| now_ns.saturating_add(wait))
    }

    fn time(&self, now_ns: u64) -> u64 {
        now_ns.wrapping_add(self.state.epoch_ns)
    }
}

fn with_low(value: u64, low: u32) -> u64 {
    value & !0xffff_ffff | u64::from(low)
}

fn with_high(value: u64, high: u32) -> u64 {
    value & 0xffff_ffff | u64::from(high) << 32
}

fn check(offset: u64, size: u8) -> Result<(), AccessFault> {
    if size == 4 && offset.is_multiple_of(4) {
        Ok(())
    } else {
        Err(AccessFault { offset, size })
    }
}

impl MmioDevice for Rtc {
    fn read(&mut self, offset: u64, size: u8, cx: &mut DeviceContext<'_>) -> Result<u64, AccessFault> {
        check(offset, size)?;
        let state = &mut self.state;
        Ok(u64::from(match offset {
            TIME_LOW => {
                let time = cx.now_ns.wrapping_add(state.epoch_ns);
                state.latched_high = (time >> 32) as u32;
                time as u32
            }
            TIME_HIGH => state.latched_high,
            ALARM_LOW => state.alarm_ns as u32,
            ALARM_HIGH => (state.alarm_ns >> 32) as u32,
            IRQ_ENABLED => state.irq_enabled.into(),
            ALARM_STATUS => state.alarm_set.into(),
            _ => 0,
        }))
    }

    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault> {
        check(offset, size)?;
        let value = value as u32;
        let time = self.time(cx.now_ns);
        match offset {
            TIME_LOW => self.state.epoch_ns = with_low(time, value).wrapping_sub(cx.now_ns),
            TIME_HIGH => self.state.epoch_ns = with_high(time, value).wrapping_sub(cx.now_ns),
            ALARM_LOW => {
                self.state.alarm_ns = with_low(self.state.alarm_ns, value);
                self.state.alarm_set = true;
                self.poll(cx.now_ns);
            }
            ALARM_HIGH => self.state.alarm_ns = with_high(self.state.alarm_ns, value),
            IRQ_ENABLED => self.state.irq_enabled = value & 1 != 0,
            CLEAR_ALARM => self.state.alarm_set = false,
            CLEAR_INTERRUPT => self.state.pending = false,
            _ => {}
        }
        Ok(())
    }

    fn interrupt(&self) -> bool {
        self.state.pending && self.state.irq_enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::{read, write};

    const EPOCH: u64 = 0x17e0_0000_ffff_ff00;

    #[test]
    fn the_high_half_belongs_to_the_low_half_read_before() {
        let mut rtc = Rtc::new(EPOCH);
        assert_eq!(read(&mut rtc, TIME_LOW, 4, 0xff), Ok(0xffff_ffff));
        assert_eq!(read(&mut rtc, TIME_HIGH, 4, 0x100), Ok(0x17e0_0000));
        assert_eq!(read(&mut rtc, TIME_LOW, 4, 0x100), Ok(0));
        assert_eq!(read(&mut rtc, TIME_HIGH, 4, 0x100), Ok(0x17e0_0001));
    }

    #[test]
    fn the_guest_can_set_the_clock() {
        let mut rtc = Rtc::new(EPOCH);
        write(&mut rtc, TIME_HIGH, 4, 5, 1000).unwrap();
        write(&mut rtc, TIME_LOW, 4, 6, 1000).unwrap();
        assert_eq!(read(&mut rtc, TIME_LOW, 4, 1010), Ok(16));
        assert_eq!(read(&mut rtc, TIME_HIGH, 4, 1010), Ok(5));
    }

    #[test]
    fn the_alarm_rings_once() {
        let mut rtc = Rtc::new(EPOCH);
        let alarm = EPOCH + 5000;
        write(&mut rtc, IRQ_ENABLED, 4, 1, 0).unwrap();
        write(&mut rtc, ALARM_HIGH, 4, alarm >> 32, 0).unwrap();
        write(&mut rtc, ALARM_LOW, 4, alarm, 0).unwrap();
        assert_eq!(rtc.next_alarm_ns(30), Some(5000));
        rtc.poll(4999);
        assert!(!rtc.interrupt());
        assert_eq!(read(&mut rtc, ALARM_STATUS, 4, 4999), Ok(1));
        rtc.poll(5000);
        assert!(rtc.interrupt());
        assert_eq!(rtc.next_alarm_ns(5000), None);
        write(&mut rtc, CLEAR_INTERRUPT, 4, 1, 0).unwrap();
        rtc.poll(6000);
        assert!(!rtc.interrupt());
        // An alarm in the past rings at once.
        write(&mut rtc, ALARM_LOW, 4, alarm, 7000).unwrap();
        assert!(rtc.interrupt());
        assert!(read(&mut rtc, TIME_LOW, 8, 0).is_err());
    }
}
