//! Random programs through the lockstep under the compiler of the page: whatever its modules do, the interpreter must do
//! the same. The programs are those of `crate/tests/lockstep`. Runs in Node and, with `WASM_BINDGEN_USE_BROWSER=1` or
//! `WASM_BINDGEN_USE_DEDICATED_WORKER=1`, in a headless browser.

#![cfg(target_arch = "wasm32")]

#[path = "conformance/encode.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod encode;
#[path = "common/event_loop.rs"]
mod event_loop;
#[path = "lockstep/guest.rs"]
mod guest;
#[path = "lockstep/image.rs"]
mod image;
#[path = "lockstep/minimise.rs"]
mod minimise;
#[path = "lockstep/piece.rs"]
mod piece;
#[path = "conformance/prng.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod prng;
#[path = "lockstep/program.rs"]
mod program;
#[path = "lockstep/tally.rs"]
mod tally;
#[path = "lockstep/trial.rs"]
mod trial;
#[path = "conformance/unit.rs"]
#[allow(dead_code, reason = "the conformance programs need more of it")]
mod unit;
#[path = "conformance/values.rs"]
mod values;

use event_loop::event_loop;
use tally::Tally;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// Enough for some of each kind; an engine takes half a minute for them, built as tests are. Natively there are many more.
const GUESTS: u64 = 40;

#[wasm_bindgen_test]
async fn random_programs_run_the_same_under_the_compiler_of_the_page() {
    let mut tally = Tally::default();
    // Other seeds than the native test begins with.
    for seed in 1_000_000..1_000_000 + GUESTS {
        tally.run(seed);
        // Who drives the browser waits half a minute for its answer, and no longer.
        event_loop().await;
    }
    console_log!("{tally}: all agree");
    tally.check();
}
