//! The chart library, which only pages with charts load.
//!
//! Its address changes with its content and stands in `<meta name="charts">`. A dynamic `import()`
//! from here would need a script made from text, which the content security policy forbids: a
//! module script element loads the same file from the same origin.

use std::cell::RefCell;

use futures::{
    FutureExt,
    channel::oneshot,
    future::{LocalBoxFuture, Shared},
};
use js_sys::{Function, Reflect};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Element, IntersectionObserver, IntersectionObserverEntry, IntersectionObserverInit};

/// The global that `charts.js` leaves its functions in.
const GLOBAL: &str = "nephrocastCharts";

type Loading = Shared<LocalBoxFuture<'static, bool>>;

thread_local! {
    /// The library on its way or here; empty before, and again after a failure.
    static LOADING: RefCell<Option<Loading>> = const { RefCell::new(None) };
}

/// How far below the screen a chart is drawn already, in parts of the screen.
const AHEAD: &str = "25%";

/// Waits until an element is on the screen or nearly so: a telephone does not draw, nor load what
/// draws, before somebody gets there.
pub async fn seen(element: &Element) {
    let (tell, told) = oneshot::channel();
    let tell = RefCell::new(Some(tell));
    let look = Closure::<dyn Fn(js_sys::Array)>::new(move |entries: js_sys::Array| {
        let entries = entries.iter().filter_map(|one| one.dyn_into().ok());
        if entries.into_iter().any(|one: IntersectionObserverEntry| one.is_intersecting()) {
            // Told once; who waited may be gone.
            let _ = tell.take().map(|tell| tell.send(()));
        }
    });
    let around = IntersectionObserverInit::new();
    around.set_root_margin(AHEAD);
    let watch = IntersectionObserver::new_with_options(look.as_ref().unchecked_ref(), &around);
    let Ok(watch) = watch.map(Watch) else { return };
    watch.0.observe(element);
    // An end without an answer is not one: the sender lives as long as the closure.
    let _ = told.await;
}

/// Ends with whoever waits.
struct Watch(IntersectionObserver);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}

/// Draws into an element; whether that went well.
pub async fn draw(element: &Element, kind: &str, data: &str) -> bool {
    if !load().await {
        return false;
    }
    let Some(draw) = function("draw") else { return false };
    draw.call3(&JsValue::UNDEFINED, element, &kind.into(), &data.into()).is_ok()
}

/// Takes a drawing away, if there is one.
pub fn dispose(element: &Element) {
    if let Some(dispose) = function("dispose") {
        // What fails here is a chart that is going anyway.
        let _ = dispose.call1(&JsValue::UNDEFINED, element);
    }
}

/// Does with a drawing what a button says: looks closer (`in`), farther (`out`) or at nothing else
/// (`full`), or saves it under a name as `png` or `svg`.
pub fn act(element: &Element, what: &str, name: &str) {
    if let Some(act) = function("act") {
        // What is not drawn cannot be saved, and nothing happens.
        let _ = act.call3(&JsValue::UNDEFINED, element, &what.into(), &name.into());
    }
}

async fn load() -> bool {
    let loading = LOADING.with_borrow_mut(|loading| {
        loading.get_or_insert_with(|| fetch().boxed_local().shared()).clone()
    });
    let loaded = loading.await;
    if !loaded {
        LOADING.with_borrow_mut(Option::take);
    }
    loaded
}

async fn fetch() -> bool {
    let (tell, told) = oneshot::channel();
    match insert_script(tell) {
        Some(_listeners) => told.await.unwrap_or(false) && function("draw").is_some(),
        None => false,
    }
}

/// Puts the script into the page. What it answers must live until the script has told its fate.
fn insert_script(tell: oneshot::Sender<bool>) -> Option<[Closure<dyn FnMut()>; 2]> {
    let meta = document().query_selector("meta[name='charts']").ok()??;
    let script = document().create_element("script").ok()?;
    script.set_attribute("type", "module").ok()?;
    script.set_attribute("src", &meta.get_attribute("content")?).ok()?;
    let tell = std::rc::Rc::new(RefCell::new(Some(tell)));
    let listeners = [("load", true), ("error", false)].map(|(event, loaded)| {
        let tell = std::rc::Rc::clone(&tell);
        let listener = Closure::new(move || {
            if let Some(tell) = tell.borrow_mut().take() {
                // Nobody waits any more: then nobody needs to know.
                let _ = tell.send(loaded);
            }
        });
        (event, listener)
    });
    for (event, listener) in &listeners {
        let listener: &Function = listener.as_ref().unchecked_ref();
        script.add_event_listener_with_callback(event, listener).ok()?;
    }
    document().head()?.append_child(&script).ok()?;
    Some(listeners.map(|(_, listener)| listener))
}

fn function(name: &str) -> Option<Function> {
    let library = Reflect::get(&window(), &GLOBAL.into()).ok()?;
    Reflect::get(&library, &name.into()).ok()?.dyn_into().ok()
}
