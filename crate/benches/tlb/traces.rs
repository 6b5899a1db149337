//! What the fast table of a real guest did not answer, asked of each hierarchy.

use std::collections::HashMap;
use std::time::Instant;

use tabvisor::engine::{Engine, EngineConfig};
use tabvisor::mem::tlb::core::{Rights, Table};
use tabvisor::mem::tlb::management::Recorded;
use tabvisor::mem::tlb::{Manager, TlbConfig};

use super::debian;

/// A trace and its name.
struct Trace {
    name: &'static str,
    events: Vec<Recorded>,
}

/// Debian's Linux booting, and programs under its shell. `None` where the guest was not fetched.
fn record() -> Option<Vec<Trace>> {
    let mut machine = debian::machine(EngineConfig {
        synchronous: true,
        tlb: TlbConfig::parse("fast").ok()?,
        ..Engine::Jit.into()
    })?;
    machine.record_translations(0, true);
    debian::run_until(&mut machine, debian::READY);
    let mut traces = vec![Trace {
        name: "boot",
        events: machine.record_translations(0, true),
    }];
    let programs = [
        (
            "processes",
            "for n in 1 2 3 4 5 6 7 8; do ls -lR /bin /etc | sort | wc; done",
        ),
        ("sort", "seq 1 200000 | sort -r | sort -n | sha256sum"),
    ];
    for (name, command) in programs {
        machine.console_input(format!("{command}; echo DO''NE\n").as_bytes());
        debian::run_until(&mut machine, "DONE");
        traces.push(Trace {
            name,
            events: machine.record_translations(0, true),
        });
    }
    Some(traces)
}

/// Levels of the page tables that the guest uses: Sv57.
const LEVELS: u32 = 5;

/// What came of a trace.
#[derive(Default)]
struct Outcome {
    l1: u64,
    l2: u64,
    walks: u64,
    /// Entries of page tables read, those ahead included.
    reads: u64,
    ns: f64,
    ahead: (u64, u64),
}

/// Pages that a trace walks to, by address space; what prefetching may find.
type Pages = HashMap<(u64, u64), (u32, Rights)>;

fn pages(trace: &Trace) -> Pages {
    let events = trace.events.iter().filter_map(|event| match *event {
        Recorded::Page {
            vaddr,
            satp,
            size,
            rights,
            ..
        } => Some(((satp, vaddr >> 12), (size, rights))),
        Recorded::Fence(_) => None,
    });
    events.collect()
}

fn replay(trace: &Trace, pages: &Pages, words: &str) -> Outcome {
    let config = TlbConfig::parse(words).expect("the words are right");
    let mut hierarchy = Manager::new(config, 1).hierarchy();
    let mut reads = 0;
    let start = Instant::now();
    for event in &trace.events {
        match *event {
            Recorded::Fence(fence) => hierarchy.fence(fence),
            Recorded::Page {
                vaddr,
                fetch,
                satp,
                size,
                rights,
            } => {
                // Rights are no question here: the recorded walk found them enough.
                let known = hierarchy.look_up(vaddr, fetch, satp);
                if known.is_none_or(|entry| entry.rights() != rights) {
                    let ticket = hierarchy.begin_walk();
                    let top = hierarchy
                        .start_of_walk(vaddr, LEVELS)
                        .map_or(LEVELS - 1, |table| table.level);
                    reads += u64::from(top.saturating_sub(size)) + 1;
                    for level in size..top {
                        let table = Table {
                            level,
                            address: 0,
                            global: false,
                        };
                        hierarchy.note_table(vaddr, table);
                    }
                    hierarchy.insert(vaddr, fetch, size, 0x8000_0000, rights, ticket);
                }
                for ahead in hierarchy.take_ahead().into_iter().flatten() {
                    let Some(&(size, rights)) = pages.get(&(satp, ahead >> 12)) else {
                        continue;
                    };
                    if let Some(ticket) = hierarchy.wants(ahead) {
                        reads += 1;
                        hierarchy.insert_ahead(ahead, size, 0x8000_0000, rights, ticket);
                    }
                }
            }
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / trace.events.len() as f64;
    let stats = hierarchy.stats();
    Outcome {
        l1: stats.l1_data_hits + stats.l1_instruction_hits,
        l2: stats.l2_hits,
        walks: stats.walks,
        reads,
        ns,
        ahead: (stats.prefetches, stats.prefetches_useful),
    }
}

/// Each hierarchy over each trace.
pub fn report() {
    let Some(traces) = record() else {
        eprintln!("Debian's Linux is not there (`npm run setup`): traces are left out");
        return;
    };
    for trace in &traces {
        let fences = trace
            .events
            .iter()
            .filter(|event| matches!(event, Recorded::Fence(_)));
        let fences = fences.count();
        let asked = trace.events.len() - fences;
        println!("{}: {asked} look-ups, {fences} fences", trace.name);
        println!(
            "  {:42} {:>7} {:>7} {:>7} {:>8} {:>8}  ahead, useful",
            "", "L1 %", "L2 %", "walk %", "reads", "ns/event"
        );
        let pages = pages(trace);
        for words in [
            "fast",
            "unified,no-walk-cache",
            "unified",
            "unified,plru",
            "unified,lfu",
            "unified,fifo",
            "unified,random",
            "concurrent",
            "unified,prefetch=1",
            "unified,prefetch=4",
            "unified,prefetch=16",
            "unified,adaptive",
            "unified,adaptive,prefetch=4",
        ] {
            let outcome = replay(trace, &pages, words);
            let share = |count: u64| 100.0 * count as f64 / asked as f64;
            println!(
                "  {words:42} {:7.2} {:7.2} {:7.2} {:8.3} {:8.1}  {}, {}",
                share(outcome.l1),
                share(outcome.l2),
                share(outcome.walks),
                outcome.reads as f64 / asked as f64,
                outcome.ns,
                outcome.ahead.0,
                outcome.ahead.1,
            );
        }
    }
}
