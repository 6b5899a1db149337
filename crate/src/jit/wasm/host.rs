//! Hands modules to the engine that this crate itself runs in: the back end of the page.
//!
//! Functions share the crate's memory and its function table, which must be able to grow (the crate's build script asks
//! the linker for that). A module lives as long as one of its functions is in the table; see [`super::ledger`].

use std::collections::VecDeque;

use js_sys::{Function, Object, Promise, Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};

use super::clock::now_ms;
use super::compact::Compactor;
use super::ledger::Ledger;
use super::places::{Places, call};
use super::{Body, Builder, Features, Placing, features};
use crate::ir::Abi;
use crate::ir::passes::{Level, PassSet, optimise};
use crate::jit::gc::Work;
use crate::jit::{Backend, Code, Compaction, CompileError, Finished, Job, Tier};

/// Jobs that may wait.
const MOST_WAITING: usize = 512;
/// Regions in a module, at most: beyond, modules get no cheaper per region.
const MOST_IN_MODULE: usize = 64;
/// Bytes of code in a module, at most.
const MOST_BYTES: usize = 96 << 10;
/// A module is made once so many jobs wait,
const ENOUGH: usize = 24;
/// or the first has waited for so long, in milliseconds: a module of one region costs five times as much per region.
const PATIENCE_MS: f64 = 8.0;
/// The same once there are many modules: code that comes without end, a few regions at a time, would make so many small ones
/// that most regions are moved into another before they die (docs/gc.md).
const PATIENCE_OF_MANY_MS: f64 = 64.0;
/// How many are many: more than a boot makes.
const MANY: usize = 384;
/// Milliseconds spent on passes and emission before a module is made of what there is.
const SLICE_MS: f64 = 3.0;

/// The back end of the page.
#[derive(Debug)]
pub struct WasmBackend {
    abi: Abi,
    features: Features,
    passes: PassSet,
    /// What waits is compiled whenever somebody asks, whatever the time is.
    synchronous: bool,
    waiting: VecDeque<Job>,
    /// When the first of those waiting was taken.
    since_ms: f64,
    places: Places,
    /// Most bytes of code.
    code_limit: usize,
    ledger: Ledger,
    compactor: Compactor,
    /// The longest that making a module for the guest has taken, with all that belongs to it.
    longest_ms: f64,
}

impl WasmBackend {
    /// A back end for code that runs with the state that `abi` describes, and uses all that the engine can.
    pub fn new(abi: Abi, passes: PassSet) -> Self {
        Self::with_features(abi, features::detect(), passes)
    }

    /// A back end that uses only some features.
    pub fn with_features(abi: Abi, features: Features, passes: PassSet) -> Self {
        Self {
            abi,
            features,
            passes,
            synchronous: false,
            waiting: VecDeque::new(),
            since_ms: 0.0,
            places: Places::default(),
            code_limit: usize::MAX,
            ledger: Ledger::default(),
            compactor: Compactor::default(),
            longest_ms: 0.0,
        }
    }

    /// One that compiles all that waits whenever it is asked for what is finished, so that each run is the same.
    pub fn synchronous(mut self) -> Self {
        self.synchronous = true;
        self
    }

    /// One that holds so many bytes of code at most, and up to a module more.
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.code_limit = bytes;
        self
    }

    /// What it uses.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether it is time to make a module.
    fn is_due(&self) -> bool {
        let hot = self.waiting.iter().any(|job| job.tier == Tier::Hot);
        !self.waiting.is_empty()
            && (self.synchronous
                || hot
                || self.waiting.len() >= ENOUGH
                || now_ms() - self.since_ms >= self.patience_ms())
    }

    fn patience_ms(&self) -> f64 {
        if self.ledger.modules() < MANY {
            PATIENCE_MS
        } else {
            PATIENCE_OF_MANY_MS
        }
    }

    /// Makes one module of what waits.
    #[inline(never)]
    fn make(&mut self, into: &mut Vec<Finished>) {
        let start = now_ms();
        let count = self.waiting.len().min(MOST_IN_MODULE);
        let mut slots = match self.take_slots(count) {
            Ok(slots) => slots,
            Err(error) => {
                into.extend(self.waiting.drain(..count).map(|job| Finished {
                    number: job.number,
                    result: Err(error.clone()),
                }));
                return;
            }
        };
        let mut builder = Builder::new(&self.abi);
        let mut numbers = Vec::new();
        let mut bodies = Vec::new();
        while builder.regions() < count
            && builder.code_bytes() < MOST_BYTES
            && (self.synchronous || numbers.is_empty() || now_ms() - start < SLICE_MS)
        {
            let Some(mut job) = self.waiting.pop_front() else {
                break;
            };
            let level = match job.tier {
                Tier::Quick => Level::Quick,
                Tier::Hot => Level::Hot,
            };
            optimise(&mut job.region, level, self.passes);
            let place = slots[numbers.len()];
            match Body::new(job.number, place, &job.region, &self.abi, self.features) {
                Ok(body) => {
                    builder.add(&body);
                    numbers.push(job.number);
                    bodies.push((place, body));
                }
                Err(error) => into.push(Finished {
                    number: job.number,
                    result: Err(error),
                }),
            }
        }
        self.since_ms = now_ms();
        self.places.put_back(slots.drain(numbers.len()..));
        let module = builder.finish(Placing::AtOnce(&slots));
        if let Err(error) = instantiate(&module.bytes) {
            self.places.put_back(slots.into_iter());
            let text = words(&error);
            let failed = |number| {
                let result = Err(CompileError::Refused {
                    number,
                    text: text.clone(),
                });
                Finished { number, result }
            };
            into.extend(numbers.into_iter().map(failed));
            return;
        }
        for (&number, (place, body)) in numbers.iter().zip(&bodies) {
            let code = Code {
                function: *place as usize,
                bytes: body.bytes(),
            };
            into.push(Finished {
                number,
                result: Ok(code),
            });
        }
        self.ledger.add(bodies);
    }

    /// Free places of the function table, ascending.
    fn take_slots(&mut self, count: usize) -> Result<Vec<u32>, CompileError> {
        let bytes = self.ledger.live_bytes();
        if bytes >= self.code_limit {
            return Err(CompileError::NoRoom(format!("{bytes} bytes are in use")));
        }
        self.places.take(count)
    }
}

