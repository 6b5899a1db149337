//! Asynchronous batches: many slow operations under way at once, no more than a limit of them.

use std::future::Future;
use std::task::Poll;

use futures::{Stream, StreamExt};

/// Does `operation` with each of `items`, at most `limit` at a time (at least one); results come in the order in which
/// they are ready. Nothing runs unless the stream is polled, and dropping it gives up what is under way.
pub fn unordered<I, F: Future>(
    items: impl Stream<Item = I>,
    limit: usize,
    operation: impl FnMut(I) -> F,
) -> impl Stream<Item = F::Output> {
    items.map(operation).buffer_unordered(limit.max(1))
}

/// Lets whoever else is ready run first.
pub async fn give_way() {
    let mut given = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::cell::Cell;

    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    #[test]
    fn no_more_than_the_limit_are_under_way_and_all_are_done() {
        for limit in [0, 1, 3, 100] {
            let (now, most) = (Cell::new(0_usize), Cell::new(0_usize));
            let (now, most) = (&now, &most);
            let results = unordered(stream::iter(0..20_usize), limit, |item| async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                for _ in 0..=item % 5 {
                    give_way().await;
                }
                now.set(now.get() - 1);
                item
            });
            let mut results: Vec<usize> = block_on(results.collect());
            results.sort_unstable();
            assert_eq!(results, (0..20).collect::<Vec<_>>());
            assert_eq!(most.get(), limit.clamp(1, 20));
        }
    }
}
