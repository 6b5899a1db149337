//! Sets of the pages of a block of memory, one bit each.

use std::ops::Range;

/// A set of pages, numbered from 0. Where nothing was ever inserted it costs the host nothing.
#[derive(Debug, Clone)]
pub struct PageSet {
    words: Box<[u64]>,
}

/// Where a page's bit is.
#[inline]
fn bit(page: usize) -> (usize, u64) {
    (page / 64, 1 << (page % 64))
}

impl PageSet {
    /// An empty set, for `pages` pages.
    pub fn new(pages: usize) -> Self {
        PageSet {
            words: vec![0; pages.div_ceil(64)].into_boxed_slice(),
        }
    }

    /// Whether `page` is in it.
    #[inline]
    pub fn contains(&self, page: usize) -> bool {
        let (word, bit) = bit(page);
        self.words[word] & bit != 0
    }

    /// Takes `page` in; true if it was not there.
    #[inline]
    pub fn insert(&mut self, page: usize) -> bool {
        let (word, bit) = bit(page);
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        fresh
    }

    /// Takes `page` out; true if it was there.
    #[inline]
    pub fn remove(&mut self, page: usize) -> bool {
        let (word, bit) = bit(page);
        let there = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        there
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The first pages in `among` that follow each other in the set without a gap.
    pub fn next_run(&self, among: Range<usize>) -> Option<Range<usize>> {
        let start = self.find(among.clone(), 0)?;
        let end = self.find(start..among.end, u64::MAX).unwrap_or(among.end);
        Some(start..end)
    }

    /// The first page in `among` whose bit is set in the words, each of which is turned over with `flip` first.
    fn find(&self, among: Range<usize>, flip: u64) -> Option<usize> {
        let mut page = among.start;
        while page < among.end {
            let (word, bit) = bit(page);
            let left = (self.words[word] ^ flip) & !(bit - 1);
            if left != 0 {
                let found = word * 64 + left.trailing_zeros() as usize;
                return (found < among.end).then_some(found);
            }
            page = (word + 1) * 64;
        }
        None
    }

    /// All of them, in ascending order.
    pub fn into_pages(self) -> impl Iterator<Item = usize> {
        let end = self.words.len() * 64;
        let mut from = 0;
        std::iter::from_fn(move || {
            let page = self.find(from..end, 0)?;
            from = page + 1;
            Some(page)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(changes in prop::collection::vec((0_usize..300, any::<bool>()), 0..400), from in 0_usize..290) {
            let mut set = PageSet::new(300);
            let mut reference = BTreeSet::new();
            for (page, insert) in changes {
                if insert {
                    prop_assert_eq!(set.insert(page), reference.insert(page));
                } else {
                    prop_assert_eq!(set.remove(page), reference.remove(&page));
                }
                prop_assert_eq!(set.contains(page), insert);
            }
            prop_assert_eq!(set.len(), reference.len());
            let first = reference.range(from..290).next().copied();
            let run = first.map(|first| first..(first..290).find(|page| !reference.contains(page)).unwrap_or(290));
            prop_assert_eq!(set.next_run(from..290), run);
            prop_assert!(set.into_pages().eq(reference));
        }
    }
}
