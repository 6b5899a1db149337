//! `tabvisor run`: a machine in the terminal it is started from.

mod config;
mod driven;
mod inbox;
mod keys;
mod profile;
mod terminal;
mod trace;

use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use tabvisor::machine::lockstep::Lockstep;
use tabvisor::machine::{Exit, Machine, MemoryUse, Stats};

use crate::args::{RunArguments, Switch};
use driven::Guest;
use inbox::{Inbox, Leave};
use keys::{Command, Keys};
use terminal::RawTerminal;

/// Instructions between two looks at the inbox: some ten milliseconds.
const SLICE: u64 = 1_000_000;
/// Keys handed to the machine at a time; it queues them, but not without end.
const KEYS: usize = 1024;
/// While the guest is idle, memory is looked through for pages that are zero: not more often than this, so many pages of
/// 4 KiB at a time. That is less than a millisecond of work, and 2 s for all of 16 MiB.
const TRIM_EVERY: Duration = Duration::from_millis(500);
const TRIM_PAGES: usize = 1024;
/// As `timeout` of coreutils has it.
const TIMED_OUT: u8 = 124;

/// Runs the machine to its end; gives the exit status.
pub fn run(arguments: &RunArguments) -> Result<ExitCode> {
    trace::start(&arguments.trace);
    let inbox = Inbox::default();
    let start = Instant::now();
    let known = arguments.profile.as_deref().map(profile::read).transpose()?;
    let mut machine = if arguments.lockstep {
        let config = || config::in_lockstep(arguments, &inbox, start);
        Guest::Lockstep(Box::new(Lockstep::new(config()?, config()?)?))
    } else {
        let config = config::machine(arguments, arguments.net, &inbox, start)?;
        Guest::Alone(Box::new(Machine::new(config)?))
    };
    if let Some(known) = known {
        profile::give(&mut machine, known)?;
    }
    let deadline = arguments
        .timeout
        .map(|seconds| start + Duration::from_secs_f64(seconds));

    let raw = RawTerminal::new()?;
    watch_signals(&inbox)?;
    read_keys(&inbox, raw.is_some())?;
    let mut session = Session {
        machine,
        inbox,
        start,
        deadline,
        wanted: arguments.exit_on.clone().unwrap_or_default().into_bytes(),
        seen: Vec::new(),
        trimmed: (arguments.trim == Switch::On).then_some(start),
        reports: arguments.stats_every.map(|seconds| Reports::new(start, seconds)),
    };
    let end = session.run();
    drop(raw);
    if stdout().is_terminal() {
        println!();
    }
    if let Some(file) = &arguments.profile {
        profile::write(file, &session.machine)?;
    }
    if arguments.stats {
        show_figures(&session.machine)?;
    }
    report(end?, arguments)
}

/// What `--stats` and `--stats-every` print.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    stats: Stats,
    #[serde(flatten)]
    memory: MemoryUse,
}

/// Prints the machine's figures: a line of JSON on standard error.
fn show_figures(machine: &Guest) -> Result<()> {
    let figures = Figures {
        stats: machine.stats(),
        memory: machine.memory_use(),
    };
    let end = if terminal::is_raw() { "\r\n" } else { "\n" };
    let line = serde_json::to_string(&figures)? + end;
    // In one piece: who reads both streams as one must not find the guest's output inside a line. If standard error is
    // gone, there is nobody to tell.
    let _ = stderr().lock().write_all(line.as_bytes());
    Ok(())
}

/// When figures are printed while the guest runs.
#[derive(Debug)]
struct Reports {
    every: Duration,
    next: Instant,
}

impl Reports {
    fn new(start: Instant, seconds: f64) -> Reports {
        let every = Duration::from_secs_f64(seconds);
        let next = start + every;
        Reports { every, next }
    }

    /// Whether it is time. Those that were missed, while the program was stopped say, are not made up for.
    fn due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next += self.every;
        if self.next <= now {
            self.next = now + self.every;
        }
        true
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    PowerOff,
    Failed(u16),
    Lost(String),
    Found,
    TimedOut,
    Left(Leave),
}

/// Says why, where that is not plain, and gives the exit status.
fn report(end: End, arguments: &RunArguments) -> Result<ExitCode> {
    let wanted = arguments.exit_on.as_deref();
    Ok(match end {
        End::Found | End::Left(Leave::Keys) => ExitCode::SUCCESS,
        End::PowerOff => match wanted {
            None => ExitCode::SUCCESS,
            Some(text) => bail!("the guest powered off without having written {text:?}"),
        },
        End::Failed(code) => {
            eprintln!("tabvisor: the guest failed with code {code}");
            // A code that is a multiple of 256 is a failure still.
            ExitCode::from(match code as u8 {
                0 => 1,
                low => low,
            })
        }
        End::Lost(text) => bail!("the guest cannot go on: {text}"),
        End::TimedOut => {
            let seconds = arguments.timeout.unwrap_or_default();
            let missing = wanted
                .map(|text| format!("; it had not written {text:?}"))
                .unwrap_or_default();
            eprintln!("tabvisor: the guest was stopped after {seconds} s{missing}");
            ExitCode::from(TIMED_OUT)
        }
        End::Left(Leave::Signal(number)) => ExitCode::from(128_u8.saturating_add(number as u8)),
    })
}

