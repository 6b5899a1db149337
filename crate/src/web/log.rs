//! Warnings go to the browser's console: there a person finds out why something is slower than it might be.

use log::{Level, LevelFilter, Log, Metadata, Record};
use wasm_bindgen::JsValue;
use web_sys::console;

struct Console;

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = JsValue::from(format!("tabvisor: {}: {}", record.target(), record.args()));
        match record.level() {
            Level::Error => console::error_1(&text),
            _ => console::warn_1(&text),
        }
    }

    fn flush(&self) {}
}

/// From now on they do.
pub fn to_console() {
    // It fails where that was done before, and then nothing is missing.
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
