//! Which functions are in which module, and which modules hold mostly dead ones.
//!
//! Engines free a module only when none of its functions is in the table any more, and each takes tens of kilobytes beside its
//! code. Where most of a module is dead, or it never had many functions, those alive are moved into a new one with others:
//! their bodies are kept for that.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::module::Body;

/// Bytes of dead code that are not worth moving anything.
const LITTLE: usize = 256 << 10;
/// Bytes that a module takes beside its functions' code; V8 was seen to use some more.
const OVERHEAD: usize = 24 << 10;
/// Modules that are left alone since they were made last: most of what they hold may die yet.
const YOUNG: u64 = 256;

/// Shares are told apart by so many parts of the whole: the order of sparse modules need not be exact, and to keep it costs
/// something whenever a module's share changes.
const PARTS: usize = 32;
/// What share a sparse module has less than.
const HALF: usize = PARTS / 2;

/// A module's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(u64);

#[derive(Debug, Default)]
struct Held {
    /// Of all its functions, dead or alive.
    bytes: usize,
    live_bytes: usize,
    /// Places of the functions that live.
    places: Vec<u32>,
    /// The share with which it is among the sparse, if it is.
    listed: Option<usize>,
}

impl Held {
    /// How much of what the module takes is alive, in [`PARTS`].
    fn share(&self) -> usize {
        self.live_bytes * PARTS / (self.bytes + OVERHEAD)
    }
}

#[derive(Debug)]
struct Function {
    module: ModuleId,
    body: Body,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Ledger {
    modules: FxHashMap<ModuleId, Held>,
    /// Those that are sparse and not young, by the share of them that lives: the emptiest come first. Kept in order, since looking
    /// through all modules was seen to take three milliseconds.
    sparse: BTreeSet<(usize, ModuleId)>,
    /// By place in the table.
    functions: FxHashMap<u32, Function>,
    last: u64,
    bytes: usize,
    live_bytes: usize,
    /// Functions that have come or gone, and at how many to look for sparse modules again.
    changes: u64,
    look_at: u64,
    /// Bytes of modules that nothing refers to any more.
    returned_bytes: u64,
    moved: u64,
}

impl Ledger {
    /// A new module with these functions at these places.
    pub fn add(&mut self, functions: impl IntoIterator<Item = (u32, Body)>) {
        let module = self.next();
        for (place, body) in functions {
            self.enter(module, place, body.bytes());
            self.functions.insert(place, Function { module, body });
        }
    }

    fn next(&mut self) -> ModuleId {
        self.last += 1;
        // Another one is no longer young.
        if let Some(settled) = self.last.checked_sub(YOUNG) {
            self.change(ModuleId(settled), |_| ());
        }
        ModuleId(self.last)
    }

    /// Changes what is known of a module, and its place among the sparse. Its bytes that live, if there is one.
    fn change(&mut self, module: ModuleId, change: impl FnOnce(&mut Held)) -> Option<usize> {
        let held = self.modules.get_mut(&module)?;
        let before = held.listed;
        change(held);
        let sparse = module.0 + YOUNG <= self.last && held.live_bytes > 0;
        held.listed = Some(held.share()).filter(|share| sparse && *share < HALF);
        if held.listed != before {
            before.map(|share| self.sparse.remove(&(share, module)));
            held.listed.map(|share| self.sparse.insert((share, module)));
        }
        Some(held.live_bytes)
    }

    /// A function of so many bytes is in a module now.
    fn enter(&mut self, module: ModuleId, place: u32, bytes: usize) {
        self.changes += 1;
        self.bytes += bytes;
        self.live_bytes += bytes;
        self.modules.entry(module).or_default();
        self.change(module, |held| {
            held.bytes += bytes;
            held.live_bytes += bytes;
            held.places.push(place);
        });
    }

