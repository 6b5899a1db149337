//! Progress on the terminal; plain lines where there is none.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One line that says what is being done.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
}

impl Progress {
    pub fn new() -> Progress {
        let terminal = stderr().is_terminal();
        let bar = if terminal {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        Progress { bar, terminal }
    }

    /// A step whose length is not known.
    pub fn step(&self, what: &str) {
        self.say(what);
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// A step that ends at so many bytes.
    pub fn bytes(&self, what: &str, total: u64) {
        self.say(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(total);
        self.bar.set_position(0);
    }

    /// How far the step has come.
    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// A line that stays.
    pub fn finished(&self, what: &str) {
        self.bar.suspend(|| eprintln!("{what}"));
    }

    fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if !self.terminal {
            eprintln!("{what}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
