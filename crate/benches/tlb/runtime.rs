//! The level as it would be with sets and ways in fields: the same keys, order and search.

use tabvisor::mem::replacement::Order;
use tabvisor::mem::tlb::core::{Entry, View, keys};

/// LRU, of pages of one size and more, as [`tabvisor::mem::tlb::core::TlbLevel`].
pub struct RuntimeLevel {
    sets: usize,
    ways: usize,
    /// Keys and data of a set stand together.
    words: Vec<u64>,
    order: Vec<Order<16>>,
    sizes: u8,
}

impl RuntimeLevel {
    pub fn new(sets: usize, ways: usize) -> Self {
        RuntimeLevel {
            sets,
            ways,
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
            let [local, global] = keys(vaddr, size, view);
            let index = self.set_of(vaddr, size);
            let start = index * self.ways * 2;
            let set = &self.words[start..start + self.ways * 2];
            let (held, data) = set.split_at(self.ways);
            let mut found = 0_u32;
            for (way, &key) in held.iter().enumerate() {
                found |= u32::from(key == local || key == global) << way;
            }
            if found != 0 {
                let way = found.trailing_zeros() as usize;
                let entry = Entry::of_words([held[way], data[way]]);
                self.order[index].promote(way);
                return Some(entry);
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
        self.order[index].promote(way);
    }
}
