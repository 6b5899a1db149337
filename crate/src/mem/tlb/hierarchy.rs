//! The levels of one hart, put together as its configuration says.

use std::sync::Arc;

use super::config::{HierarchyKind, PolicyKind, TlbConfig};
use super::core::{
    Asker, Entry, FIFO, LFU, LRU, PLRU, RANDOM, Rights, SharedTlb, Spaces, Table, Ticket, Unified, View,
    WalkCache,
};
use super::management::{Fence, Recorded, TlbStats};
use super::optimization::{Adaptive, Advice, Ahead, Prefetcher};
use crate::mem::PAGE_SIZE;

/// The levels under each policy; boxed, as they are large and of which there is one.
#[derive(Debug)]
enum Levels {
    None,
    Lru(Box<Unified<LRU>>),
    Plru(Box<Unified<PLRU>>),
    Lfu(Box<Unified<LFU>>),
    Fifo(Box<Unified<FIFO>>),
    Random(Box<Unified<RANDOM>>),
}

/// Does `$work` with the levels, whatever their type; `$none` where there are none.
macro_rules! with_levels {
    ($levels:expr, $name:ident => $work:expr, $none:expr) => {
        match $levels {
            Levels::None => $none,
            Levels::Lru($name) => $work,
            Levels::Plru($name) => $work,
            Levels::Lfu($name) => $work,
            Levels::Fifo($name) => $work,
            Levels::Random($name) => $work,
        }
    };
}

impl Levels {
    fn new(policy: PolicyKind, shared: Option<Arc<SharedTlb>>) -> Self {
        match policy {
            PolicyKind::Lru => Levels::Lru(Box::new(Unified::new(shared))),
            PolicyKind::Plru => Levels::Plru(Box::new(Unified::new(shared))),
            PolicyKind::Lfu => Levels::Lfu(Box::new(Unified::new(shared))),
            PolicyKind::Fifo => Levels::Fifo(Box::new(Unified::new(shared))),
            PolicyKind::Random => Levels::Random(Box::new(Unified::new(shared))),
        }
    }
}

/// A `satp` that no hart has: its mode is reserved.
const NOWHERE: u64 = u64::MAX;

/// What one hart remembers of translations, below its fast table.
#[derive(Debug)]
pub struct Hierarchy {
    levels: Levels,
    shared: Option<Arc<SharedTlb>>,
    spaces: Spaces,
    /// Who asked last; under [`NOWHERE`] the next must be looked up in `spaces`.
    asker: Asker,
    walk_cache: Option<WalkCache>,
    prefetcher: Option<Prefetcher>,
    adaptive: Option<Adaptive>,
    /// What is worth looking up ahead after the last look-up.
    ahead: Option<Ahead>,
    stats: TlbStats,
    /// Walks and fences, while somebody wants to know. Neither is often enough for the question to cost anything.
    recorded: Option<Vec<Recorded>>,
}

impl Default for Hierarchy {
    /// Nothing below the fast table.
    fn default() -> Self {
        let config = TlbConfig {
            hierarchy: HierarchyKind::Fast,
            ..TlbConfig::default()
        };
        Hierarchy::new(config, None)
    }
}

impl Hierarchy {
    /// An empty hierarchy, in front of the shared level if it is given.
    pub fn new(config: TlbConfig, shared: Option<Arc<SharedTlb>>) -> Self {
        let exists = config.hierarchy != HierarchyKind::Fast;
        Hierarchy {
            levels: if exists {
                Levels::new(config.policy, shared.clone())
            } else {
                Levels::None
            },
            shared,
            spaces: Spaces::default(),
            asker: Asker {
                view: View { local: 1, global: 1 },
                satp: NOWHERE,
            },
            walk_cache: (exists && config.walk_cache).then(WalkCache::default),
            prefetcher: (exists && config.prefetch > 0).then(|| Prefetcher::new(config.prefetch)),
            adaptive: (exists && config.adaptive).then(|| Adaptive::new(config)),
            ahead: None,
            stats: TlbStats::default(),
            recorded: None,
        }
    }

