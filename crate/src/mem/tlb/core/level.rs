//! One set-associative level.

use super::entry::{Entry, NO_KEY, SIZES, View, is_of_page, is_of_space, keys, page_key, size_bits};
use super::policy::{Chosen, Known, LRU, Policy, Select};
use crate::mem::replacement::Replacement;

/// The first level: 256 entries.
pub type L1Tlb = TlbLevel<64, 4, LRU>;
/// The second level: 4096 entries.
pub type L2Tlb = TlbLevel<512, 8, LRU>;

/// Ways whose marks stand in one word.
const LANES: usize = 4;
/// A one in each of them.
const ONES: u64 = 0x0001_0001_0001_0001;

/// A look-up compares the marks of four ways at a time, and keys only where these are equal.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Set<const WAYS: usize> {
    /// For each way 16 bits of its page's number.
    marks: [u64; 2],
    keys: [u64; WAYS],
    data: [u64; WAYS],
}

impl<const WAYS: usize> Set<WAYS> {
    #[inline(always)]
    fn entry(&self, way: usize) -> Entry {
        Entry::of_words([self.keys[way], self.data[way]])
    }

    /// The way that holds one of these keys, whose page has this mark.
    #[inline(always)]
    fn find(&self, mark: u16, keys: [u64; 2]) -> Option<usize> {
        for word in 0..WAYS.div_ceil(LANES) {
            let differs = self.marks[word] ^ (u64::from(mark) * ONES);
            // The top bit of each lane that is zero, and sometimes of one above such a lane.
            let mut likely = differs.wrapping_sub(ONES) & !differs & ONES << 15;
            while likely != 0 {
                let way = (word * LANES + (likely.trailing_zeros() / 16) as usize) % WAYS;
                if keys.contains(&self.keys[way]) {
                    return Some(way);
                }
                likely &= likely - 1;
            }
        }
        None
    }

    fn put(&mut self, way: usize, mark: u16, entry: Entry) {
        let shift = way % LANES * 16;
        let word = &mut self.marks[way / LANES];
        *word = *word & !(0xffff << shift) | u64::from(mark) << shift;
        [self.keys[way], self.data[way]] = entry.words();
    }
}

/// `SETS` (a power of two) sets of `WAYS` translations, from which `POLICY` chooses what gives way.
///
/// Pages of all sizes stand in it, each in the set that the lowest bits of its number say. A look-up tries one size after
/// the other, but only those of which something was entered since all was forgotten; so sizes that a guest does not use cost
/// nothing. It never says anything that was not entered, or that was forgotten since; it may forget by itself.
#[derive(Debug)]
pub struct TlbLevel<const SETS: usize, const WAYS: usize, const POLICY: u8>
where
    Policy<POLICY>: Select<WAYS>,
{
    sets: Box<[Set<WAYS>; SETS]>,
    known: Box<[Known<WAYS, POLICY>; SETS]>,
    policy: Chosen<WAYS, POLICY>,
    /// A bit for each size that may be there.
    sizes: u8,
    /// Ways that new entries go to.
    open_ways: usize,
}

impl<const SETS: usize, const WAYS: usize, const POLICY: u8> Default for TlbLevel<SETS, WAYS, POLICY>
where
    Policy<POLICY>: Select<WAYS>,
{
    fn default() -> Self {
        const {
            assert!(SETS.is_power_of_two(), "the number of sets is a power of two");
            assert!(WAYS <= 2 * LANES, "a set has at most 8 ways");
        }
        TlbLevel {
            sets: boxed(Self::EMPTY),
            known: boxed(Self::UNKNOWN),
            policy: Chosen::<WAYS, POLICY>::default(),
            sizes: 0,
            open_ways: WAYS,
        }
    }
}

/// `value`, `COUNT` times, without a detour over the stack.
fn boxed<T: Copy, const COUNT: usize>(value: T) -> Box<[T; COUNT]> {
    match vec![value; COUNT].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("it was made that long"),
    }
}

