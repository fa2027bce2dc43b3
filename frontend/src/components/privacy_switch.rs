//! Privacy mode: while somebody looks over the shoulder, names and identifiers are blurred.
//! Whatever identifies a person has the class `identifying`; `theme.js` applies a stored choice
//! before the first paint.

use leptos::{ev, prelude::*};

use crate::language::t;

/// Where the choice is kept in the browser's storage; `theme.js` reads the same name.
const STORED_AS: &str = "nephrocast.private";

/// The attribute of the whole page that the styles look at.
const ATTRIBUTE: &str = "data-private";

/// Switches from everywhere, also while typing: it is no character.
const KEY: &str = "F8";

/// An eye, and an eye struck out.
const OPEN: &str = "M12 5c5 0 8.700 3.600 10.500 7-1.800 3.400-5.500 7-10.500 7s-8.700-3.600-10.500-7C3.300 8.600 7 5 12 5zm0 1.500c-3.900 0-6.900 2.600-8.700 5.500 1.800 2.900 4.800 5.500 8.700 5.500s6.900-2.600 8.700-5.500c-1.800-2.900-4.800-5.500-8.700-5.500zm0 2a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7z";
const STRUCK: &str = "M4.100 3 21 19.900 19.900 21l-3-3c-1.400.600-3.100 1-4.900 1-5 0-8.700-3.600-10.500-7a14 14 0 0 1 4.400-5L3 4.100zM7 8.100a12 12 0 0 0-3.700 3.900c1.800 2.900 4.800 5.500 8.700 5.500 1.300 0 2.600-.300 3.700-.700l-2-2a3.500 3.500 0 0 1-4.500-4.500zM12 5c5 0 8.700 3.600 10.500 7a15 15 0 0 1-2.800 3.700l-1.100-1.100a13 13 0 0 0 2.100-2.600c-1.800-2.900-4.800-5.500-8.700-5.500-.700 0-1.400.100-2.100.200L8.700 5.500A11 11 0 0 1 12 5z";

/// A button that hides names and identifiers, and shows them again.
#[component]
pub fn PrivacySwitch() -> impl IntoView {
    let hidden = RwSignal::new(is_hidden());
    let switch = move || {
        hidden.update(|hidden| *hidden = !*hidden);
        apply(hidden.get_untracked());
    };
    let listener = window_event_listener(ev::keydown, move |event| {
        if event.key() == KEY {
            event.prevent_default();
            switch();
        }
    });
    on_cleanup(move || listener.remove());
    view! {
        <button
            type="button"
            class="icon-button"
            aria-label=t("Hide names")
            aria-keyshortcuts=KEY
            aria-pressed=move || if hidden.get() { "true" } else { "false" }
            title=move || if hidden.get() { t("Show names (F8)") } else { t("Hide names (F8)") }
            on:click=move |_| switch()
        >
            <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
                <path fill="currentColor" d=move || if hidden.get() { STRUCK } else { OPEN } />
            </svg>
        </button>
    }
}

fn is_hidden() -> bool {
    document().document_element().is_some_and(|root| root.has_attribute(ATTRIBUTE))
}

fn apply(hidden: bool) {
    let Some(root) = document().document_element() else { return };
    let storage = window().local_storage().ok().flatten();
    // A browser without storage forgets the choice with the page, and the eye shows it.
    let _ = if hidden {
        let _ = storage.map(|storage| storage.set_item(STORED_AS, "true"));
        root.set_attribute(ATTRIBUTE, "")
    } else {
        let _ = storage.map(|storage| storage.remove_item(STORED_AS));
        root.remove_attribute(ATTRIBUTE)
    };
}
