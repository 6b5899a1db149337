//! Figures of the compiler.

use serde::{Deserialize, Serialize};

use crate::jit::Tier;
use crate::jit::gc::GcStats;

/// Figures since power-on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct JitStats {
    /// Instructions retired by compiled code.
    pub instructions: u64,
    /// Times that the run loop entered compiled code.
    pub entered: u64,
    /// Times that compiled code was left because nothing compiled was known to go on in, for an instruction to be
    /// interpreted, because an instruction trapped, and because the turn was over.
    pub leaves: [u64; 4],
    /// Regions formed for the quick tier, and guest instructions in them.
    pub quick_regions: u64,
    /// Guest instructions in these.
    pub quick_instructions: u64,
    /// Regions formed for the hot tier.
    pub hot_regions: u64,
    /// Guest instructions in these.
    pub hot_instructions: u64,
    /// Regions formed at the first arrivals, since a profile had their entries.
    pub foreseen: u64,
    /// Pages of code that the profile knows.
    pub profile_pages: u64,
    /// Instructions executed one by one to see where branches and indirect jumps go.
    pub looked_at: u64,
    /// Regions that the back end has compiled.
    pub compiled: u64,
    /// Regions that it could not compile.
    pub refused: u64,
    /// Regions put to sleep or dropped because their code was written.
    pub dropped: u64,
    /// Regions held now.
    pub regions: u64,
    /// Regions being compiled now.
    pub pending: u64,
    /// Bytes of code held now.
    pub code_bytes: u64,
    /// WebAssembly modules that hold code now.
    pub modules: u64,
    /// The longest that the guest has stood still while code was compiled, or handed to the engine, in microseconds.
    pub longest_stall_us: u64,
    /// Look-ups of the targets of jumps by the run loop that found compiled code. Those of compiled code are not counted.
    pub target_hits: u64,
    /// Look-ups that found none.
    pub target_misses: u64,
    /// The collector's.
    pub gc: GcStats,
}

impl JitStats {
    /// Counts a region that was formed.
    pub fn formed(&mut self, tier: Tier, instructions: u32) {
        let (regions, count) = match tier {
            Tier::Quick => (&mut self.quick_regions, &mut self.quick_instructions),
            Tier::Hot => (&mut self.hot_regions, &mut self.hot_instructions),
        };
        *regions += 1;
        *count += u64::from(instructions);
    }
}
