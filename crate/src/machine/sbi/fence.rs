//! Chapter 8, remote fences "RFENCE".

use super::{SbiError, SbiHost, SbiResult, hart_mask};

pub fn call(host: &mut dyn SbiHost, args: [u64; 6], fid: u64) -> SbiResult {
    let [mask, base, start, size, asid, _] = args;
    // 3 to 6 are the hypervisor's fences.
    if fid > 2 {
        return Err(SbiError::NotSupported);
    }
    let asid = match fid {
        2 => Some(u16::try_from(asid).map_err(|_| SbiError::InvalidParam)?),
        _ => None,
    };
    let whole = size == u64::MAX || (start == 0 && size == 0);
    for hart in hart_mask::harts(host, mask, base)? {
        match fid {
            0 => host.remote_fence_i(hart),
            _ if whole => host.remote_sfence(hart, 0, u64::MAX, asid),
            _ => host.remote_sfence(hart, start, size, asid),
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    const EID: u64 = 0x5246_4e43;

    #[test]
    fn fences_reach_the_harts_named() {
        let mut host = FakeHost::new(2);
        assert_eq!(host.call(0, EID, 0, &[0, u64::MAX]), Ok(0));
        assert_eq!(host.call(0, EID, 1, &[2, 0, 0x1000, 0x2000]), Ok(0));
        assert_eq!(host.call(0, EID, 1, &[1, 0, 0, 0]), Ok(0));
        assert_eq!(host.call(0, EID, 2, &[1, 0, 0x1000, u64::MAX, 7]), Ok(0));
        assert_eq!(
            host.log,
            [
                "fence.i 0",
                "fence.i 1",
                "sfence 1 0x1000 0x2000 None",
                "sfence 0 0x0 0xffffffffffffffff None",
                "sfence 0 0x0 0xffffffffffffffff Some(7)",
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let mut host = FakeHost::new(2);
        assert_eq!(
            host.call(0, EID, 2, &[1, 0, 0, 0, 0x1_0000]),
            Err(SbiError::InvalidParam)
        );
        assert_eq!(host.call(0, EID, 0, &[4, 0]), Err(SbiError::InvalidParam));
        assert_eq!(host.call(0, EID, 5, &[1, 0]), Err(SbiError::NotSupported));
        assert!(host.log.is_empty());
    }
}
