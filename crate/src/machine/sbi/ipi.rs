//! Chapter 7, inter-processor interrupts "sPI".

use super::{SbiError, SbiHost, SbiResult, hart_mask};

pub fn call(host: &mut dyn SbiHost, args: [u64; 6], fid: u64) -> SbiResult {
    if fid != 0 {
        return Err(SbiError::NotSupported);
    }
    for hart in hart_mask::harts(host, args[0], args[1])? {
        host.send_ipi(hart);
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    #[test]
    fn all_or_none_are_interrupted() {
        let mut host = FakeHost::new(3);
        assert_eq!(host.call(0, 0x73_5049, 0, &[0b11, 1]), Ok(0));
        assert_eq!(host.log, ["ipi 1", "ipi 2"]);
        assert_eq!(
            host.call(0, 0x73_5049, 0, &[0b1001, 0]),
            Err(SbiError::InvalidParam)
        );
        assert_eq!(host.log.len(), 2);
    }
}