impl Backend for WasmBackend {
    fn submit(&mut self, job: Job) -> Result<(), Job> {
        if self.waiting.len() >= MOST_WAITING {
            return Err(job);
        }
        if self.waiting.is_empty() {
            self.since_ms = now_ms();
        }
        self.waiting.push_back(job);
        Ok(())
    }

    fn finished(&mut self, into: &mut Vec<Finished>) {
        if self.is_due() {
            let start = now_ms();
            self.make(into);
            self.longest_ms = self.longest_ms.max(now_ms() - start);
        }
    }

    fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn release(&mut self, code: Code) {
        let slot = code.function as u32;
        self.places.release(slot);
        self.ledger.remove(slot);
    }

    unsafe fn call(&self, function: usize, state: *mut u8, entry: u32) -> u32 {
        // SAFETY: the caller says that there is a function of ours at this place, and that it may be called so.
        unsafe { call(function as u32, state as u32, entry) }
    }

    fn code_bytes(&self) -> usize {
        self.ledger.live_bytes()
    }

    fn modules(&self) -> usize {
        self.ledger.modules()
    }

    fn is_sparse(&self) -> bool {
        self.compactor.is_due(&self.ledger)
    }

    fn compact(&mut self, _: &mut Vec<(u32, Code)>) -> Work {
        self.compactor.step(&mut self.ledger, &mut self.places, &self.abi)
    }

    fn compaction(&self) -> Compaction {
        let (moved, returned_bytes) = self.ledger.compaction();
        Compaction {
            moved,
            returned_bytes,
        }
    }

    fn now_us(&self) -> f64 {
        now_ms() * 1000.0
    }

    fn longest_stall_us(&self) -> u64 {
        (self.longest_ms.max(self.compactor.longest_ms()) * 1000.0) as u64
    }
}

/// Compiles a module and puts its functions into the table.
pub(super) fn instantiate(bytes: &[u8]) -> Result<(), JsValue> {
    // A copy, which is not in shared memory: Firefox refuses that.
    let module = WebAssembly::Module::new(&Uint8Array::from(bytes))?;
    with_imports(|imports| WebAssembly::Instance::new(&module, imports))??;
    Ok(())
}

/// Has the engine do the same in the background and by tasks of the event loop.
pub(super) fn instantiate_later(bytes: &[u8]) -> Result<Promise, JsValue> {
    with_imports(|imports| WebAssembly::instantiate_buffer(bytes, imports))
}

fn with_imports<R>(f: impl FnOnce(&Object) -> R) -> Result<R, JsValue> {
    thread_local! {
        // Made once: what is not allocated need not be collected.
        static IMPORTS: Result<Object, JsValue> = imports();
    }
    IMPORTS.with(|imports| imports.as_ref().map(f).map_err(JsValue::clone))
}

/// What modules import.
fn imports() -> Result<Object, JsValue> {
    let env = Object::new();
    Reflect::set(&env, &"memory".into(), &wasm_bindgen::memory())?;
    Reflect::set(&env, &"table".into(), &wasm_bindgen::function_table())?;
    let imports = Object::new();
    Reflect::set(&imports, &"env".into(), &env)?;
    Ok(imports)
}

/// What JavaScript says of an error.
pub(super) fn words(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{error:?}"),
    }
}

/// What a module without imports exports as `test`, run.
pub(super) fn run_test(bytes: &[u8]) -> Option<f64> {
    let module = WebAssembly::Module::new(&Uint8Array::from(bytes)).ok()?;
    let instance = WebAssembly::Instance::new(&module, &Object::new()).ok()?;
    let test = Reflect::get(&instance.exports(), &"test".into()).ok()?;
    test.dyn_into::<Function>()
        .ok()?
        .call0(&JsValue::NULL)
        .ok()?
        .as_f64()
}
