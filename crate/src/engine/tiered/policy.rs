//! What is compiled when, and how large.

use crate::jit::Tier;
use crate::jit::region::Limits;

/// The thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Jumps to an address before a region is formed there.
    pub quick_arrivals: u16,
    /// Jumps to an address whose region is not ready before looking again.
    pub retry_arrivals: u16,
    /// Turns that end in a region before it is compiled anew with every optimisation.
    pub hot_ticks: u32,
    /// Instructions between two looks at where branches and indirect jumps go; 0 for no looks at all.
    pub look_every: u64,
    /// Regions that may wait for the back end.
    pub most_pending: usize,
    /// Bytes of code beyond which all regions are given back, to begin anew.
    pub most_code_bytes: usize,
}

impl Default for Policy {
    /// Natively a region costs about a millisecond of Cranelift's time, as much as interpreting half a million instructions:
    /// it must promise to run for long. In the page regions cost a tenth of that, and interpreting twice as much.
    fn default() -> Self {
        if cfg!(target_arch = "wasm32") {
            Policy {
                quick_arrivals: 10_000,
                retry_arrivals: 1_000,
                hot_ticks: 100,
                look_every: 1_000_000,
                most_pending: 200,
                most_code_bytes: 64 << 20,
            }
        } else {
            let env = |name: &str, other: u32| {
                std::env::var(name)
                    .ok()
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(other)
            };
            Policy {
                quick_arrivals: env("TQ", 100) as u16,
                retry_arrivals: env("TR", 100) as u16,
                hot_ticks: env("TH", 5000),
                look_every: 2_000_000,
                most_pending: 200,
                most_code_bytes: 64 << 20,
            }
        }
    }
}

impl Policy {
    /// How large a region of `tier` may become.
    pub fn limits(&self, tier: Tier) -> Limits {
        match tier {
            Tier::Quick => {
                let mut l = Limits::QUICK;
                let env = |name: &str, other: usize| {
                    std::env::var(name)
                        .ok()
                        .and_then(|v| v.parse().ok())
                        .unwrap_or(other)
                };
                l.instructions = env("LI", l.instructions);
                l.blocks = env("LB", l.blocks);
                l.entries = env("LE", l.entries);
                l.inline_size = env("LS", l.inline_size);
                l.pages = env("LP", l.pages);
                l.inline_depth = env("LD", l.inline_depth);
                l
            }
            Tier::Hot => Limits::HOT,
        }
    }
}