#[derive(Debug)]
struct Session {
    machine: Guest,
    inbox: Inbox,
    start: Instant,
    deadline: Option<Instant>,
    /// Text that ends the session; empty for none.
    wanted: Vec<u8>,
    /// The end of the output so far, as much as can be the beginning of that text.
    seen: Vec<u8>,
    /// When memory was last looked through for pages that are zero, if it is to be.
    trimmed: Option<Instant>,
    /// When figures are printed, if they are to be.
    reports: Option<Reports>,
}

impl Session {
    fn run(&mut self) -> Result<End> {
        let mut resized = true;
        loop {
            if std::mem::take(&mut resized)
                && let Some((columns, rows)) = terminal::size()
            {
                self.machine.console_resize(columns, rows);
            }
            let exit = self.machine.run(SLICE);
            // What was written before a difference is worth seeing.
            let found = self.show_output()?;
            let exit = exit?;
            if found {
                return Ok(End::Found);
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(End::TimedOut);
            }
            if self.reports.as_mut().is_some_and(|reports| reports.due(now)) {
                show_figures(&self.machine)?;
            }
            match exit {
                Exit::Budget => {}
                Exit::Idle { until_ns } => {
                    if self.trimmed.is_some_and(|trimmed| now - trimmed >= TRIM_EVERY) {
                        self.trimmed = Some(now);
                        self.machine.trim_memory(TRIM_PAGES);
                    }
                    let wake = until_ns.and_then(|ns| self.start.checked_add(Duration::from_nanos(ns)));
                    let typing = self.machine.console_room() > 0;
                    let report = self.reports.as_ref().map(|reports| reports.next);
                    let until = [wake, self.deadline, report].into_iter().flatten().min();
                    self.inbox.wait(until, typing);
                }
                Exit::PowerOff => return Ok(End::PowerOff),
                Exit::Failed { code } => return Ok(End::Failed(code)),
                Exit::Lost { text } => return Ok(End::Lost(text)),
                Exit::Reset => self.machine.reset()?,
            }
            let news = self.inbox.take(KEYS.min(self.machine.console_room()));
            if let Some(why) = news.leave {
                return Ok(End::Left(why));
            }
            if !news.input.is_empty() {
                self.machine.console_input(&news.input);
            }
            resized = news.resized;
        }
    }

    /// Passes on what the guest wrote. True when the text that was waited for is in it.
    fn show_output(&mut self) -> Result<bool> {
        let output = self.machine.take_console_output();
        if output.is_empty() {
            return Ok(false);
        }
        let mut out = stdout().lock();
        out.write_all(&output)
            .and_then(|()| out.flush())
            .context("cannot write the guest's output")?;
        if self.wanted.is_empty() {
            return Ok(false);
        }
        self.seen.extend_from_slice(&output);
        let found = self
            .seen
            .windows(self.wanted.len())
            .any(|window| window == self.wanted);
        let kept = self.wanted.len() - 1;
        self.seen.drain(..self.seen.len().saturating_sub(kept));
        Ok(found)
    }
}

/// Starts the thread that reads standard input. On a terminal, some keys are for us.
fn read_keys(inbox: &Inbox, terminal: bool) -> Result<()> {
    let inbox = inbox.clone();
    let work = move || {
        let mut keys = Keys::default();
        let mut buffer = [0; 4096];
        loop {
            match stdin().read(&mut buffer) {
                Ok(0) => return,
                Ok(count) if !terminal => inbox.put_input(&buffer[..count]),
                Ok(count) => {
                    let (to_guest, commands) = keys.filter(&buffer[..count]);
                    for command in commands {
                        match command {
                            Command::Leave => inbox.put_leave(Leave::Keys),
                            // Nothing to be done about a terminal that is gone.
                            Command::Help => drop(stderr().write_all(keys::HELP.as_bytes())),
                        }
                    }
                    inbox.put_input(&to_guest);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::warn!("standard input: {error}");
                    return;
                }
            }
        }
    };
    // It ends with the process: a read from a terminal cannot be called off.
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(work)
        .context("cannot start a thread")?;
    Ok(())
}

/// Starts the thread that hears signals.
fn watch_signals(inbox: &Inbox) -> Result<()> {
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM, SIGWINCH]).context("cannot watch for signals")?;
    let inbox = inbox.clone();
    let work = move || {
        for signal in signals.forever() {
            match signal {
                SIGWINCH => inbox.put_resize(),
                other => inbox.put_leave(Leave::Signal(other)),
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .context("cannot start a thread")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_due_at_each_interval_and_not_made_up_for() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut reports = Reports::new(start, 2.0);
        assert!(!reports.due(at(1.9)));
        assert!(reports.due(at(2.1)));
        // Counted from when it should have been, so that intervals do not drift.
        assert_eq!(reports.next, at(4.0));
        assert!(!reports.due(at(3.9)));
        assert!(reports.due(at(4.0)));
        assert!(reports.due(at(20.5)));
        assert_eq!(reports.next, at(22.5));
    }
}
