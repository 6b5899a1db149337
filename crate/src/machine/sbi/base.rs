//! Chapter 4, the base extension: what firmware this is and what it can do.

use super::{SbiError, SbiResult, has_extension};

/// Version 2.0: major number in bits 24 to 30.
const SPEC_VERSION: u64 = 2 << 24;
/// "TV"; not one of the registered numbers, as this firmware has none.
const IMPLEMENTATION_ID: u64 = 0x5456;
const IMPLEMENTATION_VERSION: u64 = 1;

pub fn call(args: [u64; 6], fid: u64) -> SbiResult {
    match fid {
        0 => Ok(SPEC_VERSION),
        1 => Ok(IMPLEMENTATION_ID),
        2 => Ok(IMPLEMENTATION_VERSION),
        3 => Ok(has_extension(args[0]).into()),
        // mvendorid, marchid and mimpid: zero says "not implemented", as the harts' CSRs do.
        4..=6 => Ok(0),
        _ => Err(SbiError::NotSupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::SbiReturn;
    use crate::machine::sbi::testing::FakeHost;

    #[test]
    fn it_says_what_it_is() {
        let mut host = FakeHost::new(1);
        assert_eq!(host.call(0, 0x10, 0, &[]), Ok(0x0200_0000));
        for (eid, there) in [
            (0x10, 1),
            (0x5449_4d45, 1),
            (0x4442_434e, 1),
            (2, 1),
            (5, 0),
            (0x50_4d55, 0),
            (u64::MAX, 0),
        ] {
            assert_eq!(host.call(0, 0x10, 3, &[eid]), Ok(there), "{eid:#x}");
        }
        assert_eq!(host.call(0, 0x10, 7, &[]), Err(SbiError::NotSupported));
        assert_eq!(
            host.call_raw(0, 0x0bad, 0, &[]),
            SbiReturn::Pair { error: -2, value: 0 }
        );
    }
}
