//! What is compiled when, and how large.

use std::num::{NonZeroU16, NonZeroU32};

use crate::jit::Tier;
use crate::jit::region::Limits;

/// The thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Jumps to an address before a region is formed there.
    pub quick_arrivals: u16,
    /// Jumps to an address whose region is not ready before looking again.
    pub retry_arrivals: u16,
    /// Turns that end in a region before it is compiled anew with every optimisation; it never is if this is `None`.
    pub hot_ticks: Option<u32>,
    /// Instructions between two looks at where branches and indirect jumps go; 0 for no looks at all.
    pub look_every: u64,
    /// Regions that may wait for the back end.
    pub most_pending: usize,
}

impl Policy {
    /// For code that is there as soon as it is asked for: a region costs about as much as interpreting it a hundred times.
    /// Regions are worth forming anew only where they run for seconds.
    pub const IMMEDIATE: Policy = Policy {
        quick_arrivals: 100,
        retry_arrivals: 100,
        hot_ticks: Some(8_000),
        look_every: 2_000_000,
        most_pending: 200,
    };
    /// For Cranelift: a region costs about a millisecond, as much as interpreting half a million instructions. It must promise
    /// to run for long.
    pub const BACKGROUND: Policy = Policy {
        quick_arrivals: 20_000,
        retry_arrivals: 2_000,
        hot_ticks: Some(40),
        ..Policy::IMMEDIATE
    };
    /// In the page regions cost a tenth of that, and interpreting costs twice as much. The browser makes better code of what
    /// runs long by itself, and would have to begin anew with other regions.
    pub const PAGE: Policy = Policy {
        quick_arrivals: 10_000,
        retry_arrivals: 1_000,
        look_every: 1_000_000,
        ..Policy::IMMEDIATE
    };

    /// The one for this host; its back end may be [immediate](crate::jit::Backend::is_immediate).
    pub fn usual(immediate: bool) -> Self {
        match immediate {
            true => Self::IMMEDIATE,
            false if cfg!(target_arch = "wasm32") => Self::PAGE,
            false => Self::BACKGROUND,
        }
    }

    /// How large a region of `tier` may become.
    pub fn limits(&self, tier: Tier) -> Limits {
        match tier {
            Tier::Quick => Limits::QUICK,
            Tier::Hot => Limits::HOT,
        }
    }
}

/// What somebody wants to be otherwise than in the [`Policy`] that is usual on this host; to measure, and to test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierConfig {
    /// Instead of [`Policy::quick_arrivals`].
    pub quick_arrivals: Option<u16>,
    /// Instead of [`Policy::retry_arrivals`].
    pub retry_arrivals: Option<u16>,
    /// Instead of [`Policy::hot_ticks`].
    pub hot_ticks: Option<Option<u32>>,
    /// Instead of [`Policy::look_every`].
    pub look_every: Option<u64>,
}

/// A word that says nothing about the tiers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} says nothing about the tiers; words, separated by commas, are: quick=ARRIVALS, retry=ARRIVALS (1 to 65535), hot=TURNS \
     (from 1), no-hot, look=INSTRUCTIONS (0 for never)"
)]
pub struct BadTierWord(String);

/// Takes what was read, if it could be.
fn set<T, E>(place: &mut Option<T>, read: Result<T, E>) -> bool {
    read.map(|value| *place = Some(value)).is_ok()
}

impl TierConfig {
    /// What these words say: `quick=ARRIVALS`, `retry=ARRIVALS`, `hot=TURNS` or `no-hot`, `look=INSTRUCTIONS`; later ones win.
    pub fn parse(words: &str) -> Result<Self, BadTierWord> {
        let mut config = TierConfig::default();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let known = match word.split_once('=') {
                Some(("quick", count)) => set(&mut config.quick_arrivals, count.parse().map(NonZeroU16::get)),
                Some(("retry", count)) => set(&mut config.retry_arrivals, count.parse().map(NonZeroU16::get)),
                Some(("hot", count)) => set(
                    &mut config.hot_ticks,
                    count.parse().map(|count: NonZeroU32| Some(count.get())),
                ),
                Some(("look", count)) => set(&mut config.look_every, count.parse()),
                None if word == "no-hot" => {
                    config.hot_ticks = Some(None);
                    true
                }
                _ => false,
            };
            if !known {
                return Err(BadTierWord(word.chars().take(40).collect()));
            }
        }
        Ok(config)
    }

    /// That policy, with what is said here.
    pub fn apply(self, usual: Policy) -> Policy {
        Policy {
            quick_arrivals: self.quick_arrivals.unwrap_or(usual.quick_arrivals),
            retry_arrivals: self.retry_arrivals.unwrap_or(usual.retry_arrivals),
            hot_ticks: self.hot_ticks.unwrap_or(usual.hot_ticks),
            look_every: self.look_every.unwrap_or(usual.look_every),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_compiled_when() {
        let of = |words| TierConfig::parse(words).unwrap().apply(Policy::IMMEDIATE);
        assert_eq!(of(""), Policy::IMMEDIATE);
        let all = of("quick=7, retry=8,hot=9,look=0");
        assert_eq!(
            all,
            Policy {
                quick_arrivals: 7,
                retry_arrivals: 8,
                hot_ticks: Some(9),
                look_every: 0,
                ..Policy::IMMEDIATE
            }
        );
        assert_eq!(of("hot=9,no-hot").hot_ticks, None);
        for bad in [
            "quick",
            "quick=0",
            "quick=65536",
            "retry=-1",
            "hot=0",
            "hot=4294967296",
            "look=",
            "no-quick",
        ] {
            let error = TierConfig::parse(bad).unwrap_err().to_string();
            assert!(error.contains(bad) && error.contains("no-hot"), "{error}");
        }
    }
}
