//! How guest memory is shared out among the guest's memory nodes.

/// Most nodes that guest memory can have.
pub const MAX_NODES: usize = 8;

/// Nodes begin and end at multiples of this from the start of memory: a huge page of host or guest is in one node.
const GRAIN: u64 = 2 << 20;

/// The memory of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// First guest-physical address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

/// Shares `size` bytes at `base` out among `count` nodes, one behind the other and of one size, but for the last, which has
/// what is left. `None` if there is not enough for each to have some, or if `count` is 0.
pub fn split_nodes(base: u64, size: u64, count: usize) -> Option<Vec<Node>> {
    let count = u64::try_from(count).ok()?;
    if count == 1 {
        return Some(vec![Node { base, size }]);
    }
    let each = size.checked_div(count)? / GRAIN * GRAIN;
    if each == 0 {
        return None;
    }
    base.checked_add(size)?;
    let nodes = (0..count).map(|node| Node {
        base: base + node * each,
        size: if node + 1 < count {
            each
        } else {
            size - node * each
        },
    });
    Some(nodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_cover_memory_at_round_places() {
        for (size, count) in [
            (256 << 20, 2),
            (257 << 20, 3),
            ((1 << 30) + 4096, 8),
            (16 << 20, 8),
            (4096, 1),
        ] {
            let nodes = split_nodes(0x8000_0000, size, count).unwrap();
            assert_eq!(nodes.len(), count);
            let mut next = 0x8000_0000;
            for node in &nodes {
                assert_eq!(node.base, next);
                assert!(node.base.is_multiple_of(GRAIN) && node.size > 0, "{nodes:x?}");
                next += node.size;
            }
            assert_eq!(next, 0x8000_0000 + size);
            let last = nodes.last().unwrap().size - nodes[0].size;
            assert!(last < count as u64 * GRAIN + 4096, "{nodes:x?}");
        }
    }

    #[test]
    fn what_cannot_be_shared_is_not() {
        assert_eq!(split_nodes(0x8000_0000, (4 << 20) - 4096, 2), None);
        assert_eq!(split_nodes(0x8000_0000, 1 << 30, 0), None);
        assert_eq!(split_nodes(u64::MAX - 4095, 1 << 30, 2), None);
        assert_eq!(split_nodes(0, 1 << 30, usize::MAX), None);
    }
}
