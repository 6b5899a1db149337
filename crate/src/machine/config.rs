//! What a machine is made of.

use std::fmt;

use super::image::Image;
use crate::engine::EngineConfig;
use crate::mem::HugePages;
use crate::net::NetBackend;
use crate::storage::BlockBackend;
use crate::storage::fs::FileSystem;

/// Most harts a machine can have.
pub const MAX_HARTS: usize = 8;

/// Guest time.
pub enum Clock {
    /// The host's: returns nanoseconds since power-on, never less than before.
    Host(Box<dyn FnMut() -> u64>),
    /// Time passes as instructions are executed, and jumps to the next event where all harts wait: a machine with this
    /// clock and the same input always runs the same.
    Virtual {
        /// Nanoseconds an instruction takes.
        ns_per_instruction: u64,
    },
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::Host(_) => f.write_str("Host"),
            Clock::Virtual { ns_per_instruction } => write!(f, "Virtual({ns_per_instruction} ns)"),
        }
    }
}

/// Fills a buffer with random bytes.
pub type Entropy = Box<dyn FnMut(&mut [u8])>;

/// What a machine is made of.
pub struct MachineConfig {
    /// Bytes of RAM, a multiple of 4 KiB.
    pub memory_bytes: u64,
    /// Harts, 1 to [`MAX_HARTS`].
    pub harts: usize,
    /// Memory nodes, 1 to [`crate::mem::MAX_NODES`] and not more than harts: memory and harts are shared out among them.
    pub numa: usize,
    /// What pages the host is to back RAM with.
    pub huge_pages: HugePages,
    /// M-mode firmware; without one the machine's own SBI answers.
    pub bios: Option<Image>,
    /// Kernel.
    pub kernel: Option<Image>,
    /// Initial RAM disk.
    pub initrd: Option<Image>,
    /// The kernel's command line.
    pub append: String,
    /// Disks, each a virtio block device.
    pub disks: Vec<Box<dyn BlockBackend>>,
    /// Shared file systems by mount tag, each a virtio 9p device.
    pub shares: Vec<(String, Box<dyn FileSystem>)>,
    /// What the virtio network device is connected to.
    pub net: Option<Box<dyn NetBackend>>,
    /// Source of the guest's randomness, asked for a generator's seed each time one is needed.
    pub entropy: Entropy,
    /// How guest code is executed.
    pub engine: EngineConfig,
    /// Guest time.
    pub clock: Clock,
    /// Wall-clock time at power-on, nanoseconds since 1970.
    pub epoch_ns: u64,
}

impl fmt::Debug for MachineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineConfig")
            .field("memory_bytes", &self.memory_bytes)
            .field("harts", &self.harts)
            .field("numa", &self.numa)
            .field("append", &self.append)
            .field("engine", &self.engine)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
