//! Chapter 10, system reset "SRST".

use super::{ResetKind, ResetReason, SbiError, SbiHost, SbiResult, SbiReturn};

pub fn call(host: &mut dyn SbiHost, args: [u64; 6], fid: u64) -> SbiReturn {
    if fid != 0 {
        return SbiResult::Err(SbiError::NotSupported).into();
    }
    match parse(args[0] as u32, args[1] as u32) {
        Ok((kind, reason)) => {
            host.reset(kind, reason);
            SbiReturn::NoReturn
        }
        Err(error) => Err(error).into(),
    }
}

fn parse(kind: u32, reason: u32) -> Result<(ResetKind, ResetReason), SbiError> {
    let kind = match kind {
        0 => ResetKind::Shutdown,
        1 => ResetKind::ColdReboot,
        2 => ResetKind::WarmReboot,
        0xf000_0000.. => return Err(SbiError::NotSupported),
        _ => return Err(SbiError::InvalidParam),
    };
    let reason = match reason {
        0 => ResetReason::None,
        1 => ResetReason::SystemFailure,
        0xe000_0000.. => ResetReason::Other(reason),
        _ => return Err(SbiError::InvalidParam),
    };
    Ok((kind, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    const EID: u64 = 0x5352_5354;

    #[test]
    fn known_resets_happen_and_others_do_not() {
        let mut host = FakeHost::new(1);
        assert_eq!(host.call_raw(0, EID, 0, &[0, 1]), SbiReturn::NoReturn);
        assert_eq!(host.call_raw(0, EID, 0, &[1, 0]), SbiReturn::NoReturn);
        assert_eq!(
            host.log,
            ["reset Shutdown SystemFailure", "reset ColdReboot None"]
        );
        assert_eq!(host.call(0, EID, 0, &[3, 0]), Err(SbiError::InvalidParam));
        assert_eq!(host.call(0, EID, 0, &[0, 2]), Err(SbiError::InvalidParam));
        assert_eq!(
            host.call(0, EID, 0, &[0xf000_0000, 0]),
            Err(SbiError::NotSupported)
        );
        assert_eq!(host.call(0, EID, 1, &[0, 0]), Err(SbiError::NotSupported));
    }
}
