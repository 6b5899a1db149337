//! What is counted below the fast table.

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since power-on.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct TlbStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl std::ops::AddAssign for TlbStats {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Fetches that the first level for instructions answered.
    l1_instruction_hits,
    /// Loads and stores that the first level for data answered.
    l1_data_hits,
    /// Look-ups that only the second level answered.
    l2_hits,
    /// Walks of the page table, not counting those that look ahead.
    walks,
    /// Walks, with those that look ahead, that did not start at the root.
    walk_cache_hits,
    /// Pages entered ahead.
    prefetches,
    /// Of these, pages that were asked for later. Not known of a level that harts share.
    prefetches_useful,
    /// Of these, pages that gave way before they were asked for.
    prefetches_useless,
    /// Fences over everything.
    flushes_all,
    /// Fences over an address space.
    flushes_asid,
    /// Fences over several pages.
    flushes_range,
    /// Fences over one page.
    flushes_page,
    /// Fences that came from another hart as a message, counted above too.
    messages,
    /// Times that a hart looked into another address space than before.
    space_switches,
    /// Changes made by what adapts the hierarchy to the guest.
    adaptations,
}

impl TlbStats {
    /// Fences of every kind.
    pub fn fences(&self) -> u64 {
        self.flushes_all + self.flushes_asid + self.flushes_range + self.flushes_page
    }
}
