//! One file for each fuzz target: `run` takes whatever bytes there are, must come back, and panics where a promise is
//! broken. [`ALL`] is the list; `npm run fuzz` knows a target by its name here and in `targets/`.

pub mod cpio;
pub mod decoder;
pub mod device_tree;
pub mod execute;
pub mod image;
pub mod ir;
pub mod p9;
pub mod registers;
pub mod virtio;
pub mod virtqueue;

/// A target's body.
pub type Run = fn(&[u8]);

/// Every target by name.
pub const ALL: &[(&str, Run)] = &[
    ("cpio", cpio::run),
    ("decoder", decoder::run),
    ("device_tree", device_tree::run),
    ("execute", execute::run),
    ("image", image::run),
    ("ir", ir::run),
    ("ir_text", ir::parse),
    ("p9", p9::run),
    ("registers", registers::run),
    ("virtio", virtio::run),
    ("virtqueue", virtqueue::run),
];

/// The fuzzer's bytes, taken from the front as little-endian numbers; past their end come zeroes.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether all is taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, at most `count`.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn number<const N: usize>(&mut self) -> [u8; N] {
        let mut number = [0; N];
        let taken = self.bytes(N);
        number[..taken.len()].copy_from_slice(taken);
        number
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        self.number::<1>()[0]
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.number())
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.number())
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.number())
    }
}