impl<const SETS: usize, const WAYS: usize, const POLICY: u8> TlbLevel<SETS, WAYS, POLICY>
where
    Policy<POLICY>: Select<WAYS>,
{
    const EMPTY: Set<WAYS> = Set {
        marks: [0; 2],
        keys: [NO_KEY; WAYS],
        data: [0; WAYS],
    };
    const UNKNOWN: Known<WAYS, POLICY> = Chosen::<WAYS, POLICY>::EMPTY;

    #[inline(always)]
    fn set_of(vaddr: u64, size: u32) -> usize {
        (vaddr >> size_bits(size)) as usize & (SETS - 1)
    }

    /// Bits of the page's number above those that say its set: most likely others than its neighbours' in the set.
    #[inline(always)]
    fn mark(vaddr: u64, size: u32) -> u16 {
        (vaddr >> size_bits(size) >> SETS.trailing_zeros()) as u16 ^ (size as u16) << 13
    }

    /// The sizes that may be there, smallest first.
    #[inline(always)]
    fn sizes(&self) -> impl Iterator<Item = u32> + use<SETS, WAYS, POLICY> {
        let mut left = self.sizes;
        std::iter::from_fn(move || {
            let size = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (size < SIZES).then_some(size)
        })
    }

    /// The translation of the page around `vaddr`, as `view` sees it. That counts as a use.
    #[inline(always)]
    pub fn get(&mut self, vaddr: u64, view: View) -> Option<Entry> {
        // Most pages are of the smallest size, and there shifts by a constant do.
        if self.sizes & 1 != 0
            && let Some(entry) = self.probe(vaddr, 0, view)
        {
            return Some(entry);
        }
        self.sizes()
            .filter(|&size| size != 0)
            .find_map(|size| self.probe(vaddr, size, view))
    }

    /// The same for one size.
    #[inline(always)]
    fn probe(&mut self, vaddr: u64, size: u32, view: View) -> Option<Entry> {
        let index = Self::set_of(vaddr, size);
        let set = &self.sets[index];
        let way = set.find(Self::mark(vaddr, size), keys(vaddr, size, view))?;
        let entry = set.entry(way);
        self.policy.touch(&mut self.known[index], way, 1);
        Some(entry)
    }

    /// Enters a translation, in place of what was known of its page in its space. Returns what had to give way.
    pub fn insert(&mut self, vaddr: u64, entry: Entry) -> Option<Entry> {
        let size = entry.size();
        self.sizes |= 1 << size;
        let index = Self::set_of(vaddr, size);
        let [key, _] = entry.words();
        let way_of = |key: u64| self.sets[index].keys.iter().position(|&other| other == key);
        let (way, evicted) = if let Some(way) = way_of(key) {
            self.policy.touch(&mut self.known[index], way, 1);
            (way, None)
        } else if let Some(way) = way_of(NO_KEY).filter(|&way| way < self.open_ways) {
            self.policy.fill(&mut self.known[index], way);
            (way, None)
        } else {
            let way = self.victim(index);
            self.policy.fill(&mut self.known[index], way);
            (way, Some(self.sets[index].entry(way)))
        };
        self.sets[index].put(way, Self::mark(vaddr, size), entry);
        evicted
    }

    /// The open way that gives way.
    fn victim(&mut self, index: usize) -> usize {
        let known = &mut self.known[index];
        for _ in 0..WAYS {
            let way = self.policy.victim(known);
            if way < self.open_ways {
                return way;
            }
            // A closed way holds nothing and is never used, so most policies would name it for ever.
            self.policy.touch(known, way, u32::MAX);
            self.policy.fill(known, way);
        }
        self.open_ways - 1
    }

    /// Takes a prefetched entry's mark away, as when it is used the first time.
    pub fn note_asked_for(&mut self, vaddr: u64, entry: Entry) {
        let set = &mut self.sets[Self::set_of(vaddr, entry.size())];
        let [wanted, data] = entry.asked_for().words();
        if let Some(way) = set.keys.iter().position(|&key| key == wanted) {
            set.data[way] = data;
        }
    }

    /// Forgets what is known of the address: pages of every size around it. With `space`, only of that address space and no
    /// global one.
    pub fn flush_address(&mut self, vaddr: u64, space: Option<u16>) {
        for size in self.sizes() {
            let page = page_key(vaddr, size);
            for key in &mut self.sets[Self::set_of(vaddr, size)].keys {
                if is_of_page(*key, page) && space.is_none_or(|space| is_of_space(*key, space)) {
                    *key = NO_KEY;
                }
            }
        }
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.sets.fill(Self::EMPTY);
        self.known.fill(Self::UNKNOWN);
        self.sizes = 0;
    }

    /// Opens only this many ways of each set to new entries; at least one, at most all. What is in the others is forgotten.
    pub fn open_ways(&mut self, ways: usize) {
        self.open_ways = ways.clamp(1, WAYS);
        for set in self.sets.iter_mut() {
            set.keys[self.open_ways..].fill(NO_KEY);
        }
    }
}
