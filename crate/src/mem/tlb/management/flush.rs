//! Fences: what must be forgotten (privileged specification, section 11.2.1, "Supervisor Memory-Management Fence
//! Instruction").

use crate::mem::PAGE_SIZE;

/// A range of more pages than this is forgotten with all of its address space.
const MAX_PAGES: u64 = 64;

/// What is to be forgotten. Forgetting more is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Everything.
    All,
    /// What an address space has of its own: global pages stay.
    Asid(u16),
    /// Pages, of whatever size, around some addresses.
    Range {
        /// First address.
        start: u64,
        /// Number of addresses, 4 KiB apart; at most 65.
        pages: u64,
        /// Only of this address space, and no global page; of all, if it is `None`.
        asid: Option<u16>,
    },
}

impl Fence {
    /// What belongs to an address space, or everything.
    pub fn of_space(asid: Option<u16>) -> Self {
        asid.map_or(Fence::All, Fence::Asid)
    }

    /// The page around one address.
    pub fn of_page(vaddr: u64, asid: Option<u16>) -> Self {
        Fence::Range {
            start: vaddr,
            pages: 1,
            asid,
        }
    }

    /// All pages of which a byte is in `start .. start + bytes`; the whole address space if they are many.
    pub fn of_range(start: u64, bytes: u64, asid: Option<u16>) -> Self {
        let pages = bytes.div_ceil(PAGE_SIZE);
        if pages > MAX_PAGES {
            return Self::of_space(asid);
        }
        Fence::Range {
            start,
            // The first may begin amid a page, and then the last ends amid one more.
            pages: pages + u64::from(!start.is_multiple_of(PAGE_SIZE)),
            asid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_reach_every_page_that_they_touch() {
        let pages = |start, bytes| match Fence::of_range(start, bytes, None) {
            Fence::Range { pages, .. } => Some(pages),
            _ => None,
        };
        assert_eq!(pages(0x1000, 0x1000), Some(1));
        assert_eq!(pages(0x1800, 0x1000), Some(2));
        assert_eq!(pages(0x1800, 1), Some(2));
        assert_eq!(pages(0, 64 << 12), Some(64));
        assert_eq!(pages(0, (64 << 12) + 1), None);
        assert_eq!(Fence::of_range(0, u64::MAX, Some(3)), Fence::Asid(3));
    }
}
