//! The split virtqueue: rings and descriptors of any content, in memory of any content.

use tabvisor::device::virtio::queue::exercise;

/// The bytes are the queue's memory.
pub fn run(input: &[u8]) {
    // That a malformed ring is an error is right; what is tried is that there is an end and no panic.
    let _ = exercise(input);
}
