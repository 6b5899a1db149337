//! Machine code for the host, by Cranelift.
//!
//! * `compiler` — a job becomes bytes: passes, then [`lower`], then Cranelift, with one setting for each tier;
//! * `lower`, `integer`, `float`, `access`, `exits` — from the intermediate representation to Cranelift's;
//! * `thunk` — the trampoline into regions, and the ways from them to the helpers;
//! * `code_memory` — where the code lies.
//!
//! Regions call helpers through pointers in the state, and each other through the branch-target cache: code needs no
//! relocations. It is made on a thread of its own, and only on x86-64 Linux hosts.

mod access;
mod code_memory;
mod compiler;
mod exits;
mod float;
mod integer;
mod lower;
#[cfg(test)]
mod tests;
mod thunk;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    thread::JoinHandle,
};

use parking_lot::Mutex;

use super::{Backend, Code, CompileError, Finished, Job};
use crate::ir::Abi;
use code_memory::CodeMemory;
use compiler::Compiler;

/// Most bytes of code held.
const CODE_LIMIT: usize = 256 << 20;
/// Most jobs waiting for the thread.
const QUEUE: usize = 256;

/// Where jobs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// When [`Backend::finished`] is called, on its thread: the same every time.
    Here,
    /// On a thread in the background.
    Background,
}

/// Makes machine code for the host.
#[derive(Debug)]
pub struct NativeBackend {
    memory: Arc<Mutex<CodeMemory>>,
    work: Work,
    pending: usize,
    trampoline: usize,
}

#[derive(Debug)]
enum Work {
    Here {
        compiler: Box<Compiler>,
        jobs: VecDeque<Job>,
    },
    Background {
        jobs: Option<SyncSender<Job>>,
        done: Receiver<Finished>,
        thread: Option<JoinHandle<()>>,
    },
}

impl NativeBackend {
    /// A back end for code that finds everything where `abi` says. It fails on hosts that it makes no code for.
    pub fn new(abi: Abi, threading: Threading) -> Result<Self, CompileError> {
        let memory = Arc::new(Mutex::new(CodeMemory::new(CODE_LIMIT)));
        let (mut compiler, trampoline) = Compiler::new(abi, Arc::clone(&memory))?;
        let work = match threading {
            Threading::Here => Work::Here {
                compiler: Box::new(compiler),
                jobs: VecDeque::new(),
            },
            Threading::Background => {
                let (jobs, taken) = sync_channel::<Job>(QUEUE);
                let (finished, done) = channel();
                let compile = move || {
                    for job in taken {
                        let number = job.number;
                        let result = compiler.compile(job);
                        if finished.send(Finished { number, result }).is_err() {
                            return;
                        }
                    }
                };
                let thread = std::thread::Builder::new()
                    .name("compiler".into())
                    .spawn(compile)
                    .map_err(|error| CompileError::NoRoom(format!("a thread for the compiler: {error}")))?;
                Work::Background {
                    jobs: Some(jobs),
                    done,
                    thread: Some(thread),
                }
            }
        };
        Ok(Self {
            memory,
            work,
            pending: 0,
            trampoline,
        })
    }
}

impl Backend for NativeBackend {
    fn submit(&mut self, job: Job) -> Result<(), Job> {
        match &mut self.work {
            Work::Here { jobs, .. } => jobs.push_back(job),
            Work::Background { jobs, .. } => match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
                Some(Err(TrySendError::Full(job) | TrySendError::Disconnected(job))) => return Err(job),
                _ => {}
            },
        }
        self.pending += 1;
        Ok(())
    }

    fn finished(&mut self, into: &mut Vec<Finished>) {
        let before = into.len();
        match &mut self.work {
            Work::Here { compiler, jobs } => {
                for job in jobs.drain(..) {
                    let number = job.number;
                    into.push(Finished {
                        number,
                        result: compiler.compile(job),
                    });
                }
            }
            Work::Background { done, .. } => into.extend(done.try_iter()),
        }
        self.pending -= into.len() - before;
    }

    fn pending(&self) -> usize {
        self.pending
    }

    fn release(&mut self, code: Code) {
        self.memory.lock().release(code.function, code.bytes);
    }

    unsafe fn call(&self, function: usize, state: *mut u8, entry: u32) -> u32 {
        // SAFETY: the trampoline was compiled with this signature, and lives as long as this back end's memory.
        let trampoline: extern "C" fn(usize, *mut u8, u32) -> u32 =
            unsafe { std::mem::transmute(self.trampoline) };
        trampoline(function, state, entry)
    }

    fn code_bytes(&self) -> usize {
        self.memory.lock().used()
    }

    fn modules(&self) -> usize {
        0
    }
}

impl Drop for NativeBackend {
    fn drop(&mut self) {
        if let Work::Background { jobs, thread, .. } = &mut self.work {
            // Without a sender, the thread ends behind the job that it is at.
            *jobs = None;
            if let Some(thread) = thread.take() {
                let ended = thread.join();
                debug_assert!(ended.is_ok(), "the compiler panicked");
            }
        }
    }
}