    /// The translation of the page around `vaddr`, for a fetch or for data, in the address space that `satp` names. The
    /// address must be canonical, since only 57 bits of it are looked at. Whether the page allows the access, the caller checks.
    #[inline]
    pub fn look_up(&mut self, vaddr: u64, fetch: bool, satp: u64) -> Option<Entry> {
        if satp != self.asker.satp {
            self.enter(satp);
        }
        let (asker, stats) = (self.asker, &mut self.stats);
        let found = with_levels!(&mut self.levels, levels => levels.get(vaddr, fetch, asker, stats), None);
        if self.prefetcher.is_some() || self.adaptive.is_some() {
            self.watch(vaddr, fetch, found);
        }
        found
    }

    /// Tells what guesses about a look-up.
    #[cold]
    #[inline(never)]
    fn watch(&mut self, vaddr: u64, fetch: bool, found: Option<Entry>) {
        let first_use = found.is_some_and(Entry::is_ahead);
        self.stats.prefetches_useful += u64::from(first_use);
        if let Some(prefetcher) = &mut self.prefetcher
            && !fetch
        {
            let ahead = prefetcher.observe(vaddr);
            self.ahead = ahead.filter(|_| first_use || found.is_none());
        }
        let advice = match &mut self.adaptive {
            Some(adaptive) => adaptive.count(found.is_some()),
            None => None,
        };
        match advice {
            None => {}
            Some(Advice::Policy(policy)) => self.levels = Levels::new(policy, self.shared.clone()),
            Some(Advice::Ways(quarters)) => {
                with_levels!(&mut self.levels, levels => levels.open_ways(quarters), ());
            }
            Some(Advice::Prefetch(depth)) => {
                self.prefetcher = (depth > 0).then(|| Prefetcher::new(depth));
            }
        }
        self.stats.adaptations += u64::from(advice.is_some());
    }

    /// Goes to another address space, or to one that was forgotten.
    #[cold]
    fn enter(&mut self, satp: u64) {
        if matches!(self.levels, Levels::None) {
            self.asker.satp = satp;
            return;
        }
        let asid = asid_of(satp);
        if let Some(replaced) = self.spaces.replaced_by(asid, satp) {
            // If it comes back it may mean something else, and nobody would know.
            with_levels!(&self.levels, levels => levels.flush_shared(Some(replaced)), ());
        }
        let view = self.spaces.view(asid, satp).or_else(|_| {
            self.empty();
            self.spaces.view(asid, satp)
        });
        if let Ok(view) = view {
            self.asker = Asker { view, satp };
        }
        self.stats.space_switches += 1;
    }

    /// Really empties what holds entries, so that numbers of spaces can start anew.
    fn empty(&mut self) {
        with_levels!(&mut self.levels, levels => levels.empty(), ());
        if let Some(cache) = &mut self.walk_cache {
            cache.flush();
        }
        self.spaces.start_anew();
    }

    /// To be taken before a walk whose result is to be entered.
    pub fn begin_walk(&mut self) -> Option<Ticket> {
        self.stats.walks += 1;
        self.ticket()
    }

    fn ticket(&self) -> Option<Ticket> {
        with_levels!(&self.levels, levels => levels.ticket(), None)
    }

