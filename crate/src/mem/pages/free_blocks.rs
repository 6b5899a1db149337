//! Free blocks of an address space, joined where they touch.

/// Free blocks: start and length, by start; no two touch.
#[derive(Debug, Default)]
pub struct FreeBlocks(Vec<(usize, usize)>);

impl FreeBlocks {
    /// None.
    pub const fn new() -> Self {
        FreeBlocks(Vec::new())
    }

    /// Takes `len` bytes out of the smallest block that has them; `None` if none has.
    pub fn take(&mut self, len: usize) -> Option<usize> {
        let fits = self.0.iter().enumerate().filter(|(_, block)| block.1 >= len);
        let (index, &(start, size)) = fits.min_by_key(|(_, block)| block.1)?;
        if size == len {
            self.0.remove(index);
        } else {
            self.0[index] = (start + len, size - len);
        }
        Some(start)
    }

    /// Puts a block in, which none of it is in yet.
    pub fn put(&mut self, mut start: usize, mut len: usize) {
        let mut index = self.0.partition_point(|block| block.0 < start);
        if let Some(&(after, size)) = self.0.get(index)
            && start + len == after
        {
            len += size;
            self.0.remove(index);
        }
        if let Some(&(before, size)) = index.checked_sub(1).and_then(|before| self.0.get(before))
            && before + size == start
        {
            index -= 1;
            (start, len) = (before, size + len);
            self.0.remove(index);
        }
        self.0.insert(index, (start, len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_split_and_joined() {
        let mut free = FreeBlocks::new();
        assert_eq!(free.take(1), None);
        free.put(100, 50);
        free.put(200, 20);
        assert_eq!(free.take(10), Some(200), "the smallest that has room");
        assert_eq!(free.take(60), None);
        free.put(150, 50);
        assert_eq!(free.0, [(100, 100), (210, 10)]);
        free.put(200, 10);
        assert_eq!(free.0, [(100, 120)]);
        assert_eq!(free.take(120), Some(100));
    }

    proptest! {
        /// Bytes given out are given out once, and everything can be had in one piece when all of it is back.
        #[test]
        fn nothing_is_lost_or_given_twice(sizes in prop::collection::vec((1_usize..40, any::<bool>()), 1..60)) {
            let mut free = FreeBlocks::new();
            free.put(1000, 500);
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for (size, back) in sizes {
                if back && !taken.is_empty() {
                    let (start, len) = taken.swap_remove(size % taken.len());
                    free.put(start, len);
                } else if let Some(start) = free.take(size) {
                    prop_assert!(start >= 1000 && start + size <= 1500);
                    prop_assert!(taken.iter().all(|&(other, len)| start + size <= other || other + len <= start));
                    taken.push((start, size));
                }
            }
            taken.into_iter().for_each(|(start, len)| free.put(start, len));
            prop_assert_eq!(free.0, [(1000, 500)]);
        }
    }
}
