//! The pair (hart mask, hart mask base) with which calls name harts.

use super::{SbiError, SbiHost};

/// The harts named, in ascending order. A base of -1 names all of them. Any bit set for a hart that does not exist makes
/// the call invalid.
pub fn harts(host: &dyn SbiHost, mask: u64, base: u64) -> Result<Vec<usize>, SbiError> {
    let count = host.harts();
    if base == u64::MAX {
        return Ok((0..count).collect());
    }
    (0..64)
        .filter(|bit| mask >> bit & 1 != 0)
        .map(|bit| {
            base.checked_add(bit)
                .and_then(|hart| usize::try_from(hart).ok())
                .filter(|hart| *hart < count)
                .ok_or(SbiError::InvalidParam)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    #[test]
    fn masks_name_harts_from_their_base() {
        let host = FakeHost::new(4);
        assert_eq!(harts(&host, 0b101, 1), Ok(vec![1, 3]));
        assert_eq!(harts(&host, 0, u64::MAX), Ok(vec![0, 1, 2, 3]));
        assert_eq!(harts(&host, 0, 100), Ok(vec![]));
        assert_eq!(harts(&host, 0b1_0000, 0), Err(SbiError::InvalidParam));
        assert_eq!(harts(&host, u64::MAX, u64::MAX - 1), Err(SbiError::InvalidParam));
    }
}
