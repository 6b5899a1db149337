//! Moves functions out of mostly dead and of small modules into new ones, so that the engine can free the old: beside the guest, a module
//! at a time. The engine compiles it in the background; once that is done, and the worker has been to its event loop, the
//! functions take their old places in the table. Nobody but the table refers to a module then.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Reflect, Uint8Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::host::{MOST_BYTES, MOST_IN_MODULE, instance, table, words};
use super::ledger::{Ledger, ModuleId};
use super::module::{Builder, Export};
use crate::ir::Abi;

/// What the engine made of a module, once it has.
type Answer = Rc<RefCell<Option<Result<JsValue, JsValue>>>>;

/// A module that is being compiled, and whose functions will be in it.
#[derive(Debug)]
struct Underway {
    answer: Answer,
    functions: Vec<(u32, ModuleId)>,
}

// SAFETY: `Rc` and `JsValue` must stay on their thread, and there is only one: this is for WebAssembly without threads.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Send for Underway {}

/// Does it.
#[derive(Debug, Default)]
pub struct Compactor {
    underway: Option<Underway>,
    /// The engine refused a module that it had taken in parts: nothing more is moved.
    failed: bool,
}

impl Compactor {
    /// Goes on. Whether there was something to do.
    pub fn step(&mut self, ledger: &mut Ledger, abi: &Abi) -> bool {
        if self.failed {
            return false;
        }
        let Some(underway) = self.underway.take() else {
            return self.begin(ledger, abi);
        };
        let answer = underway.answer.borrow_mut().take();
        let Some(answer) = answer else {
            self.underway = Some(underway);
            return false;
        };
        let result = answer.and_then(|module| put(&module.unchecked_into(), &underway.functions, ledger));
        if let Err(error) = result {
            self.failed = true;
            log::warn!(target: "jit", "code is no longer moved together, and modules live on: {}", words(&error));
        }
        true
    }

    fn begin(&mut self, ledger: &mut Ledger, abi: &Abi) -> bool {
        let functions = ledger.sparse(MOST_IN_MODULE, MOST_BYTES);
        if functions.is_empty() {
            return false;
        }
        let mut builder = Builder::new(abi);
        let bodies = functions.iter().filter_map(|&(place, _)| ledger.body(place));
        bodies.for_each(|body| builder.add(body));
        let module = builder.finish(Export::ByNumber);
        let answer = Answer::default();
        let promise = WebAssembly::compile(&Uint8Array::from(&module.bytes[..]));
        let to = Rc::clone(&answer);
        wasm_bindgen_futures::spawn_local(async move {
            let result = JsFuture::from(promise).await;
            *to.borrow_mut() = Some(result);
        });
        self.underway = Some(Underway { answer, functions });
        true
    }
}

/// Puts a module's functions into the table, but for those that have gone since.
fn put(
    module: &WebAssembly::Module,
    functions: &[(u32, ModuleId)],
    ledger: &mut Ledger,
) -> Result<(), JsValue> {
    let exports = instance(module)?.exports();
    let table = table();
    let mut moved = Vec::with_capacity(functions.len());
    let mut result = Ok(());
    for (index, &(place, old)) in functions.iter().enumerate() {
        if !ledger.is_in(place, old) {
            continue;
        }
        let function = Reflect::get(&exports, &index.to_string().into());
        result = function.and_then(|function| table.set_raw(place, &function));
        if result.is_err() {
            break;
        }
        moved.push(place);
    }
    ledger.moved(&moved);
    result
}
