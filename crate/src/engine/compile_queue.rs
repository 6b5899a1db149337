//! Work for a background thread: jobs wait in order of priority, results are fetched without waiting.
//!
//! The native back end compiles behind it. Nothing here knows what a job is. There is no such thread in the page, where
//! compiling is cut into small pieces instead.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use parking_lot::{Condvar, Mutex};

/// Which of two jobs is done first: the one of the higher tier, then the hotter one, then the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// The tier's number: higher ones go first, since code that hot runs all the while.
    pub tier: u8,
    /// How often the code was entered.
    pub heat: u64,
}

/// The queue holds as much as it may: the job comes back.
#[derive(thiserror::Error)]
#[error("the compile queue is full; offer the job again once results have been taken")]
pub struct Full<J>(pub J);

impl<J> std::fmt::Debug for Full<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Full")
    }
}

/// The work panicked: a defect of the compiler, which costs the job and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the compiler panicked: {message}; the code stays with the interpreter")]
pub struct Panicked<J> {
    /// The job, as the work left it.
    pub job: J,
    /// What the panic said.
    pub message: String,
}

/// Why there is no queue.
#[derive(Debug, thiserror::Error)]
pub enum CompileQueueError {
    /// The host gives no thread.
    #[error("cannot start the compile thread: {0}; the interpreter alone can go on")]
    Thread(#[from] std::io::Error),
}

/// A job among those that wait. The greatest goes first.
struct Waiting<J> {
    order: (Priority, Reverse<u64>),
    job: J,
}

impl<J> PartialEq for Waiting<J> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<J> Eq for Waiting<J> {}

impl<J> PartialOrd for Waiting<J> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<J> Ord for Waiting<J> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

/// What both sides see.
struct State<J, R> {
    waiting: BinaryHeap<Waiting<J>>,
    /// A job is being done.
    busy: bool,
    finished: Vec<Result<R, Panicked<J>>>,
    submitted: u64,
    closing: bool,
}

impl<J, R> State<J, R> {
    fn pending(&self) -> usize {
        self.waiting.len() + usize::from(self.busy)
    }
}

struct Shared<J, R> {
    state: Mutex<State<J, R>>,
    /// Notified when there is a job, or the queue closes.
    work: Condvar,
    /// Notified when the last pending job is finished.
    idle: Condvar,
}

/// A bounded queue of jobs, and the thread that does them.
pub struct CompileQueue<J, R> {
    shared: Arc<Shared<J, R>>,
    capacity: usize,
    thread: Option<JoinHandle<()>>,
}

impl<J, R> std::fmt::Debug for CompileQueue<J, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileQueue")
            .field("capacity", &self.capacity)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl<J, R> CompileQueue<J, R> {
    /// Jobs that wait or are being done.
    pub fn pending(&self) -> usize {
        self.shared.state.lock().pending()
    }
}

impl<J: Send + 'static, R: Send + 'static> CompileQueue<J, R> {
    /// Starts a thread that does jobs with `work`. At most `capacity` of them (at least one) are held at a time, counting
    /// those whose results were not taken yet.
    ///
    /// A panic of `work` ends in [`Panicked`], and the next job is done with the same `work`: it must not trust what a
    /// job before may have left half done.
    pub fn new(
        capacity: usize,
        work: impl FnMut(&mut J) -> R + Send + 'static,
    ) -> Result<Self, CompileQueueError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiting: BinaryHeap::new(),
                busy: false,
                finished: Vec::new(),
                submitted: 0,
                closing: false,
            }),
            work: Condvar::new(),
            idle: Condvar::new(),
        });
        let thread = Builder::new().name("compile".into()).spawn({
            let shared = Arc::clone(&shared);
            move || work_off(&shared, work)
        })?;
        Ok(CompileQueue {
            shared,
            capacity: capacity.max(1),
            thread: Some(thread),
        })
    }

    /// Takes a job, or gives it back.
    pub fn submit(&self, job: J, priority: Priority) -> Result<(), Full<J>> {
        let mut state = self.shared.state.lock();
        if state.pending() + state.finished.len() >= self.capacity {
            return Err(Full(job));
        }
        state.submitted += 1;
        let order = (priority, Reverse(state.submitted));
        state.waiting.push(Waiting { order, job });
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Adds what was finished since the last call, in the order in which it was. Never waits for a job.
    pub fn take_finished(&self, into: &mut Vec<Result<R, Panicked<J>>>) {
        into.append(&mut self.shared.state.lock().finished);
    }

    /// Waits until nothing is pending: for whoever needs compiled code at a certain point, as tests do.
    pub fn wait_until_idle(&self) {
        let mut state = self.shared.state.lock();
        while state.pending() > 0 {
            self.shared.idle.wait(&mut state);
        }
    }
}

impl<J, R> Drop for CompileQueue<J, R> {
    /// Waits for the job that is being done. Those that wait are dropped.
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // It catches the panics of jobs. Should it have panicked all the same, nobody is left to be told.
            let _ = thread.join();
        }
    }
}

