//! Moves functions out of mostly dead and of small modules into new ones, so that the engine can free the old: beside the guest, a module
//! at a time. It is handed to the engine once the guest's slice has ended, which compiles and instantiates it in the background and in the
//! worker's event loop; once that is done, the functions take their old places in the table. Nobody but the table refers to a
//! module then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::clock::now_ms;
use super::host::{instantiate_later, words};
use super::ledger::{Ledger, ModuleId};
use super::module::{Builder, Placing};
use super::places::{Places, call};
use crate::ir::Abi;
use crate::jit::gc::Work;

/// Functions that are moved into one module, and bytes of them, at most. To hand over a module may take V8 long: it may collect its
/// young objects, or another thread has the lock that it has for all modules (docs/gc.md). Of a few modules that is seldom. It
/// copies the bytes, so more of them at a time would not be better.
const MOST_MOVED: usize = 96;
const MOST_BYTES: usize = 64 << 10;
/// Functions that a step adds to a module, and that one puts into the table: less than a tenth of a millisecond
/// of work in the mean.
const ADDED_AT_A_TIME: usize = 6;
const PUT_AT_A_TIME: usize = 12;

/// What the engine made of a module, once it has.
type Answer = Rc<RefCell<Option<Result<JsValue, JsValue>>>>;

/// What is being moved, and what was there before.
type Functions = std::vec::IntoIter<(usize, (u32, ModuleId))>;

#[derive(Debug)]
enum State {
    /// A module is being made, of functions that are added to it and others that are still to be.
    Adding(Builder, Vec<(u32, ModuleId)>, std::vec::IntoIter<(u32, ModuleId)>),
    /// A module is being handed over, compiled and instantiated. Where the function will be that puts the others into the table.
    Making(Answer, u32, Functions),
    /// Its functions are being put into the table by that one; which module it is.
    Putting(u32, Functions, Option<ModuleId>),
}

/// Does it.
#[derive(Debug, Default)]
pub struct Compactor {
    state: Option<State>,
    /// The engine refused a module that it had taken in parts: nothing more is moved.
    failed: bool,
    /// The longest that handing a module over has taken.
    longest_ms: Rc<Cell<f64>>,
}

// SAFETY: `Rc` and what JavaScript owns must stay on their thread, and there is only one: WebAssembly without threads.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Send for Compactor {}

impl Compactor {
    /// The longest that handing a module over to the engine has taken: the guest stands still meanwhile, as when one is made for
    /// it.
    pub fn longest_ms(&self) -> f64 {
        self.longest_ms.get()
    }

    /// Whether there may be something to do.
    pub fn is_due(&self, ledger: &Ledger) -> bool {
        match &self.state {
            None => !self.failed && ledger.may_be_sparse(MOST_MOVED),
            Some(State::Making(answer, ..)) => answer.borrow().is_some(),
            Some(_) => true,
        }
    }

    /// Goes on. What was done, if there was something to do.
    pub fn step(&mut self, ledger: &mut Ledger, places: &mut Places, abi: &Abi) -> Work {
        if !self.is_due(ledger) {
            return Work::None;
        }
        let (work, next) = match self.state.take() {
            None => match begin(ledger, abi) {
                None => return Work::None,
                begun => (Work::Choose, Ok(begun)),
            },
            Some(State::Adding(builder, added, more)) if more.len() == 0 => {
                let Some(put) = places.take_free() else {
                    // There will be one once something is freed, or the next module is made.
                    self.state = Some(State::Adding(builder, added, more));
                    return Work::None;
                };
                (
                    Work::Make,
                    Ok(Some(make(builder, added, put, Rc::clone(&self.longest_ms)))),
                )
            }
            Some(State::Adding(builder, added, more)) => {
                (Work::Copy, Ok(Some(add_some(builder, added, more, ledger))))
            }
            Some(State::Making(answer, put, functions)) => {
                let known = answer.borrow_mut().take();
                let made = known.map(|made| made.map(|_| State::Putting(put, functions, None)));
                (Work::Place, made.transpose())
            }
            Some(State::Putting(put, functions, _)) if functions.len() == 0 => {
                // Else it would keep the module.
                places.release(put);
                (Work::Place, Ok(None))
            }
            Some(State::Putting(put, functions, module)) => {
                (Work::Place, Ok(Some(put_some(put, functions, module, ledger))))
            }
        };
        match next {
            Ok(next) => self.state = next,
            Err(error) => {
                self.failed = true;
                log::warn!(target: "jit", "code is no longer moved together, and modules live on: {}", words(&error));
            }
        }
        work
    }
}

/// Begins a module, if there is something to move.
fn begin(ledger: &mut Ledger, abi: &Abi) -> Option<State> {
    let functions = ledger.sparse(MOST_MOVED, MOST_BYTES);
    let more = functions.into_iter();
    (more.len() > 0).then(|| State::Adding(Builder::new(abi), Vec::new(), more))
}

/// Adds some functions to a module, but for those that have gone since.
fn add_some(
    mut builder: Builder,
    mut added: Vec<(u32, ModuleId)>,
    mut more: std::vec::IntoIter<(u32, ModuleId)>,
    ledger: &Ledger,
) -> State {
    for (place, old) in more.by_ref().take(ADDED_AT_A_TIME) {
        if let Some(body) = ledger.body(place).filter(|_| ledger.is_in(place, old)) {
            builder.add(body);
            added.push((place, old));
        }
    }
    State::Adding(builder, added, more)
}

/// Has an instance of a module made, when the guest's slice has ended. Its function that puts the others into the table will be at
/// place `put`.
fn make(builder: Builder, functions: Vec<(u32, ModuleId)>, put: u32, longest_ms: Rc<Cell<f64>>) -> State {
    let module = builder.finish(Placing::ByCalls(put));
    let answer = Answer::default();
    let to = Rc::clone(&answer);
    wasm_bindgen_futures::spawn_local(async move {
        let start = now_ms();
        let promise = instantiate_later(&module.bytes);
        longest_ms.set(longest_ms.get().max(now_ms() - start));
        drop(module);
        let result = match promise {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        *to.borrow_mut() = Some(result);
    });
    let functions: Vec<_> = functions.into_iter().enumerate().collect();
    State::Making(answer, put, functions.into_iter())
}

/// Puts some functions into the table, but for those that have gone since, by the function at place `put`.
fn put_some(put: u32, mut functions: Functions, module: Option<ModuleId>, ledger: &mut Ledger) -> State {
    let mut moved = Vec::with_capacity(PUT_AT_A_TIME);
    for (number, (place, old)) in functions.by_ref().take(PUT_AT_A_TIME) {
        if ledger.is_in(place, old) {
            // SAFETY: the module was instantiated, so its function is there; it puts a function of ours where one of ours was, which
            // does the same.
            unsafe { call(put, place, number as u32) };
            moved.push(place);
        }
    }
    let module = ledger.moved(&moved, module);
    State::Putting(put, functions, Some(module))
}
