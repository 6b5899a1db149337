//! Many addresses translated at once, for who looks at a guest from outside: a debugger, a page's tools.

use futures::{StreamExt, stream};

use super::Machine;
use crate::storage::batch;

/// Addresses that are translated in one go, before others have their turn.
const GROUP: usize = 256;

impl Machine {
    /// Where guest-virtual `addresses` lie in guest-physical memory, as hart `number` has them mapped now; `None` for those
    /// that are not mapped, in the order of the addresses, and for a hart that there is not. The guest sees nothing of it, and
    /// rights are not asked.
    ///
    /// Addresses are sorted, so that each table is looked for once; many are done in groups, `limit` of them under way at a
    /// time, between which the event loop has its turns.
    pub async fn translate_many(
        &self,
        number: usize,
        addresses: &[u64],
        limit: usize,
    ) -> Option<Vec<Option<u64>>> {
        let hart = self.hart(number)?;
        let mut order: Vec<u32> = (0..u32::try_from(addresses.len()).ok()?).collect();
        order.sort_unstable_by_key(|&at| addresses[at as usize]);
        let of = |group: &[u32]| -> Vec<(u32, Option<u64>)> {
            let sorted = group.iter().map(|&at| addresses[at as usize]);
            group
                .iter()
                .copied()
                .zip(hart.locate(self.ram(), sorted))
                .collect()
        };
        let mut found = vec![None; addresses.len()];
        let groups = stream::iter(order.chunks(GROUP).enumerate());
        let mut groups = std::pin::pin!(batch::unordered(groups, limit, |(number, group)| async move {
            if number > 0 {
                batch::give_way().await;
            }
            of(group)
        }));
        while let Some(group) = groups.next().await {
            for (at, physical) in group {
                found[at as usize] = physical;
            }
        }
        Some(found)
    }
}
