//! The log, on standard error: warnings always, and what `--trace` names.

use std::io::{Write, stderr};

use log::{LevelFilter, Log, Metadata, Record};

use super::terminal;

/// Shows records of the targets named.
#[derive(Debug)]
struct Trace {
    names: Vec<String>,
}

/// Begins to log. `names` are targets or parts of module paths.
pub fn start(names: &[String]) {
    log::set_max_level(if names.is_empty() {
        LevelFilter::Warn
    } else {
        LevelFilter::Trace
    });
    // A second logger is refused; there is only this call.
    let _ = log::set_logger(Box::leak(Box::new(Trace {
        names: names.to_vec(),
    })));
}

impl Trace {
    fn named(&self, target: &str) -> bool {
        self.names
            .iter()
            .any(|name| name == "all" || target.split("::").any(|part| part == name))
    }
}

impl Log for Trace {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn || self.named(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let end = if terminal::is_raw() { "\r\n" } else { "\n" };
            let target = record.target().rsplit("::").next().unwrap_or_default();
            // A log that cannot be written has nowhere to say so.
            let _ = write!(stderr().lock(), "[{target}] {}{end}", record.args());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::Trace;

    #[test]
    fn names_are_targets_or_parts_of_paths() {
        let trace = Trace {
            names: vec!["virtio".to_owned(), "trap".to_owned()],
        };
        assert!(trace.named("trap") && trace.named("tabvisor::device::virtio::blk"));
        assert!(!trace.named("mmio") && !trace.named("tabvisor::virtiofs"));
    }
}