    /// Enters what a walk after the last look-up found: the leaf's size, where the page is, and what it allows. The leaf's
    /// A bit must be set.
    pub fn insert(
        &mut self,
        vaddr: u64,
        fetch: bool,
        size: u32,
        physical: u64,
        rights: Rights,
        ticket: Option<Ticket>,
    ) {
        let asker = self.asker;
        let entry = Entry::new(vaddr, size, physical, rights, asker.view);
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Recorded::Page {
                vaddr,
                fetch,
                satp: asker.satp,
                size,
                rights,
            });
        }
        let evicted =
            with_levels!(&mut self.levels, levels => levels.insert(vaddr, fetch, entry, asker, ticket), None);
        self.note_evicted(evicted);
    }

    fn note_evicted(&mut self, evicted: Option<Entry>) {
        self.stats.prefetches_useless += u64::from(evicted.is_some_and(Entry::is_ahead));
    }

    /// What is worth looking up ahead, after the last look-up.
    #[inline]
    pub fn take_ahead(&mut self) -> Option<Ahead> {
        self.ahead.take()
    }

    /// Whether a page that is worth looking up ahead is not there yet: what to enter it with.
    pub fn wants(&mut self, vaddr: u64) -> Option<Option<Ticket>> {
        let asker = self.asker;
        let has = with_levels!(&mut self.levels, levels => levels.has(vaddr, asker), true);
        (!has).then(|| self.ticket())
    }

    /// Enters a page that nobody asked for yet; as [`Self::insert`].
    pub fn insert_ahead(
        &mut self,
        vaddr: u64,
        size: u32,
        physical: u64,
        rights: Rights,
        ticket: Option<Ticket>,
    ) {
        self.stats.prefetches += 1;
        let asker = self.asker;
        let entry = Entry::new(vaddr, size, physical, rights, asker.view).ahead();
        let evicted =
            with_levels!(&mut self.levels, levels => levels.insert_second(vaddr, entry, asker, ticket), None);
        self.note_evicted(evicted);
    }

    /// Where a walk to `vaddr`, in the space of the last look-up, may start instead of at the root of `levels` levels.
    pub fn start_of_walk(&mut self, vaddr: u64, levels: u32) -> Option<Table> {
        let found = self
            .walk_cache
            .as_ref()?
            .find(vaddr, self.asker.view.local, levels)?;
        self.stats.walk_cache_hits += 1;
        Some(found)
    }

    /// Notes a table that a walk to `vaddr` came to.
    pub fn note_table(&mut self, vaddr: u64, table: Table) {
        if let Some(cache) = &mut self.walk_cache {
            cache.note(vaddr, self.asker.view.local, table);
        }
    }

    /// Forgets what a fence says.
    pub fn fence(&mut self, fence: Fence) {
        match fence {
            Fence::All => self.stats.flushes_all += 1,
            Fence::Asid(_) => self.stats.flushes_asid += 1,
            Fence::Range { pages: 1, .. } => self.stats.flushes_page += 1,
            Fence::Range { .. } => self.stats.flushes_range += 1,
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Recorded::Fence(fence));
        }
        if matches!(self.levels, Levels::None) {
            return;
        }
        match fence {
            Fence::All => {
                if self.spaces.forget_all().is_err() {
                    self.empty();
                }
                with_levels!(&self.levels, levels => levels.flush_shared(None), ());
                self.asker.satp = NOWHERE;
            }
            Fence::Asid(asid) => {
                self.spaces.forget(asid);
                with_levels!(&self.levels, levels => levels.flush_shared(Some(asid)), ());
                self.asker.satp = NOWHERE;
            }
            Fence::Range { start, pages, asid } => {
                for page in 0..pages {
                    self.forget_address(start.wrapping_add(page * PAGE_SIZE), asid);
                }
            }
        }
    }

    fn forget_address(&mut self, vaddr: u64, asid: Option<u16>) {
        let space = asid.map(|asid| (self.spaces.number(asid), asid));
        with_levels!(&mut self.levels, levels => match space {
            None => levels.flush_address(vaddr, None),
            Some((Some(number), asid)) => levels.flush_address(vaddr, Some((number, asid))),
            Some((None, asid)) => levels.flush_shared_address(vaddr, asid),
        }, ());
        if let Some(cache) = &mut self.walk_cache {
            cache.flush_address(vaddr);
        }
    }

    /// Begins to record, or goes on, or stops; returns what was recorded. With nothing below the fast table that is all
    /// that it does not answer.
    pub fn record(&mut self, on: bool) -> Vec<Recorded> {
        let recorded = self.recorded.take().unwrap_or_default();
        self.recorded = on.then(Vec::new);
        recorded
    }

    /// What was counted.
    pub fn stats(&self) -> TlbStats {
        self.stats
    }

    /// Counts a fence that another hart sent as a message.
    pub fn count_message(&mut self) {
        self.stats.messages += 1;
    }
}

/// The ASID in `satp` (privileged specification, section 11.1.11).
pub fn asid_of(satp: u64) -> u16 {
    (satp >> 44) as u16
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
