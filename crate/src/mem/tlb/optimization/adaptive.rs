//! Fits policy, ways and prefetching to the guest, by trying.
//!
//! Look-ups are counted in windows. While most hit, nothing is done. Otherwise one thing is changed every few windows: the
//! first window after it is not counted, since a new policy starts with empty levels, the next decides. What does not
//! make the hit rate clearly better is taken back.

use crate::mem::tlb::config::{MAX_PREFETCH, PolicyKind, TlbConfig};

/// Look-ups in a window.
const WINDOW: u32 = 4096;
/// Windows between two trials.
const PAUSE: u32 = 8;
/// Misses in a window below which nothing is tried: two in a hundred.
const GOOD: u32 = WINDOW / 50;
/// Misses that a change must save to be kept: one in a hundred.
const GAIN: u32 = WINDOW / 100;

/// A change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Another policy, with empty levels.
    Policy(PolicyKind),
    /// New entries go to so many quarters of the ways.
    Ways(usize),
    /// Look so many pages ahead.
    Prefetch(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Windows to go until something is tried.
    Pausing(u32),
    /// In the first window of a trial.
    Settling { undo: Advice, misses: u32 },
    /// In the window that decides.
    Deciding { undo: Advice, misses: u32 },
}

/// What is in force, what was tried, and the count of a window.
#[derive(Debug)]
pub struct Adaptive {
    policy: PolicyKind,
    quarters: usize,
    depth: u8,
    phase: Phase,
    /// Trials so far: which thing to change next.
    trials: usize,
    look_ups: u32,
    misses: u32,
}

impl Adaptive {
    /// Starting from `config`.
    pub fn new(config: TlbConfig) -> Self {
        Adaptive {
            policy: config.policy,
            quarters: 4,
            depth: config.prefetch,
            phase: Phase::Pausing(PAUSE),
            trials: 0,
            look_ups: 0,
            misses: 0,
        }
    }

    /// Counts a look-up: what to change now, if anything.
    #[inline]
    pub fn count(&mut self, hit: bool) -> Option<Advice> {
        self.look_ups += 1;
        self.misses += u32::from(!hit);
        if self.look_ups < WINDOW {
            return None;
        }
        self.look_ups = 0;
        let misses = std::mem::take(&mut self.misses);
        self.end_window(misses)
    }

    fn end_window(&mut self, misses: u32) -> Option<Advice> {
        match self.phase {
            Phase::Pausing(0) if misses > GOOD => {
                let undo = self.vary()?;
                self.phase = Phase::Settling { undo: undo.0, misses };
                Some(undo.1)
            }
            Phase::Pausing(left) => {
                self.phase = Phase::Pausing(left.saturating_sub(1));
                None
            }
            Phase::Settling { undo, misses } => {
                self.phase = Phase::Deciding { undo, misses };
                None
            }
            Phase::Deciding { undo, misses: before } => {
                self.phase = Phase::Pausing(PAUSE);
                if misses + GAIN <= before {
                    return None;
                }
                self.apply(undo);
                Some(undo)
            }
        }
    }

    /// Changes the next thing: how to undo that, and what to do.
    fn vary(&mut self) -> Option<(Advice, Advice)> {
        let trial = self.trials;
        self.trials += 1;
        let (undo, change) = match trial % 3 {
            0 => {
                let at = PolicyKind::ALL.iter().position(|&policy| policy == self.policy)?;
                // Each of the others in turn.
                let next = (at + 1 + trial / 3 % (PolicyKind::ALL.len() - 1)) % PolicyKind::ALL.len();
                (Advice::Policy(self.policy), Advice::Policy(PolicyKind::ALL[next]))
            }
            1 => {
                let depth = if self.depth >= MAX_PREFETCH {
                    0
                } else {
                    (self.depth * 2).max(2)
                };
                (
                    Advice::Prefetch(self.depth),
                    Advice::Prefetch(depth.min(MAX_PREFETCH)),
                )
            }
            _ => {
                let quarters = if self.quarters == 4 { 2 } else { 4 };
                (Advice::Ways(self.quarters), Advice::Ways(quarters))
            }
        };
        self.apply(change);
        Some((undo, change))
    }

    fn apply(&mut self, advice: Advice) {
        match advice {
            Advice::Policy(policy) => {
                self.policy = policy;
                // New levels have all their ways open.
                self.quarters = 4;
            }
            Advice::Ways(quarters) => self.quarters = quarters,
            Advice::Prefetch(depth) => self.depth = depth,
        }
    }
}
