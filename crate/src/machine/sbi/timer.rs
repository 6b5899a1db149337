//! Chapter 6, the timer extension "TIME".

use super::{SbiError, SbiHost, SbiResult};

pub fn call(host: &mut dyn SbiHost, hart: usize, args: [u64; 6], fid: u64) -> SbiResult {
    match fid {
        0 => {
            host.set_timer(hart, args[0]);
            Ok(0)
        }
        _ => Err(SbiError::NotSupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    #[test]
    fn it_sets_the_callers_timer() {
        let mut host = FakeHost::new(2);
        assert_eq!(host.call(1, 0x5449_4d45, 0, &[1234]), Ok(0));
        assert_eq!(host.log, ["timer 1 1234"]);
        assert_eq!(host.call(1, 0x5449_4d45, 1, &[1234]), Err(SbiError::NotSupported));
    }
}
