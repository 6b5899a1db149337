//! Passes: what is done to a region to make better code of it.
//!
//! Each pass is a file and can be left out alone ([`PassSet`]), to measure what it is worth; `docs/jit.md` has the table.
//! [`shape`] changes the graph of blocks and the points, so whoever forms a region calls it before anybody keeps the
//! points; [`optimise`] changes neither, and is what a back end calls, on whatever thread it compiles.
//!
//! Most of the work is one walk over each block ([`walk`]), in which the passes that rewrite instructions take turns at
//! each; then one walk backwards removes what nobody needs.

mod dead_writes;
mod fold;
mod forward;
mod known_bits;
mod locals;
mod straighten;
mod walk;
mod windows;

#[cfg(test)]
mod tests;

pub use locals::slot_uses;

use std::fmt;

use super::{Block, Region, Terminator};

/// How much effort is worth while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Code that is compiled as soon as possible.
    Quick,
    /// Code that runs often.
    Hot,
}

/// A pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Pass {
    /// Merges blocks that follow each other, and threads jumps.
    Straighten,
    /// Values instead of reads of slots, and of the same computation again.
    Forward,
    /// Constants and algebraic identities.
    Fold,
    /// Extensions and masks that change nothing.
    KnownBits,
    /// Writes of slots that nothing sees, and values that nothing uses.
    DeadWrites,
    /// Extensions and masks that only change bits that nothing looks at; it goes with the pass before.
    Demand,
    /// One check of the fast table for several accesses.
    Windows,
    /// The choice of the slots that are kept in locals.
    Locals,
}

/// Every pass, by name.
pub const PASSES: [(Pass, &str); 8] = [
    (Pass::Straighten, "straighten"),
    (Pass::Forward, "forward"),
    (Pass::Fold, "fold"),
    (Pass::KnownBits, "known-bits"),
    (Pass::DeadWrites, "dead-writes"),
    (Pass::Demand, "demand"),
    (Pass::Windows, "windows"),
    (Pass::Locals, "locals"),
];

/// A set of passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PassSet(u8);

/// A name that is no pass's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no pass `{0}`; there are all, none, {names}", names = PASSES.map(|(_, name)| name).join(", "))]
pub struct UnknownPass(String);

impl PassSet {
    /// Every pass.
    pub const ALL: PassSet = PassSet(u8::MAX >> (8 - PASSES.len()));
    /// No pass.
    pub const NONE: PassSet = PassSet(0);

    /// Whether `pass` is in it.
    pub fn contains(self, pass: Pass) -> bool {
        self.0 >> pass as u8 & 1 != 0
    }

    /// With `pass`.
    #[must_use]
    pub fn with(self, pass: Pass) -> Self {
        PassSet(self.0 | 1 << pass as u8)
    }

    /// Without `pass`.
    #[must_use]
    pub fn without(self, pass: Pass) -> Self {
        PassSet(self.0 & !(1 << pass as u8))
    }

    /// Reads a list with commas, such as `all,-windows` or `forward,fold`: each name adds, each with a minus before it takes
    /// away; one that starts with a minus starts with all.
    pub fn parse(text: &str) -> Result<Self, UnknownPass> {
        let mut set = if text.starts_with('-') {
            Self::ALL
        } else {
            Self::NONE
        };
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (adds, name) = match item.strip_prefix('-') {
                Some(name) => (false, name),
                None => (true, item),
            };
            let passes = match name {
                "all" => Self::ALL.0,
                "none" => 0,
                _ => PASSES
                    .iter()
                    .find_map(|&(pass, known)| (known == name).then_some(1 << pass as u8))
                    .ok_or_else(|| UnknownPass(name.to_owned()))?,
            };
            set.0 = if adds { set.0 | passes } else { set.0 & !passes };
        }
        Ok(set)
    }
}

impl Default for PassSet {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for PassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = PASSES
            .iter()
            .filter_map(|&(pass, name)| self.contains(pass).then_some(name))
            .collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// Puts the blocks of a region in shape. Block and point numbers change; entries stay in their order.
pub fn shape(region: &mut Region, passes: PassSet) {
    if !passes.contains(Pass::Straighten) {
        return;
    }
    let mut joined = straighten::run(region);
    let folds = passes.contains(Pass::Forward) && passes.contains(Pass::Fold);
    // Where a call and the return to it are in one block now, the return's address is known: then more is straight.
    for _ in 0..MOST_ROUNDS {
        if !joined || !folds {
            break;
        }
        let before = branches(region);
        walk::run(
            region,
            Level::Quick,
            PassSet::NONE.with(Pass::Forward).with(Pass::Fold),
        );
        joined = branches(region) < before && straighten::run(region);
    }
}

/// Calls within calls that are made straight.
const MOST_ROUNDS: usize = 4;

fn branches(region: &Region) -> usize {
    let branches = |block: &&Block| matches!(block.end, Terminator::Branch { .. } | Terminator::ExitTo(_));
    region.blocks.iter().filter(branches).count()
}

/// Makes a region better; blocks, points and entries keep their numbers.
pub fn optimise(region: &mut Region, level: Level, passes: PassSet) {
    let passes = match level {
        // Lifting knows most of it already: what is left is not worth the time.
        Level::Quick => passes.without(Pass::KnownBits),
        Level::Hot => passes,
    };
    let rewrites = [Pass::Forward, Pass::Fold, Pass::KnownBits];
    if rewrites.into_iter().any(|pass| passes.contains(pass)) {
        walk::run(region, level, passes);
    }
    if passes.contains(Pass::Windows) {
        windows::run(region, level);
    }
    if passes.contains(Pass::DeadWrites) {
        dead_writes::run(region, passes.contains(Pass::Demand));
    }
    if passes.contains(Pass::Locals) {
        locals::run(region, level);
    }
}
