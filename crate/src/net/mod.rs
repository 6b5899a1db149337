//! What stands behind the network device: something that takes and gives Ethernet frames.
//!
//! The device knows only [`NetBackend`]. Natively `user` is a whole network in one process, like QEMU's
//! user-mode network; it needs no rights and no set-up.

#[cfg(not(target_arch = "wasm32"))]
pub mod user;

use std::fmt;

/// The longest Ethernet frame a backend takes or gives, without checksum: header and 1500 bytes.
pub const MAX_FRAME: usize = 1514;

/// A network cable: the device sends the guest's frames into it and takes frames for the guest out of it.
///
/// Neither call ever waits. A backend working on other threads calls the waker it was made with when a frame has
/// become ready, so that an idle machine can sleep.
pub trait NetBackend: fmt::Debug {
    /// Takes one Ethernet frame (without checksum) from the guest. Like a wire, it drops what it cannot carry:
    /// the guest is hostile, so nothing in a frame is an error of the caller.
    fn send(&mut self, frame: &[u8]);

    /// The next Ethernet frame for the guest, if one is ready; at most [`MAX_FRAME`] bytes.
    fn receive(&mut self) -> Option<Vec<u8>>;

    /// The address the guest's network device should have.
    fn mac(&self) -> [u8; 6];
}
