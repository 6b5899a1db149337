//! A turn of the event loop, in a browser or in Node.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Lets the engine go on with what it does in the background, and a browser answer who drives it.
pub async fn event_loop() {
    let promise = Promise::new(&mut |resolve, _| {
        let set_timeout = Reflect::get(&js_sys::global(), &"setTimeout".into()).expect("there is one");
        let set_timeout: Function = set_timeout.unchecked_into();
        set_timeout
            .call1(&JsValue::UNDEFINED, &resolve)
            .expect("it takes a function");
    });
    JsFuture::from(promise).await.expect("it resolves");
}
