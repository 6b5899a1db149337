//! The level as it would be with sets and ways in fields: the same keys, order and search.

use tabvisor::mem::replacement::Order;
use tabvisor::mem::tlb::core::{Entry, View, keys};

/// LRU, of pages of one size and more, as [`tabvisor::mem::tlb::core::TlbLevel`].
pub struct RuntimeLevel {
    sets: usize,
    ways: usize,
    marks: Vec<u32>,
    /// Keys and data of a set stand together.
    words: Vec<u64>,
    order: Vec<Order<16>>,
    sizes: u8,
}

/// As the level has it.
fn mark(vaddr: u64, size: u32) -> u32 {
    (vaddr >> (12 + 9 * size)) as u32 ^ size << 29
}

impl RuntimeLevel {
    pub fn new(sets: usize, ways: usize) -> Self {
        RuntimeLevel {
            sets,
            ways,
            marks: vec![0; sets * ways],
            words: vec![0; sets * ways * 2],
            order: vec![Order::START; sets],
            sizes: 0,
        }
    }

    fn set_of(&self, vaddr: u64, size: u32) -> usize {
        (vaddr >> (12 + 9 * size)) as usize & (self.sets - 1)
    }

    #[inline]
    pub fn get(&mut self, vaddr: u64, view: View) -> Option<Entry> {
        let mut left = self.sizes;
        while left != 0 {
            let size = left.trailing_zeros();
            left &= left - 1;
            let index = self.set_of(vaddr, size);
            let marks = &self.marks[index * self.ways..][..self.ways];
            let mark = mark(vaddr, size);
            let mut likely = 0_u32;
            for (way, &other) in marks.iter().enumerate() {
                likely |= u32::from(other == mark) << way;
            }
            let [local, global] = keys(vaddr, size, view);
            let start = index * self.ways * 2;
            let (held, data) = self.words[start..start + self.ways * 2].split_at(self.ways);
            while likely != 0 {
                let way = likely.trailing_zeros() as usize;
                likely &= likely - 1;
                if held[way] == local || held[way] == global {
                    let entry = Entry::of_words([held[way], data[way]]);
                    self.order[index].promote(way);
                    return Some(entry);
                }
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
        self.marks[index * self.ways + way] = mark(vaddr, entry.size());
        self.order[index].promote(way);
    }
}
