//! How translations are remembered, as users say it.

use std::fmt;

/// What is below the fast table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HierarchyKind {
    /// Nothing: the page table is walked.
    Fast,
    /// Each hart's own two levels; fences of other harts reach into them at once.
    #[default]
    Unified,
    /// The same, but fences of other harts come as messages, which a hart reads before it runs on.
    PerCpu,
    /// Each hart's own first level, and a second that all share; fences of other harts are messages.
    Concurrent,
}

/// What gives way in a level that is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names say it; `mem::replacement` has the rest")]
pub enum PolicyKind {
    #[default]
    Lru,
    Plru,
    Lfu,
    Fifo,
    Random,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lru, Self::Plru, Self::Lfu, Self::Fifo, Self::Random];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Plru => "plru",
            Self::Lfu => "lfu",
            Self::Fifo => "fifo",
            Self::Random => "random",
        }
    }
}

/// Most pages that are looked up ahead.
pub const MAX_PREFETCH: u8 = 16;

/// How translations are remembered. The default is what measurement chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlbConfig {
    /// What is below the fast table.
    pub hierarchy: HierarchyKind,
    /// What gives way.
    pub policy: PolicyKind,
    /// Pages that are looked up ahead of a stride, at most [`MAX_PREFETCH`]; 0 for none.
    pub prefetch: u8,
    /// Whether policy, ways and prefetching follow the hit rate.
    pub adaptive: bool,
    /// Whether walks start at the lowest table that is known.
    pub walk_cache: bool,
}

impl Default for TlbConfig {
    fn default() -> Self {
        TlbConfig {
            hierarchy: HierarchyKind::default(),
            policy: PolicyKind::default(),
            prefetch: 0,
            adaptive: false,
            walk_cache: true,
        }
    }
}

/// A word that says nothing about translations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" says nothing about the TLB: there are fast, unified, per-cpu, concurrent; lru, plru, lfu, fifo, random; \
     prefetch=N (0 to {MAX_PREFETCH}), adaptive, walk-cache, and no- before these three"
)]
pub struct TlbConfigError(pub String);

impl TlbConfig {
    /// Reads words separated by commas, each of which changes one thing of the default; later ones win. No words are the
    /// default. What users of the command line, the page and its interface say all comes here.
    pub fn parse(text: &str) -> Result<Self, TlbConfigError> {
        let mut config = TlbConfig::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            config.take(word)?;
        }
        Ok(config)
    }

    fn take(&mut self, word: &str) -> Result<(), TlbConfigError> {
        let error = || TlbConfigError(word.chars().take(40).collect());
        let policy = PolicyKind::ALL.into_iter().find(|policy| policy.word() == word);
        match word {
            "fast" => self.hierarchy = HierarchyKind::Fast,
            "unified" => self.hierarchy = HierarchyKind::Unified,
            "per-cpu" => self.hierarchy = HierarchyKind::PerCpu,
            "concurrent" => self.hierarchy = HierarchyKind::Concurrent,
            "adaptive" => self.adaptive = true,
            "no-adaptive" => self.adaptive = false,
            "walk-cache" => self.walk_cache = true,
            "no-walk-cache" => self.walk_cache = false,
            "no-prefetch" => self.prefetch = 0,
            _ => match (policy, word.strip_prefix("prefetch=")) {
                (Some(policy), _) => self.policy = policy,
                (None, Some(depth)) => {
                    let depth = depth.parse().ok().filter(|&depth| depth <= MAX_PREFETCH);
                    self.prefetch = depth.ok_or_else(error)?;
                }
                (None, None) => return Err(error()),
            },
        }
        Ok(())
    }
}

/// The words that [`TlbConfig::parse`] makes the same of.
impl fmt::Display for TlbConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hierarchy = match self.hierarchy {
            HierarchyKind::Fast => "fast",
            HierarchyKind::Unified => "unified",
            HierarchyKind::PerCpu => "per-cpu",
            HierarchyKind::Concurrent => "concurrent",
        };
        let no = |on| if on { "" } else { "no-" };
        write!(
            f,
            "{hierarchy},{},prefetch={},{}adaptive,{}walk-cache",
            self.policy.word(),
            self.prefetch,
            no(self.adaptive),
            no(self.walk_cache)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_the_default_one_by_one() {
        assert_eq!(TlbConfig::parse(""), Ok(TlbConfig::default()));
        let config = TlbConfig {
            hierarchy: HierarchyKind::PerCpu,
            policy: PolicyKind::Lfu,
            prefetch: 4,
            adaptive: true,
            walk_cache: false,
        };
        let words = "per-cpu,lfu,prefetch=4,adaptive,no-walk-cache";
        assert_eq!(TlbConfig::parse(words), Ok(config));
        assert_eq!(config.to_string(), words);
        for config in [config, TlbConfig::default()] {
            assert_eq!(TlbConfig::parse(&config.to_string()), Ok(config));
        }
    }

    #[test]
    fn other_words_are_refused_by_name() {
        for bad in ["fats", "prefetch=17", "prefetch=-1", "prefetch", "fast;lru"] {
            assert_eq!(TlbConfig::parse(bad), Err(TlbConfigError(bad.to_owned())));
        }
        assert!(
            TlbConfig::parse("huge")
                .unwrap_err()
                .to_string()
                .contains("per-cpu")
        );
    }
}
