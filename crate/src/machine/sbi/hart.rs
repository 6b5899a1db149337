//! Chapter 9, hart state management "HSM".

use super::{HartState, SbiError, SbiHost, SbiResult, SbiReturn, Suspend};

/// Default suspend types; the other types are reserved or the platform's own, of which there are none.
const RETENTIVE: u32 = 0;
const NON_RETENTIVE: u32 = 0x8000_0000;

pub fn call(host: &mut dyn SbiHost, hart: usize, args: [u64; 6], fid: u64) -> SbiReturn {
    match fid {
        0 => start(host, args).into(),
        1 => {
            host.stop_hart(hart);
            SbiReturn::NoReturn
        }
        2 => existing(host, args[0])
            .map(|hart| host.hart_state(hart) as u64)
            .into(),
        3 => suspend(host, hart, args),
        _ => SbiResult::Err(SbiError::NotSupported).into(),
    }
}

fn existing(host: &dyn SbiHost, hart: u64) -> Result<usize, SbiError> {
    match usize::try_from(hart) {
        Ok(hart) if hart < host.harts() => Ok(hart),
        _ => Err(SbiError::InvalidParam),
    }
}

/// A hart can start only in RAM, at an even address.
fn executable(host: &dyn SbiHost, addr: u64) -> Result<u64, SbiError> {
    if addr.is_multiple_of(2) && host.ram_read(addr, &mut [0; 2]).is_ok() {
        Ok(addr)
    } else {
        Err(SbiError::InvalidAddress)
    }
}

fn start(host: &mut dyn SbiHost, args: [u64; 6]) -> SbiResult {
    let [hart, addr, opaque, ..] = args;
    let hart = existing(host, hart)?;
    let addr = executable(host, addr)?;
    if host.hart_state(hart) != HartState::Stopped {
        return Err(SbiError::AlreadyAvailable);
    }
    host.start_hart(hart, addr, opaque);
    Ok(0)
}

fn suspend(host: &mut dyn SbiHost, hart: usize, args: [u64; 6]) -> SbiReturn {
    let [kind, addr, opaque, ..] = args;
    let how = match kind as u32 {
        RETENTIVE => Ok(Suspend::Retentive),
        NON_RETENTIVE => executable(host, addr).map(|addr| Suspend::NonRetentive { addr, opaque }),
        0x1000_0000..=0x7fff_ffff | 0x9000_0000.. => Err(SbiError::NotSupported),
        _ => Err(SbiError::InvalidParam),
    };
    match how {
        Ok(how) => {
            host.suspend_hart(hart, how);
            match how {
                Suspend::Retentive => Ok(0).into(),
                Suspend::NonRetentive { .. } => SbiReturn::NoReturn,
            }
        }
        Err(error) => Err(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    const EID: u64 = 0x48_534d;

    #[test]
    fn harts_start_once() {
        let mut host = FakeHost::new(2);
        assert_eq!(host.call(0, EID, 2, &[1]), Ok(1));
        assert_eq!(host.call(0, EID, 0, &[1, 0x8000_0000, 9]), Ok(0));
        assert_eq!(host.call(0, EID, 2, &[1]), Ok(0));
        assert_eq!(
            host.call(0, EID, 0, &[1, 0x8000_0000, 9]),
            Err(SbiError::AlreadyAvailable)
        );
        assert_eq!(host.call_raw(1, EID, 1, &[]), SbiReturn::NoReturn);
        assert_eq!(host.call(0, EID, 2, &[1]), Ok(1));
        assert_eq!(host.log, ["start 1 0x80000000 9", "stop 1"]);
    }

    #[test]
    fn bad_starts_are_refused() {
        let mut host = FakeHost::new(2);
        for (args, error) in [
            ([2, 0x8000_0000], SbiError::InvalidParam),
            ([u64::MAX, 0x8000_0000], SbiError::InvalidParam),
            ([1, 0x8000_0001], SbiError::InvalidAddress),
            ([1, 0x1000], SbiError::InvalidAddress),
            ([1, u64::MAX - 1], SbiError::InvalidAddress),
        ] {
            assert_eq!(host.call(0, EID, 0, &args), Err(error), "{args:x?}");
        }
        assert_eq!(host.call(0, EID, 2, &[9]), Err(SbiError::InvalidParam));
        assert!(host.log.is_empty());
    }

    #[test]
    fn suspends_return_or_resume_elsewhere() {
        let mut host = FakeHost::new(1);
        assert_eq!(host.call(0, EID, 3, &[0]), Ok(0));
        let non_retentive = [0x8000_0000, 0x8000_0010, 5];
        assert_eq!(host.call_raw(0, EID, 3, &non_retentive), SbiReturn::NoReturn);
        assert_eq!(
            host.log,
            [
                "suspend 0 Retentive",
                "suspend 0 NonRetentive { addr: 2147483664, opaque: 5 }"
            ]
        );
        assert_eq!(
            host.call(0, EID, 3, &[0x8000_0000, 0]),
            Err(SbiError::InvalidAddress)
        );
        assert_eq!(host.call(0, EID, 3, &[1]), Err(SbiError::InvalidParam));
        assert_eq!(host.call(0, EID, 3, &[0x9000_0000]), Err(SbiError::NotSupported));
    }
}
