//! The TLB hierarchy: what a look-up costs, and what each policy and switch does to traces of real guests.
//!
//! ```sh
//! cargo bench -p tabvisor --bench tlb -- --quick
//! ```

#[path = "../common/debian.rs"]
mod debian;
mod levels;
mod locks;
mod results;
mod runtime;
mod traces;

use criterion::Criterion;

fn main() {
    // Under `cargo test` each is run once, to see that it does.
    if std::env::args().any(|argument| argument == "--bench") {
        traces::report();
    }
    let mut criterion = Criterion::default().configure_from_args();
    levels::hits(&mut criterion);
    levels::policies(&mut criterion);
    levels::geometry(&mut criterion);
    levels::misses(&mut criterion);
    results::copy_and_clone(&mut criterion);
    locks::writers(&mut criterion);
    criterion.final_summary();
}
