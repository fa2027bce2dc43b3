//! The product's mark: a kidney's outline with a course running through it.

use leptos::prelude::*;

/// The mark, decorative: the name stands beside it.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <path
                class="logo-shape"
                d="M17.6 3.2c7 0 11.6 5.6 11.6 12.8S24.600 28.800 17.600 28.800c-4.300 0-6.900-2.400\
                -6.900-5.400 0-3.400 3.700-4.300 3.700-7.400s-3.700-4-3.700-7.400c0-3 2.600-5.400 6.900-5.400z"
            />
            <path class="logo-course" d="M2.500 11.500l5 1.800 4 2.700h4.500l3 3.300 3.500 1.500" />
        </svg>
    }
}
