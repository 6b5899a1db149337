//! Machine code for the host: by our own compiler, which has it at once, or by Cranelift.
//!
//! * `quick` — our own;
//! * `compiler` — Cranelift: a job becomes bytes: passes, then [`lower`], then Cranelift, with one setting for each tier;
//! * `lower`, `integer`, `float`, `access`, `exits` — from the intermediate representation to Cranelift's;
//! * `text` — Cranelift's input, to be read;
//! * `thunk` — the trampoline into regions, and the ways from them to the helpers;
//! * `code_memory` — where the code lies.
//!
//! Regions call helpers through pointers in the state, and each other through the branch-target cache: code needs no
//! relocations. Cranelift works on a thread of its own. All this is for x86-64 Linux hosts.

mod access;
mod code_memory;
mod compiler;
mod exits;
mod float;
mod integer;
mod lower;
mod quick;
#[cfg(test)]
mod tests;
mod text;
mod thunk;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::{Backend, Code, Compaction, CompileError, Finished, Job, Tier, gc};
use crate::{
    engine::compile_queue::{CompileQueue, Full, Priority},
    ir::{
        Abi,
        passes::{Level, PassSet, optimise},
    },
};
use code_memory::CodeMemory;
use compiler::Compiler;
use quick::QuickCompiler;
pub use text::cranelift_text;

/// Most jobs that wait, or whose results do.
const QUEUE: usize = 256;
/// Most jobs that are done at a time on the caller's thread.
const AT_A_TIME: usize = 8;

/// Where jobs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// When [`Backend::finished`] is called, on its thread: the same every time.
    Here,
    /// On a thread in the background.
    Background,
}

/// How code is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where Cranelift does its work.
    pub threading: Threading,
    /// The passes: to measure what they are worth.
    pub passes: PassSet,
    /// Whether our own compiler is used, where the host can run its code.
    pub own: bool,
    /// Most bytes of code.
    pub code_limit: usize,
}

impl Options {
    /// Everything as usual, with this threading.
    pub fn usual(threading: Threading) -> Self {
        Options {
            threading,
            passes: PassSet::ALL,
            own: true,
            code_limit: 256 << 20,
        }
    }
}

/// Makes machine code for the host.
#[derive(Debug)]
pub struct NativeBackend {
    memory: Arc<Mutex<CodeMemory>>,
    work: Work,
    pending: usize,
    trampoline: usize,
    /// When it was made.
    start: Instant,
    abi: Abi,
    passes: PassSet,
    /// `None` where the host cannot run its code or Cranelift is wanted.
    quick: Option<QuickCompiler>,
}

#[derive(Debug)]
enum Work {
    Here {
        compiler: Box<Compiler>,
        jobs: VecDeque<Job>,
    },
    Background(CompileQueue<Job, Finished>),
}

impl NativeBackend {
    /// A back end for code that finds everything where `abi` says. It fails on hosts that it makes no code for.
    pub fn new(abi: Abi, options: Options) -> Result<Self, CompileError> {
        let Options {
            threading,
            passes,
            own,
            code_limit,
        } = options;
        let memory = Arc::new(Mutex::new(CodeMemory::new(code_limit)));
        let mut compiler = Compiler::new(abi.clone(), passes, Arc::clone(&memory))?;
        let trampoline = memory.lock().place_fixed(&quick::trampoline())?;
        let quick = match own {
            true => QuickCompiler::new(&abi, |code| memory.lock().place_fixed(code))?,
            false => None,
        };
        let work = match threading {
            Threading::Here => Work::Here {
                compiler: Box::new(compiler),
                jobs: VecDeque::new(),
            },
            Threading::Background => {
                let queue = CompileQueue::new(QUEUE, move |job: &mut Job| compiler.compile(job));
                Work::Background(queue.map_err(|error| CompileError::NoRoom(error.to_string()))?)
            }
        };
        Ok(Self {
            memory,
            work,
            pending: 0,
            trampoline,
            start: Instant::now(),
            abi,
            passes,
            quick,
        })
    }
}

impl Backend for NativeBackend {
    fn submit(&mut self, job: Job) -> Result<(), Job> {
        match &mut self.work {
            Work::Here { jobs, .. } if jobs.len() >= QUEUE => return Err(job),
            Work::Here { jobs, .. } => jobs.push_back(job),
            Work::Background(queue) => {
                let priority = Priority {
                    tier: (job.tier == Tier::Hot).into(),
                    heat: 0,
                };
                queue.submit(job, priority).map_err(|Full(job)| job)?;
            }
        }
        self.pending += 1;
        Ok(())
    }

    fn is_immediate(&self) -> bool {
        self.quick.is_some()
    }

    fn compile_now(&mut self, job: &mut Job) -> Option<Finished> {
        if job.region.entries.is_empty() {
            return None;
        }
        let quick = self.quick.as_mut()?;
        let level = match job.tier {
            Tier::Quick => Level::Quick,
            Tier::Hot => Level::Hot,
        };
        optimise(&mut job.region, level, self.passes);
        let code = quick.compile(&self.abi, &job.region, job.number)?;
        let placed = self.memory.lock().place(code, job.number);
        Some(Finished {
            number: job.number,
            result: placed.map(|function| Code {
                function,
                bytes: code.len(),
            }),
        })
    }

    fn finished(&mut self, into: &mut Vec<Finished>) {
        let before = into.len();
        match &mut self.work {
            Work::Here { compiler, jobs } => {
                let now = jobs.len().min(AT_A_TIME);
                into.extend(jobs.drain(..now).map(|mut job| compiler.compile(&mut job)));
            }
            Work::Background(queue) => {
                let mut done = Vec::new();
                queue.take_finished(&mut done);
                into.extend(done.into_iter().map(|result| {
                    result.unwrap_or_else(|panicked| Finished {
                        number: panicked.job.number,
                        result: Err(CompileError::Refused {
                            number: panicked.job.number,
                            text: panicked.message,
                        }),
                    })
                }));
            }
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

    fn is_sparse(&self) -> bool {
        // What is done but was not taken yet must be where its result says.
        self.pending == 0 && self.memory.lock().is_sparse()
    }

    fn compact(&mut self, moved: &mut Vec<(u32, Code)>) -> gc::Work {
        match self.pending == 0 && self.memory.lock().compact(moved) {
            true => gc::Work::Copy,
            false => gc::Work::None,
        }
    }

    fn compaction(&self) -> Compaction {
        self.memory.lock().compaction()
    }

    fn now_us(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e6
    }
}
