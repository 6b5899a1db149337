//! What the browser (or Node) gives the machine: time, entropy, the date.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::jit::wasm::now_ms;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);
}

/// Most bytes that `crypto.getRandomValues` gives at once.
const ENTROPY_CHUNK: usize = 65_536;

/// Fills `into` with random bytes.
pub fn entropy(into: &mut [u8]) {
    for chunk in into.chunks_mut(ENTROPY_CHUNK) {
        get_random_values(chunk);
    }
}

/// Nanoseconds since 1970.
pub fn epoch_ns() -> u64 {
    (js_sys::Date::now() * 1e6) as u64
}

/// Guest time: the host's monotonic time less the pauses. Clones share it. It stands still at first.
#[derive(Debug, Clone, Default)]
pub struct PausableClock(Rc<Cell<Reading>>);

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    /// Milliseconds gathered before `since`.
    elapsed: f64,
    /// Host time at which the clock was last let run; none while it stands.
    since: Option<f64>,
}

impl PausableClock {
    /// Milliseconds.
    pub fn now_ms(&self) -> f64 {
        let Reading { elapsed, since } = self.0.get();
        elapsed + since.map_or(0.0, |since| now_ms() - since)
    }

    /// Nanoseconds.
    pub fn now_ns(&self) -> u64 {
        (self.now_ms() * 1e6) as u64
    }

    /// Lets it run.
    pub fn resume(&self) {
        let Reading { elapsed, since } = self.0.get();
        self.0.set(Reading {
            elapsed,
            since: since.or_else(|| Some(now_ms())),
        });
    }

    /// Stops it.
    pub fn pause(&self) {
        self.0.set(Reading {
            elapsed: self.now_ms(),
            since: None,
        });
    }
}
