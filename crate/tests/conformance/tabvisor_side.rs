//! The side under test.

/// Runs `elf` as firmware and returns what it wrote on the serial line.
pub fn run(elf: &[u8]) -> String {
    crate::qemu::run(elf)
}