    /// One of so many bytes is no longer in a module.
    fn leave(&mut self, module: ModuleId, place: u32, bytes: usize) {
        self.changes += 1;
        self.live_bytes -= bytes;
        let left = self.change(module, |held| {
            held.live_bytes -= bytes;
            if let Some(at) = held.places.iter().position(|&other| other == place) {
                held.places.swap_remove(at);
            }
        });
        if left == Some(0)
            && let Some(held) = self.modules.remove(&module)
        {
            self.bytes -= held.bytes;
            self.returned_bytes += held.bytes as u64;
        }
    }

    /// The function at a place is no longer in the table.
    pub fn remove(&mut self, place: u32) -> Option<Body> {
        let Function { module, body } = self.functions.remove(&place)?;
        self.leave(module, place, body.bytes());
        Some(body)
    }

    /// Whether it is worth a look what should be moved, `count` functions at a time.
    pub fn may_be_sparse(&self, count: usize) -> bool {
        let few = (YOUNG + YOUNG / 2) as usize + 2 * self.functions.len() / count;
        let much = self.modules.len() > few || self.bytes >= 2 * self.live_bytes + LITTLE;
        much && self.changes >= self.look_at
    }

    /// Functions that should be moved into one module, `count` or `bytes` of them at most, each with the module that it is in:
    /// those of modules of which the smallest part lives, the young left out. None while little is to be had.
    pub fn sparse(&mut self, count: usize, bytes: usize) -> Vec<(u32, ModuleId)> {
        if !self.may_be_sparse(count) {
            return Vec::new();
        }
        let mut chosen = Vec::new();
        let (mut before, mut after) = (0, OVERHEAD);
        for &(_, module) in &self.sparse {
            let held = &self.modules[&module];
            if chosen.len() + held.places.len() > count || after - OVERHEAD + held.live_bytes > bytes {
                break;
            }
            before += held.bytes + OVERHEAD;
            after += held.live_bytes;
            chosen.extend(held.places.iter().map(|&place| (place, module)));
        }
        if after * 2 > before {
            // Not again until something has changed.
            self.look_at = self.changes + 2 * count as u64;
            return Vec::new();
        }
        chosen
    }

    /// Whether the function at a place is still that of a module.
    pub fn is_in(&self, place: u32, module: ModuleId) -> bool {
        self.functions
            .get(&place)
            .is_some_and(|known| known.module == module)
    }

    /// The body of the function at a place.
    pub fn body(&self, place: u32) -> Option<&Body> {
        self.functions.get(&place).map(|known| &known.body)
    }

    /// The functions at these places are those of a new module now, or of one that others have been moved to.
    pub fn moved(&mut self, places: &[u32], module: Option<ModuleId>) -> ModuleId {
        let module = module.unwrap_or_else(|| self.next());
        for &place in places {
            let Some(function) = self.functions.get_mut(&place) else {
                continue;
            };
            let old = std::mem::replace(&mut function.module, module);
            let bytes = function.body.bytes();
            self.leave(old, place, bytes);
            self.enter(module, place, bytes);
            self.moved += 1;
        }
        module
    }

    /// Bytes of functions that live.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// Modules that have a function that lives.
    pub fn modules(&self) -> usize {
        self.modules.len()
    }

