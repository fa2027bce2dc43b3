//! The product's mark: a kidney, and in it a course that falls to where it is forecast to be.

use leptos::prelude::*;

/// The mark, decorative: the name stands beside it.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="3 0 32 32" aria-hidden="true" focusable="false">
            <path
                class="logo-shape"
                d="M18 2.5c7 0 11.5 6 11.5 13.5S25 29.5 18 29.5c-5.5 0-9.5-3.2-9.5-7.6 0-4 3.2-4.1 \
                3.2-5.9s-3.2-1.9-3.2-5.9c0-4.4 4-7.6 9.5-7.6z"
            />
            <path class="logo-course" d="M13.3 9.8l4.2 2 2.6 5.4 3.8 2.3" />
            <circle class="logo-forecast" cx="23.9" cy="19.5" r="2.3" />
        </svg>
    }
}
