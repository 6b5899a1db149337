//! The 9p server: messages of any content.

use tabvisor::device::virtio::p9::exercise;

use super::Input;

/// First byte odd: the rest as `exercise` wants it. Even: a sequence of bodies, each with its length in a byte before
/// it, made into messages with the right size field, which is how to get past the first check.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    if input.u8() & 1 != 0 {
        return exercise(input.0);
    }
    let mut messages = Vec::new();
    while !input.is_empty() {
        let length = input.u8().into();
        let body = input.bytes(length);
        let size = body.len() as u16 + 4;
        messages.extend(size.to_le_bytes());
        messages.extend(u32::from(size).to_le_bytes());
        messages.extend(body);
    }
    exercise(&messages);
}
