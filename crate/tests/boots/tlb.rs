//! Linux with every choice there is about the TLB.
//!
//! 128 choices differ; here each value of one meets each value of every other at least once. `npm run bench:mem -- --only
//! combinations` goes through all of them.

use std::collections::HashSet;

use tabvisor::engine::EngineConfig;
use tabvisor::machine::MachineConfig;
use tabvisor::mem::tlb::{HierarchyKind, PolicyKind, TlbConfig};

use crate::engines::{ENGINES, Engine};
use crate::harness::{Guest, linux};

const HIERARCHIES: [HierarchyKind; 4] = [
    HierarchyKind::Fast,
    HierarchyKind::Unified,
    HierarchyKind::PerCpu,
    HierarchyKind::Concurrent,
];

/// Every hierarchy with every policy; the switches go through all their pairs, with each other and with these.
fn choices() -> Vec<TlbConfig> {
    let mut choices = Vec::new();
    for (h, hierarchy) in HIERARCHIES.into_iter().enumerate() {
        for (p, policy) in PolicyKind::ALL.into_iter().enumerate() {
            choices.push(TlbConfig {
                hierarchy,
                policy,
                prefetch: if (h + p) % 2 == 0 { 0 } else { 4 },
                adaptive: (h / 2 + p) % 2 == 0,
                walk_cache: (h + h / 2 + p / 2) % 2 == 0,
            });
        }
    }
    choices
}

/// What a choice is about each of the five things, as words.
fn words(choice: TlbConfig) -> Vec<String> {
    choice.to_string().split(',').map(str::to_owned).collect()
}

#[test]
fn each_value_meets_each_value_of_the_others() {
    let pairs: HashSet<_> = choices()
        .into_iter()
        .flat_map(|choice| {
            let words = words(choice);
            let pairs = words.iter().enumerate().flat_map(|(at, one)| {
                let others = words[at + 1..].iter();
                others.map(move |other| (one.clone(), other.clone()))
            });
            pairs.collect::<Vec<_>>()
        })
        .collect();
    // Of hierarchies, policies and three switches.
    assert_eq!(pairs.len(), 4 * 5 + (4 + 5) * 2 * 3 + 3 * 2 * 2);
}

#[test]
fn linux_runs_with_every_choice() {
    for (at, tlb) in choices().into_iter().enumerate() {
        // The compiler's more often: it asks in more places.
        let engine = ENGINES[usize::from(at % 4 != 0)];
        runs(engine, tlb);
    }
}

/// Boots two harts, and has address spaces come and go on both.
fn runs(engine: Engine, tlb: TlbConfig) {
    let config = linux(2);
    let engine_config = EngineConfig { tlb, ..config.engine };
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            engine: engine_config,
            ..config
        },
    );
    let sum = guest.run(
        "work() { for i in 1 2 3 4 5 6 7 8; do echo $i $(echo $1); done; }; \
         (work a > /tmp/a) & work b > /tmp/b; wait; cat /tmp/a /tmp/b | sort | tr -d '\\n'",
    );
    let expected: String = (1..=8).map(|i| format!("{i} a{i} b")).collect();
    assert_eq!(sum, expected, "{} under --tlb {tlb}", engine.name());
}
