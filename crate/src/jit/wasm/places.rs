//! Places of the function table that the crate and all modules share.
//!
//! Functions come to their places, and go from them, by functions of modules that are in the table themselves: called there, they take
//! no way through JavaScript.

use js_sys::WebAssembly;
use wasm_bindgen::JsCast;

use super::host::{instantiate, words};
use super::module::clearing_module;
use crate::jit::CompileError;

/// The table grows by so many places.
const GROWTH: u32 = 1024;

/// Places for functions made at run time.
#[derive(Debug, Default)]
pub struct Places {
    /// Those that are free, highest first.
    free: Vec<u32>,
    /// Where the function is that clears places.
    clear: Option<u32>,
}

impl Places {
    /// Some that are free, ascending.
    pub fn take(&mut self, count: usize) -> Result<Vec<u32>, CompileError> {
        if self.free.len() < count {
            self.grow(GROWTH.max(count as u32))?;
        }
        let mut taken = self.free.split_off(self.free.len() - count);
        taken.sort_unstable();
        Ok(taken)
    }

    /// One that is free now: the table does not grow for it, which takes V8 long where thousands of instances have it.
    pub fn take_free(&mut self) -> Option<u32> {
        self.free.pop()
    }

    fn grow(&mut self, more: u32) -> Result<(), CompileError> {
        let failed = |error| {
            let text = words(&error);
            CompileError::NoRoom(format!("the function table cannot grow by {more}: {text}"))
        };
        let mut first = table().grow(more).map_err(failed)?;
        let end = first + more;
        if self.clear.is_none() {
            instantiate(&clearing_module(first)).map_err(failed)?;
            self.clear = Some(first);
            first += 1;
        }
        self.free.splice(0..0, (first..end).rev());
        Ok(())
    }

    /// Takes back places that nothing was put into, ascending.
    pub fn put_back(&mut self, places: impl DoubleEndedIterator<Item = u32>) {
        self.free.extend(places.rev());
    }

    /// Clears a place, which is free then.
    pub fn release(&mut self, place: u32) {
        self.clear(place);
        self.free.push(place);
    }

    /// Clears a place that was taken.
    pub fn clear(&self, place: u32) {
        if let Some(clear) = self.clear {
            // SAFETY: the function there is of this type, and does no more than to clear a place: nobody else clears that one, and
            // whoever has this one cleared calls it no more.
            unsafe { call(clear, place, 0) };
        }
    }
}

/// Calls the function at a place of the table.
///
/// # Safety
///
/// There must be one of the type of regions, and what it does must be sound.
pub unsafe fn call(place: u32, first: u32, second: u32) -> u32 {
    // SAFETY: in WebAssembly a function pointer is an index into the function table, and the caller says what is there.
    let function: extern "C" fn(u32, u32) -> u32 = unsafe { std::mem::transmute(place as usize) };
    function(first, second)
}

fn table() -> WebAssembly::Table {
    wasm_bindgen::function_table().unchecked_into()
}
