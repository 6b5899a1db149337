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
}

impl Policy {
    /// For code that is there as soon as it is asked for: a region costs about as much as interpreting it a hundred times.
    /// Regions are worth forming anew only where they run for seconds.
    pub const IMMEDIATE: Policy = Policy {
        quick_arrivals: 100,
        retry_arrivals: 100,
        hot_ticks: 20_000,
        look_every: 2_000_000,
        most_pending: 200,
    };
    /// For Cranelift: a region costs about a millisecond, as much as interpreting half a million instructions. It must promise
    /// to run for long.
    pub const BACKGROUND: Policy = Policy {
        quick_arrivals: 20_000,
        retry_arrivals: 2_000,
        hot_ticks: 100,
        ..Policy::IMMEDIATE
    };
    /// In the page regions cost a tenth of that, and interpreting costs twice as much. The browser makes better code of what
    /// runs long by itself, and would have to begin anew with other regions.
    pub const PAGE: Policy = Policy {
        quick_arrivals: 10_000,
        retry_arrivals: 1_000,
        look_every: 1_000_000,
        ..Policy::IMMEDIATE
    };

    /// The one for this host; its back end may be [immediate](crate::jit::Backend::is_immediate).
    pub fn usual(immediate: bool) -> Self {
        match immediate {
            true => Self::IMMEDIATE,
            false if cfg!(target_arch = "wasm32") => Self::PAGE,
            false => Self::BACKGROUND,
        }
    }

    /// How large a region of `tier` may become.
    pub fn limits(&self, tier: Tier) -> Limits {
        match tier {
            Tier::Quick => Limits::QUICK,
            Tier::Hot => Limits::HOT,
        }
    }
}
