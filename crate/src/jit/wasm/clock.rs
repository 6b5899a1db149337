//! The engine's clock, read without making an object.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    // A number that JavaScript returns to WebAssembly is an object on the way, unless it is a small integer: thousands in a
    // second are what V8 then stops for, now and then, to collect. An optional one is written into memory instead, and V8's
    // optimised code makes no object of it.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> Option<f64>;
}

/// Milliseconds of a clock that only goes forward.
pub fn now_ms() -> f64 {
    performance_now().unwrap_or_default()
}
