//! Chapter 5, the legacy calls that small kernels and early consoles still make.
//!
//! Those that take a pointer to a hart mask in virtual memory are not offered: kernels that old run on one hart or find
//! the replacement extensions by probing.

use super::{ResetKind, ResetReason, SbiHost, SbiReturn};

const SET_TIMER: u64 = 0;
const CONSOLE_PUTCHAR: u64 = 1;
const CONSOLE_GETCHAR: u64 = 2;
const SHUTDOWN: u64 = 8;

pub fn is_legacy(eid: u64) -> bool {
    matches!(eid, SET_TIMER | CONSOLE_PUTCHAR | CONSOLE_GETCHAR | SHUTDOWN)
}

pub fn call(host: &mut dyn SbiHost, hart: usize, args: [u64; 6], eid: u64) -> SbiReturn {
    SbiReturn::Legacy(match eid {
        SET_TIMER => {
            host.set_timer(hart, args[0]);
            0
        }
        CONSOLE_PUTCHAR => {
            host.console_write(&[args[0] as u8]);
            0
        }
        CONSOLE_GETCHAR => {
            let mut byte = [0];
            match host.console_read(&mut byte) {
                0 => -1,
                _ => byte[0].into(),
            }
        }
        _ => {
            host.reset(ResetKind::Shutdown, ResetReason::None);
            return SbiReturn::NoReturn;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    #[test]
    fn only_a0_changes() {
        let mut host = FakeHost::new(1);
        assert_eq!(
            host.call_raw(0, CONSOLE_PUTCHAR, 0, &[0x41]),
            SbiReturn::Legacy(0)
        );
        assert_eq!(host.written, b"A");
        assert_eq!(host.call_raw(0, CONSOLE_GETCHAR, 0, &[]), SbiReturn::Legacy(-1));
        host.input = vec![0xff];
        assert_eq!(host.call_raw(0, CONSOLE_GETCHAR, 0, &[]), SbiReturn::Legacy(255));
        assert_eq!(host.call_raw(0, SET_TIMER, 0, &[7]), SbiReturn::Legacy(0));
        assert_eq!(host.call_raw(0, SHUTDOWN, 0, &[]), SbiReturn::NoReturn);
        assert_eq!(host.log, ["timer 0 7", "reset Shutdown None"]);
    }
}
