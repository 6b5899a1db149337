//! What other threads have for the machine's thread, and how they wake it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Keys that wait for the machine; past that the reader of standard input waits too.
const MAX_INPUT: usize = 64 * 1024;

/// A letter box, shared by all threads.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    shared: Arc<(Mutex<Contents>, Condvar)>,
}

#[derive(Debug, Default)]
struct Contents {
    input: VecDeque<u8>,
    resized: bool,
    arrival: bool,
    leave: Option<Leave>,
}

/// Why to leave, other than for the guest's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The user pressed the keys.
    Keys,
    /// A signal of that number came.
    Signal(i32),
}

/// What was in the box.
#[derive(Debug, Default)]
pub struct News {
    pub input: Vec<u8>,
    pub resized: bool,
    pub leave: Option<Leave>,
}

impl Inbox {
    /// Adds keys; blocks while too many wait.
    pub fn put_input(&self, mut bytes: &[u8]) {
        let mut contents = self.lock();
        while !bytes.is_empty() {
            let room = MAX_INPUT.saturating_sub(contents.input.len());
            if room == 0 {
                contents = self
                    .shared
                    .1
                    .wait(contents)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(room));
            contents.input.extend(now);
            bytes = later;
            self.shared.1.notify_all();
        }
    }

    /// Notes that the terminal has a new size.
    pub fn put_resize(&self) {
        self.lock().resized = true;
        self.shared.1.notify_all();
    }

    /// Notes that something has come for one of the machine's devices: frames from the network, parts of a disk.
    pub fn put_arrival(&self) {
        self.lock().arrival = true;
        self.shared.1.notify_all();
    }

    /// Asks the machine's thread to leave.
    pub fn put_leave(&self, why: Leave) {
        self.lock().leave = Some(why);
        self.shared.1.notify_all();
    }

    /// Empties the box, but for keys beyond `most`.
    pub fn take(&self, most: usize) -> News {
        let mut contents = self.lock();
        let count = contents.input.len().min(most);
        let input: Vec<u8> = contents.input.drain(..count).collect();
        contents.arrival = false;
        if count > 0 {
            self.shared.1.notify_all();
        }
        News {
            input,
            resized: std::mem::take(&mut contents.resized),
            leave: contents.leave.take(),
        }
    }

    /// Sleeps until something is in the box or the time has come. Keys count only where they could be passed on
    /// (`typing`).
    pub fn wait(&self, until: Option<Instant>, typing: bool) {
        let mut contents = self.lock();
        while (contents.input.is_empty() || !typing)
            && !contents.resized
            && !contents.arrival
            && contents.leave.is_none()
        {
            contents = match until {
                None => self
                    .shared
                    .1
                    .wait(contents)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.shared
                        .1
                        .wait_timeout(contents, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// A thread that panicked leaves the contents whole: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn waiting_ends_with_input_or_time() {
        let inbox = Inbox::default();
        inbox.wait(Some(Instant::now() + Duration::from_millis(1)), true);
        let other = inbox.clone();
        let thread = std::thread::spawn(move || other.put_input(&vec![7; MAX_INPUT + 10]));
        let mut got = 0;
        while got < MAX_INPUT + 10 {
            inbox.wait(None, true);
            got += inbox.take(1000).input.len();
        }
        thread.join().expect("the writer ends once all is taken");
        inbox.put_leave(Leave::Keys);
        inbox.wait(None, true);
        assert_eq!(inbox.take(10).leave, Some(Leave::Keys));
        assert_eq!(inbox.take(10).leave, None);
    }
}
