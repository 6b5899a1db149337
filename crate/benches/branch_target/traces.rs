//! Where guests jump: made up, and recorded.

use super::recorder;

/// What a branch-target cache goes through.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A jump.
    Go {
        /// Where to.
        pc: u64,
        /// By code of user mode, which has a cache of its own.
        user: bool,
    },
    /// Translations may all have changed.
    FlushAll,
    /// That of one page may have.
    FlushPage(u64),
}

/// A trace and its name.
pub struct Trace {
    pub name: &'static str,
    pub events: Vec<Event>,
}

/// A generator that is the same on every host.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % limit
    }

    /// One of `count`, the first likelier by far: Zipf's law, nearly.
    fn popular(&mut self, count: u64) -> u64 {
        let exponent = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((count as f64).powf(exponent) - 1.0) as u64
    }
}

fn go(pc: u64) -> Event {
    Event::Go { pc, user: true }
}

/// The returns of a recursive function: three addresses.
fn fib() -> Vec<Event> {
    fn call(n: u32, from: u64, events: &mut Vec<Event>) {
        if n > 1 {
            call(n - 1, 0x1_0124, events);
            call(n - 2, 0x1_0130, events);
        }
        events.push(go(from));
    }
    let mut events = Vec::new();
    call(24, 0x1_0200, &mut events);
    events
}

/// A program of 2,000 functions of differing popularity, each of which calls eight others, some through pointers.
fn calls() -> Vec<Event> {
    const FUNCTIONS: u64 = 2_000;
    const SITES: u64 = 8;
    let mut noise = Noise(0x1234_5678_9abc_def1);
    let mut at = 0x1_0000;
    let mut functions = Vec::new();
    for _ in 0..FUNCTIONS {
        at += 32 + noise.below(400) * 2;
        functions.push(at);
    }
    // A popular function's number says nothing about its place.
    for index in (1..functions.len()).rev() {
        functions.swap(index, noise.below(index as u64 + 1) as usize);
    }
    let callees: Vec<u64> = (0..FUNCTIONS * SITES).map(|_| noise.popular(FUNCTIONS)).collect();
    let mut events = Vec::new();
    // Functions that are running, and where they are to return to.
    let mut stack: Vec<(u64, u64)> = vec![(0, 0x1000)];
    while events.len() < 2_000_000 {
        let Some(&(function, back)) = stack.last() else {
            stack.push((noise.below(FUNCTIONS), 0x1000));
            continue;
        };
        if stack.len() > 24 || noise.below(100) < 52 {
            stack.pop();
            events.push(go(back));
            continue;
        }
        let site = noise.below(SITES);
        let through_pointer = noise.below(5) == 0;
        let callee = if through_pointer {
            noise.popular(FUNCTIONS)
        } else {
            callees[(function * SITES + site) as usize]
        };
        if through_pointer {
            events.push(go(functions[callee as usize]));
        }
        stack.push((callee, functions[function as usize] + 8 + site * 6));
    }
    events
}

/// A trace without its flushes.
fn unflushed(events: &[Event]) -> Vec<Event> {
    let events = events.iter().filter(|event| matches!(event, Event::Go { .. }));
    events.copied().collect()
}

/// All of them. Without the guest's files, only those that need none.
pub fn all() -> Vec<Trace> {
    let mut traces = vec![
        Trace {
            name: "fib",
            events: fib(),
        },
        Trace {
            name: "calls",
            events: calls(),
        },
    ];
    match recorder::record(30_000_000) {
        Some([boot, shell]) => {
            let unflushed = unflushed(&shell.crossing);
            for (name, events) in [
                ("boot", boot.indirect),
                ("boot, all", boot.crossing),
                ("shell", shell.indirect),
                ("shell, all", shell.crossing),
                ("shell, unflushed", unflushed),
            ] {
                traces.push(Trace { name, events });
            }
        }
        None => eprintln!("Debian's Linux is not there (`npm run setup`): its traces are left out"),
    }
    traces
}
