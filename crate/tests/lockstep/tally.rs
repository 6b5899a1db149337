//! What came of the guests that were run, and whether that is enough to say anything.

use std::fmt;

use crate::guest::Guest;
use crate::minimise::minimise;
use crate::trial::{Outcome, Trial};

/// Counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Guests with one hart, and those of them that came to their end.
    single: u64,
    ended: u64,
    /// Guests with several harts, and those of them that came to their end.
    several: u64,
    several_ended: u64,
    regions: u64,
    /// Instructions, and those of them that compiled code ran.
    instructions: u64,
    compiled: u64,
    /// Collections, regions freed and moved by them, and regions whose source was found to be what it was.
    collections: u64,
    freed: u64,
    moved: u64,
    revived: u64,
}

impl Tally {
    /// Guests run.
    pub fn guests(&self) -> u64 {
        self.single + self.several
    }

    /// Whether a collector found source to be what it was.
    pub fn has_revived(&self) -> bool {
        self.revived > 0
    }

    /// Runs the guest of a seed; panics with the smallest that still differs if it does.
    pub fn run(&mut self, seed: u64) {
        let guest = Guest::random(seed);
        let trial = Trial::random(seed);
        let harts = guest.harts();
        let (ends, stats) = match trial.run(&guest) {
            Outcome::Agrees { ends, stats } => (ends, stats),
            Outcome::Differs(difference) => {
                let (smallest, difference) = minimise(guest, &trial, difference);
                panic!("seed {seed}, {trial:?}:\n{difference}\n{smallest}");
            }
        };
        let (guests, ended) = match harts {
            1 => (&mut self.single, &mut self.ended),
            _ => (&mut self.several, &mut self.several_ended),
        };
        *guests += 1;
        *ended += u64::from(ends);
        let jit = stats.jit.expect("the tested machine has a compiler");
        self.regions += jit.quick_regions + jit.hot_regions;
        self.instructions += stats.instructions;
        self.compiled += jit.instructions;
        self.collections += jit.gc.minor + jit.gc.major;
        self.freed += jit.gc.freed;
        self.moved += jit.gc.moved;
        self.revived += jit.gc.revived;
    }

    /// Panics unless enough was compiled and run to the end.
    pub fn check(&self) {
        // Some count loops in loops for longer than anybody waits, and of several harts the slowest counts.
        assert!(self.ended * 2 >= self.single, "too few came to their end: {self}");
        assert!(
            self.several_ended > 0,
            "none with several harts came to its end: {self}"
        );
        assert!(
            self.regions > self.guests(),
            "too few regions were compiled: {self}"
        );
        assert!(
            self.compiled * 4 > self.instructions,
            "compiled code ran too little: {self}"
        );
        assert!(
            self.collections > 0 && self.freed > 0 && self.has_revived(),
            "too little was collected: {self}"
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} guests with one hart, {} of them to the end, {} with several, {} of them to the end, {} regions, {} \
             instructions, {} of them in compiled code, {} collections, {} regions freed, {} moved, {} revived",
            self.single,
            self.ended,
            self.several,
            self.several_ended,
            self.regions,
            self.instructions,
            self.compiled,
            self.collections,
            self.freed,
            self.moved,
            self.revived
        )
    }
}