/// The thread.
fn work_off<J, R>(shared: &Shared<J, R>, mut work: impl FnMut(&mut J) -> R) {
    let mut state = shared.state.lock();
    loop {
        if state.closing {
            return;
        }
        let Some(Waiting { mut job, .. }) = state.waiting.pop() else {
            shared.work.wait(&mut state);
            continue;
        };
        state.busy = true;
        drop(state);
        let result = match catch_unwind(AssertUnwindSafe(|| work(&mut job))) {
            Ok(result) => {
                // Outside the lock, and guarded: dropping may take long or panic as well.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
                Ok(result)
            }
            Err(panic) => Err(Panicked {
                message: message(panic.as_ref()),
                job,
            }),
        };
        state = shared.state.lock();
        state.busy = false;
        state.finished.push(result);
        if state.pending() == 0 {
            shared.idle.notify_all();
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const COLD: Priority = Priority { tier: 0, heat: 0 };

    /// A queue whose work waits for a word from the sender before each job.
    fn gated(capacity: usize) -> (mpsc::Sender<()>, CompileQueue<u32, u32>) {
        let (open, gate) = mpsc::channel();
        let queue = CompileQueue::new(capacity, move |job: &mut u32| {
            gate.recv_timeout(Duration::from_secs(60)).unwrap();
            *job
        });
        (open, queue.unwrap())
    }

    /// Submits a job and waits until the thread has begun with it.
    fn occupy(queue: &CompileQueue<u32, u32>, job: u32) {
        queue.submit(job, COLD).unwrap();
        while !queue.shared.state.lock().busy {
            std::thread::yield_now();
        }
    }

    fn results(queue: &CompileQueue<u32, u32>) -> Vec<u32> {
        let mut results = Vec::new();
        queue.take_finished(&mut results);
        results.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn the_hot_tier_goes_first_then_heat_then_age() {
        let (open, queue) = gated(10);
        occupy(&queue, 0);
        for (job, tier, heat) in [(5, 0, 9), (3, 1, 2), (1, 1, 7), (4, 1, 2), (2, 1, 3)] {
            queue.submit(job, Priority { tier, heat }).unwrap();
        }
        (0..6).for_each(|_| open.send(()).unwrap());
        queue.wait_until_idle();
        assert_eq!(results(&queue), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_full_queue_gives_jobs_back_until_results_are_taken() {
        let (open, queue) = gated(2);
        occupy(&queue, 1);
        queue.submit(2, COLD).unwrap();
        assert_eq!(queue.submit(3, COLD).unwrap_err().0, 3);
        assert_eq!((queue.pending(), results(&queue)), (2, vec![]));
        (0..2).for_each(|_| open.send(()).unwrap());
        queue.wait_until_idle();
        // Results that nobody takes count too: what is held is bounded.
        assert_eq!(queue.submit(3, COLD).unwrap_err().0, 3);
        assert_eq!((queue.pending(), results(&queue)), (0, vec![1, 2]));
        queue.submit(3, COLD).unwrap();
        open.send(()).unwrap();
        queue.wait_until_idle();
        assert_eq!(results(&queue), [3]);
        assert_eq!(results(&queue), []);
    }

    #[test]
    fn a_panic_costs_one_job() {
        let queue = CompileQueue::new(8, |job: &mut u32| {
            *job += 10;
            assert_ne!(*job, 12, "job {job} is bad");
            if *job == 14 {
                std::panic::panic_any(7);
            }
            *job
        })
        .unwrap();
        for job in 1..=5 {
            queue.submit(job, COLD).unwrap();
        }
        queue.wait_until_idle();
        let mut results = Vec::new();
        queue.take_finished(&mut results);
        assert_eq!(
            (&results[0], &results[2], &results[4]),
            (&Ok(11), &Ok(13), &Ok(15))
        );
        let first = results[1].as_ref().unwrap_err();
        assert!(
            first.job == 12 && first.to_string().contains("job 12 is bad"),
            "{first}"
        );
        let second = results[3].as_ref().unwrap_err();
        assert_eq!((second.job, second.message.as_str()), (14, "it said nothing"));
    }

    #[test]
    fn a_dropped_queue_ends_its_thread_and_drops_its_jobs() {
        let (open, queue) = gated(10);
        occupy(&queue, 1);
        queue.submit(2, COLD).unwrap();
        let shared = Arc::downgrade(&queue.shared);
        open.send(()).unwrap();
        // Whether or not it gets to the second job, which would find the gate shut for good.
        drop(open);
        drop(queue);
        assert!(shared.upgrade().is_none(), "the thread has let go of the queue");
    }

    #[test]
    fn an_idle_queue_is_dropped_at_once() {
        drop(gated(1));
    }

    #[test]
    fn many_jobs_from_several_threads_all_come_back() {
        let queue = CompileQueue::new(64, |job: &mut u64| *job * 2).unwrap();
        let mut sum = 0;
        std::thread::scope(|scope| {
            for start in [0, 1000] {
                let queue = &queue;
                scope.spawn(move || {
                    for job in start..start + 1000 {
                        let mut offer = job;
                        while let Err(Full(job)) = queue.submit(offer, COLD) {
                            offer = job;
                            std::thread::yield_now();
                        }
                    }
                });
            }
            let mut results = Vec::new();
            let mut got = 0;
            while got < 2000 {
                queue.take_finished(&mut results);
                got += results.len();
                sum += results.drain(..).map(Result::unwrap).sum::<u64>();
                std::thread::yield_now();
            }
        });
        assert_eq!(sum, (0..2000).map(|job| job * 2).sum());
    }
}