    /// Functions moved so far, and bytes of modules that nothing refers to any more.
    pub fn compaction(&self) -> (u64, u64) {
        (self.moved, self.returned_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Body {
        Body::of_bytes(bytes)
    }

    #[test]
    fn a_module_goes_with_its_last_function() {
        let mut ledger = Ledger::default();
        ledger.add([(1, body(100)), (2, body(50))]);
        assert!(ledger.remove(1).is_some());
        assert!(ledger.remove(1).is_none());
        assert_eq!((ledger.modules(), ledger.live_bytes()), (1, 50));
        ledger.remove(2);
        assert_eq!((ledger.modules(), ledger.live_bytes()), (0, 0));
        assert_eq!(ledger.compaction(), (0, 150));
    }

    /// Moves what is to be moved, until that is nothing.
    fn settle(ledger: &mut Ledger) {
        for _ in 0..1000 {
            let chosen = ledger.sparse(64, 96 << 10);
            if chosen.is_empty() {
                return;
            }
            assert!(chosen.len() <= 64);
            let places: Vec<u32> = chosen.iter().map(|chosen| chosen.0).collect();
            let (first, rest) = places.split_at(places.len() / 2);
            let module = ledger.moved(first, None);
            ledger.moved(rest, Some(module));
        }
        panic!("it does not end");
    }

    #[test]
    fn the_living_of_mostly_dead_modules_are_moved_together() {
        let mut ledger = Ledger::default();
        for module in 0..2000 {
            ledger.add((0..20).map(|at| (module * 20 + at, body(1000))));
        }
        // One in twenty lives, but for one module of which all do.
        for place in (20..40_000).filter(|place| place % 20 != 7) {
            ledger.remove(place);
        }
        let chosen = ledger.sparse(64, 40_000);
        assert_eq!(chosen.len(), 40);
        assert_eq!(ledger.body(chosen[0].0).map(Body::bytes), Some(1000));
        assert!(
            chosen
                .iter()
                .all(|&(place, module)| place >= 20 && ledger.is_in(place, module))
        );
        // Meanwhile one dies, and its place is taken by another.
        let (gone, old) = chosen[0];
        ledger.remove(gone);
        ledger.add([(gone, body(10))]);
        let places = chosen
            .iter()
            .filter(|&&(place, module)| ledger.is_in(place, module));
        let places: Vec<u32> = places.map(|chosen| chosen.0).collect();
        assert_eq!(places.len(), 39);
        let before = ledger.modules();
        ledger.moved(&places, None);
        assert_eq!(ledger.modules(), before - 39 + 1);
        assert!(!ledger.is_in(gone, old));
        assert_eq!(ledger.compaction().0, 39);
        settle(&mut ledger);
        assert!(ledger.modules() < 900, "{}", ledger.modules());
        assert_eq!(ledger.live_bytes(), 20_000 + 1998 * 1000 + 10);
    }

    #[test]
    fn the_sparse_are_those_that_a_look_at_all_would_find() {
        let mut ledger = Ledger::default();
        let mut state = 1_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = state >> 20;
            ledger.remove(place);
            match state >> 8 & 3 {
                0 => {}
                1 => _ = ledger.moved(&[place ^ 1, place ^ 2], None),
                _ => ledger.add([(place, body(1 + (state >> 10 & 0xffff) as usize))]),
            }
        }
        let found = ledger.modules.iter().filter(|&(module, held)| {
            module.0 + YOUNG <= ledger.last && 2 * held.live_bytes < held.bytes + OVERHEAD
        });
        let found: BTreeSet<_> = found.map(|(&module, held)| (held.share(), module)).collect();
        assert!(found.len() > 100, "{}", found.len());
        assert_eq!(ledger.sparse, found);
        let mut by_module: FxHashMap<ModuleId, Vec<u32>> = FxHashMap::default();
        for (&place, function) in &ledger.functions {
            by_module.entry(function.module).or_default().push(place);
        }
        assert_eq!(by_module.len(), ledger.modules());
        for (module, mut places) in by_module {
            let mut known = ledger.modules[&module].places.clone();
            known.sort_unstable();
            places.sort_unstable();
            assert_eq!(known, places, "{module:?}");
        }
    }

    #[test]
    fn small_modules_are_put_together_once_they_are_not_young() {
        let mut ledger = Ledger::default();
        for place in 0..5000 {
            ledger.add([(place, body(200))]);
        }
        settle(&mut ledger);
        assert!(ledger.modules() < 1000, "{}", ledger.modules());
        assert_eq!(ledger.live_bytes(), 5000 * 200);
    }
}
