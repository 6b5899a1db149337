//! What a level holds: plain data, copied and never shared.
//!
//! An entry is two words, so that the four ways of a first level's set fill one cache line:
//!
//! ```text
//! key   63                    19 18       3  2      1       0
//!       virtual page, 45 bits    space       super  global  valid
//! data  63    12                 11      10      8  7               0
//!       guest-physical page      ahead   size       D A G U X W R V
//! ```
//!
//! The size is the level of the page table that the leaf was found at: a page of size `n` covers `12 + 9 n` bits of address.
//! Of a superpage's virtual page the low nine bits are always zero, and the key holds the size there.

/// Sizes that there are: 4 KiB, 2 MiB, 1 GiB, 512 GiB and 256 TiB.
pub const SIZES: u32 = 5;

/// Bits of a virtual page's number: those of Sv57, the upper ones being copies of the highest.
const PAGE_BITS: u32 = 45;
const PAGE_SHIFT: u32 = 19;
const SPACE_SHIFT: u32 = 3;
const SUPER: u64 = 1 << 2;
const GLOBAL: u64 = 1 << 1;
const VALID: u64 = 1 << 0;
/// What of a key tells whose it is, not of which page.
const WHOSE: u64 = 0xffff << SPACE_SHIFT | GLOBAL;

const AHEAD: u64 = 1 << 11;
const SIZE_SHIFT: u32 = 8;

/// What a leaf allows: the low byte of a page-table entry (privileged specification, section 11.3.1, "Addressing and
/// Memory Protection").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(pub u8);

impl Rights {
    /// The page is in every address space.
    pub const GLOBAL: u8 = 1 << 5;
}

/// Which entries a hart sees: those of its address space, and the global ones. Numbers are given out by
/// [`Spaces`](super::Spaces), so that forgetting a whole space is taking a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The number of the address space; never 0.
    pub local: u16,
    /// The number under which global pages stand; never 0.
    pub global: u16,
}

/// The translation of one page of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    key: u64,
    data: u64,
}

/// A key that no entry has.
pub(super) const NO_KEY: u64 = 0;

/// Bits of address that a page of this size covers.
#[inline]
pub const fn size_bits(size: u32) -> u32 {
    12 + 9 * size
}

/// The keys of the page of `size` around `vaddr`: as the view's own, and as a global one.
#[inline]
pub fn keys(vaddr: u64, size: u32, view: View) -> [u64; 2] {
    let page = page_key(vaddr, size);
    [
        page | u64::from(view.local) << SPACE_SHIFT,
        page | u64::from(view.global) << SPACE_SHIFT | GLOBAL,
    ]
}

/// A key's part that says which page it is of.
#[inline]
pub(super) fn page_key(vaddr: u64, size: u32) -> u64 {
    let page = vaddr >> 12 & ((1 << PAGE_BITS) - 1);
    if size == 0 {
        return page << PAGE_SHIFT | VALID;
    }
    let first = page >> (9 * size) << (9 * size);
    (first | u64::from(size)) << PAGE_SHIFT | SUPER | VALID
}

/// Whether a key is of the page that [`page_key`] says, whosever it is.
#[inline]
pub(super) fn is_of_page(key: u64, page: u64) -> bool {
    (key ^ page) & !WHOSE == 0
}

/// Whether a key is of this address space and not global.
#[inline]
pub(super) fn is_of_space(key: u64, space: u16) -> bool {
    key & WHOSE == u64::from(space) << SPACE_SHIFT
}

impl Entry {
    /// The page of `size` around `vaddr` lies at `physical`, whose bits below the page's size must be clear, with these
    /// rights. It is global if these say so.
    #[inline]
    pub fn new(vaddr: u64, size: u32, physical: u64, rights: Rights, view: View) -> Self {
        let [local, global] = keys(vaddr, size, view);
        let is_global = rights.0 & Rights::GLOBAL != 0;
        Entry {
            key: if is_global { global } else { local },
            data: physical | u64::from(size) << SIZE_SHIFT | u64::from(rights.0),
        }
    }

    /// The entry of these two words, key and data, which [`Self::words`] gave.
    #[inline]
    pub fn of_words([key, data]: [u64; 2]) -> Self {
        Entry { key, data }
    }

    /// Key and data, as the module's text draws them. The key is what [`keys`] makes.
    #[inline]
    pub fn words(self) -> [u64; 2] {
        [self.key, self.data]
    }

    /// The same, marked as entered before anybody asked for it.
    #[inline]
    pub fn ahead(self) -> Self {
        Entry {
            data: self.data | AHEAD,
            ..self
        }
    }

    /// The same without that mark.
    #[inline]
    pub fn asked_for(self) -> Self {
        Entry {
            data: self.data & !AHEAD,
            ..self
        }
    }

    /// Whether it was entered before anybody asked for it.
    #[inline]
    pub fn is_ahead(self) -> bool {
        self.data & AHEAD != 0
    }

    /// The page's size: see the module's text.
    #[inline]
    pub fn size(self) -> u32 {
        (self.data >> SIZE_SHIFT & 7) as u32
    }

    /// What the page allows.
    #[inline]
    pub fn rights(self) -> Rights {
        Rights(self.data as u8)
    }

    /// Whether it is in every address space.
    #[inline]
    pub fn is_global(self) -> bool {
        self.key & GLOBAL != 0
    }

    /// Where `vaddr`, which must be in the page, lies in guest-physical memory.
    #[inline]
    pub fn physical(self, vaddr: u64) -> u64 {
        let offset = (1 << size_bits(self.size())) - 1;
        self.data & !0xfff | vaddr & offset
    }
}
