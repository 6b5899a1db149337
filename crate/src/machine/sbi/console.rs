//! Chapter 12, the debug console "DBCN".

use super::{SbiError, SbiHost, SbiResult};

/// Bytes that one call moves at most; the specification lets a call move fewer than asked for.
const MOST: u64 = 4096;

pub fn call(host: &mut dyn SbiHost, args: [u64; 6], fid: u64) -> SbiResult {
    match fid {
        0 => write(host, args),
        1 => read(host, args),
        2 => {
            host.console_write(&[args[0] as u8]);
            Ok(0)
        }
        _ => Err(SbiError::NotSupported),
    }
}

/// Address of the guest's buffer and a copy of its bytes, at most [`MOST`] of them; all must be RAM.
fn buffer(host: &dyn SbiHost, args: [u64; 6]) -> Result<(u64, Vec<u8>), SbiError> {
    let [len, addr, addr_high, ..] = args;
    let len = len.min(MOST);
    let mut bytes = vec![0; len as usize];
    if addr_high != 0 || host.ram_read(addr, &mut bytes).is_err() {
        return Err(SbiError::InvalidParam);
    }
    Ok((addr, bytes))
}

fn write(host: &mut dyn SbiHost, args: [u64; 6]) -> SbiResult {
    let (_, bytes) = buffer(host, args)?;
    host.console_write(&with_returns(&bytes));
    Ok(bytes.len() as u64)
}

/// Lines ended as a terminal wants it, which kernels leave to the firmware here.
fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if byte == b'\n' && shown.last() != Some(&b'\r') {
            shown.push(b'\r');
        }
        shown.push(byte);
    }
    shown
}

fn read(host: &mut dyn SbiHost, args: [u64; 6]) -> SbiResult {
    let (addr, mut bytes) = buffer(host, args)?;
    let count = host.console_read(&mut bytes).min(bytes.len());
    host.ram_write(addr, &bytes[..count])
        .map_err(|_| SbiError::InvalidParam)?;
    Ok(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sbi::testing::FakeHost;

    const EID: u64 = 0x4442_434e;

    #[test]
    fn bytes_go_both_ways() {
        let mut host = FakeHost::new(1);
        host.ram.write(0x8000_0100, b"hello").unwrap();
        assert_eq!(host.call(0, EID, 0, &[5, 0x8000_0100, 0]), Ok(5));
        assert_eq!(host.call(0, EID, 2, &[0x121]), Ok(0));
        assert_eq!(host.written, b"hello!");
        host.input = b"xy".to_vec();
        assert_eq!(host.call(0, EID, 1, &[5, 0x8000_0100, 0]), Ok(2));
        assert_eq!(host.ram.slice(0x8000_0100, 5), Ok(&b"xyllo"[..]));
        assert_eq!(host.call(0, EID, 1, &[5, 0x8000_0100, 0]), Ok(0));
    }

    #[test]
    fn lines_end_as_terminals_want_it() {
        let mut host = FakeHost::new(1);
        host.ram.write(0x8000_0100, b"one\ntwo\r\n\n").unwrap();
        assert_eq!(host.call(0, EID, 0, &[10, 0x8000_0100, 0]), Ok(10));
        assert_eq!(host.written, b"one\r\ntwo\r\n\r\n");
    }

    #[test]
    fn buffers_are_bounded_and_in_ram() {
        let mut host = FakeHost::new(1);
        assert_eq!(host.call(0, EID, 0, &[u64::MAX, 0x8000_0000, 0]), Ok(MOST));
        for args in [
            [5, 0x8000_0000, 1],
            [5, 0x1000, 0],
            [5, u64::MAX, 0],
            [5, 0x8000_3ffe, 0],
        ] {
            assert_eq!(
                host.call(0, EID, 0, &args),
                Err(SbiError::InvalidParam),
                "{args:x?}"
            );
            assert_eq!(
                host.call(0, EID, 1, &args),
                Err(SbiError::InvalidParam),
                "{args:x?}"
            );
        }
    }
}
