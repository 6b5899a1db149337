//! The level as it would be with sets and ways in fields: the same keys, order and search.

use tabvisor::mem::replacement::Order;
use tabvisor::mem::tlb::core::{Entry, View, keys};

/// LRU, of pages of one size and more, as [`tabvisor::mem::tlb::core::TlbLevel`].
pub struct RuntimeLevel {
    sets: usize,
    set_bits: u32,
    ways: usize,
    mark_words: usize,
    marks: Vec<u64>,
    /// Keys and data of a set stand together.
    words: Vec<u64>,
    order: Vec<Order<8>>,
    sizes: u8,
}

const LANES: usize = 4;
const ONES: u64 = 0x0001_0001_0001_0001;

impl RuntimeLevel {
    pub fn new(sets: usize, ways: usize) -> Self {
        RuntimeLevel {
            sets,
            set_bits: sets.trailing_zeros(),
            ways,
            mark_words: ways.div_ceil(LANES),
            marks: vec![0; sets * ways.div_ceil(LANES)],
            words: vec![0; sets * ways * 2],
            order: vec![Order::START; sets],
            sizes: 0,
        }
    }

    fn set_of(&self, vaddr: u64, size: u32) -> usize {
        (vaddr >> (12 + 9 * size)) as usize & (self.sets - 1)
    }

    fn mark(&self, vaddr: u64, size: u32) -> u16 {
        (vaddr >> (12 + 9 * size) >> self.set_bits) as u16 ^ (size as u16) << 13
    }

    #[inline(always)]
    pub fn get(&mut self, vaddr: u64, view: View) -> Option<Entry> {
        if self.sizes & 1 != 0
            && let Some(entry) = self.probe(vaddr, 0, view)
        {
            return Some(entry);
        }
        let mut left = self.sizes & !1;
        while left != 0 {
            let size = left.trailing_zeros();
            left &= left - 1;
            if let Some(entry) = self.probe(vaddr, size, view) {
                return Some(entry);
            }
        }
        None
    }

    #[inline(always)]
    fn probe(&mut self, vaddr: u64, size: u32, view: View) -> Option<Entry> {
        let index = self.set_of(vaddr, size);
        let mark = self.mark(vaddr, size);
        let keys = keys(vaddr, size, view);
        let start = index * self.ways * 2;
        let (held, data) = self.words[start..start + self.ways * 2].split_at(self.ways);
        let marks = &self.marks[index * self.mark_words..][..self.mark_words];
        for (word, marks) in marks.iter().enumerate() {
            let differs = marks ^ (u64::from(mark) * ONES);
            let mut likely = differs.wrapping_sub(ONES) & !differs & ONES << 15;
            while likely != 0 {
                let way = word * LANES + (likely.trailing_zeros() / 16) as usize;
                if keys.contains(&held[way]) {
                    let entry = Entry::of_words([held[way], data[way]]);
                    self.order[index].promote(way);
                    return Some(entry);
                }
                likely &= likely - 1;
            }
        }
        None
    }

    /// Into the first empty way; only for filling.
    pub fn insert(&mut self, vaddr: u64, entry: Entry) {
        self.sizes |= 1 << entry.size();
        let index = self.set_of(vaddr, entry.size());
        let start = index * self.ways * 2;
        let set = &mut self.words[start..start + self.ways * 2];
        let [key, data] = entry.words();
        let way = set[..self.ways].iter().position(|&key| key == 0).unwrap_or(0);
        (set[way], set[self.ways + way]) = (key, data);
        let mark = self.mark(vaddr, entry.size());
        let word = &mut self.marks[index * self.mark_words + way / LANES];
        *word |= u64::from(mark) << (way % LANES * 16);
        self.order[index].promote(way);
    }
}
