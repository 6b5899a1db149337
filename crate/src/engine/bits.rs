//! Sets of small numbers, as bits.

/// The numbers of the bits that are set, ascending.
pub fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    let words = words.iter().enumerate();
    words.flat_map(|(at, &word)| {
        let mut left = word;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::ones;

    #[test]
    fn all_bits_are_found_in_order() {
        let words = [0, 1 << 63 | 1, 0, u64::MAX, 0];
        let found: Vec<_> = ones(&words).collect();
        let all = [64, 127].into_iter().chain(192..256);
        assert_eq!(found, all.collect::<Vec<_>>());
        assert_eq!(ones(&[]).count(), 0);
    }
}
