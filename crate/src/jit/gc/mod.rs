//! The collector of translations: which compiled code is kept, and which is given back.
//!
//! It serves every back end. What it sees of a translation is a number, a size, and what happens to it:
//!
//! * it is *born* when its code is ready, and belongs to the *young*;
//! * it is *used* whenever a hart's branch-target cache is told of it: compiled code is found by those caches alone, so a
//!   translation that is in none of them cannot be running, nor be jumped to. They are the only roots: regions hold no
//!   addresses of each other, and what a call returns to is found by them too;
//! * it falls *asleep* when a page that holds its source, its *card*, is written. No hart runs it from then on. If
//!   its source turns out to be what it was, it is *revived*, where others would compile it again;
//! * it is *done* when another has taken its place.
//!
//! Time is counted in *epochs*. A new one begins with each collection, and all branch-target caches are emptied then: so
//! what is not used within an epoch is known, at no cost for code that runs, and what was not used since the last one began
//! is in no cache and can be freed at once.
//!
//! [`Generational`] looks at the young often and at all rarely; [`Simple`] gives back everything when there is too much;
//! [`Off`] gives back nothing, ever. Collections are done in steps of bounded work between turns of the harts.

mod generational;
mod simple;
mod sleepers;
mod stats;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use generational::Generational;
pub use simple::{Off, Simple};
pub use stats::{GcStats, Pauses};

/// How translations are collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By generation and heat, in small steps.
    #[default]
    Generational,
    /// Everything, when there is too much.
    Simple,
    /// Never: to see what collecting is worth.
    Off,
}

/// A word that is no [`Mode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to collect code: generational, simple or off")]
pub struct UnknownMode(String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, UnknownMode> {
        Ok(match word {
            "generational" => Mode::Generational,
            "simple" => Mode::Simple,
            "off" => Mode::Off,
            other => return Err(UnknownMode(other.into())),
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Generational => "generational",
            Mode::Simple => "simple",
            Mode::Off => "off",
        })
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of translations beyond which a major collection begins.
    pub bytes: usize,
    /// Bytes born between two minor collections.
    pub nursery: usize,
    /// Bytes of translations that sleep, beyond which those that have slept longest are freed. Of those that were young when
    /// they fell asleep it may be less: as few of them wake.
    pub asleep: usize,
}

impl Budget {
    /// The least there may be: a few of the largest regions.
    pub const LEAST: usize = 64 << 10;

    /// Shares of so many bytes, at least [`Self::LEAST`].
    pub fn of(bytes: usize) -> Self {
        let bytes = bytes.max(Self::LEAST);
        Budget {
            bytes,
            nursery: bytes / 8,
            asleep: bytes / 4,
        }
    }
}

/// What is to become of a translation that is not to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, since it may be revived.
    Keep,
    /// It is freed.
    Free,
    /// It is forgotten, and its code stays.
    Leak,
}

/// What a step did, above all: it tells what a long pause was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Nothing.
    #[default]
    None,
    /// Translations were looked at.
    Look,
    /// Some were freed.
    Free,
    /// Branch-target caches were emptied, since a collection began or found something cold in them.
    Flush,
    /// Code to be moved was chosen.
    Choose,
    /// Code was copied.
    Copy,
    /// A module was made of it.
    Make,
    /// Functions took their places in it.
    Place,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::None => "none",
            Work::Look => "look",
            Work::Free => "free",
            Work::Flush => "flush",
            Work::Choose => "choose",
            Work::Copy => "copy",
            Work::Make => "make",
            Work::Place => "place",
        })
    }
}

/// What a step of a collection asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Work was done.
    pub worked: bool,
    /// Branch-target caches must be emptied before a hart runs: an epoch has begun, or something was freed that they may
    /// know.
    pub flush: bool,
}

/// Work of a step: translations looked at.
pub const STEP: usize = 256;
/// Translations that a step frees at most, which costs more than to look at them.
pub const STEP_FREES: usize = 64;

/// Decides what is kept. Numbers are given to translations by who calls; one that is freed is forgotten.
pub trait Collector: fmt::Debug + Send {
    /// Which one it is.
    fn mode(&self) -> Mode;
    /// Translation `number`, of so many bytes, is ready. It counts as used.
    fn born(&mut self, number: u32, bytes: usize);
    /// A hart's branch-target cache is told of it.
    fn used(&mut self, number: u32);
    /// Its source was written; it was taken from all branch-target caches.
    fn written(&mut self, number: u32) -> Fate;
    /// Its source is what it was: it can be run again.
    fn revived(&mut self, number: u32);
    /// Nobody will look for it any more; it was taken from all branch-target caches.
    fn done(&mut self, number: u32) -> Fate;
    /// There was no room for code: the next steps must make some.
    fn press(&mut self);
    /// Whether there is something to do. Asked before each turn of a hart.
    fn is_due(&self) -> bool;
    /// Does some work if there is some to do, and adds to `free` what is to be freed; with [`Step::flush`] first.
    fn step(&mut self, free: &mut Vec<u32>) -> Step;
    /// Fills in what it knows.
    fn tell(&self, stats: &mut GcStats);
}

/// The collector of this mode.
pub fn collector(mode: Mode, budget: Budget) -> Box<dyn Collector> {
    match mode {
        Mode::Generational => Box::new(Generational::new(budget)),
        Mode::Simple => Box::new(Simple::new(budget)),
        Mode::Off => Box::new(Off::default()),
    }
}
