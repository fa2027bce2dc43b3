//! Light, dark, or as the system has it. `theme.js` applies a stored choice before the first paint.

use leptos::prelude::*;

use crate::language::t;

/// Where the choice is kept in the browser's storage; `theme.js` reads the same name.
const STORED_AS: &str = "nephrocast.theme";

/// How the page is lit.
#[derive(Clone, Copy, PartialEq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    /// The value of `data-theme`; none leaves it to the system.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::System => t("Theme: as the system"),
            Self::Light => t("Theme: light"),
            Self::Dark => t("Theme: dark"),
        }
    }

    /// A sun, a moon, or half of each.
    fn picture(self) -> &'static str {
        match self {
            Self::System => {
                "M12 4a8 8 0 1 0 0 16zM12 2.500a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19zm0 1.500a8 8 0 1 1 0 16z"
            }
            Self::Light => {
                "M12 7.500a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM11.250 2h1.500v3h-1.500zM11.250 19h1.500v3h-1.500zM2 11.250h3v1.500H2zM19 11.250h3v1.500h-3zM4.4 5.460l1.060-1.060 2.120 2.120-1.060 1.060zM16.420 17.480l1.060-1.060 2.120 2.120-1.060 1.060zM5.460 19.600l-1.060-1.060 2.120-2.120 1.060 1.060zM17.480 7.580l-1.060-1.060 2.120-2.120 1.060 1.060z"
            }
            Self::Dark => "M20.5 14.200A8.7 8.7 0 0 1 9.8 3.500a8.9 8.9 0 1 0 10.7 10.700z",
        }
    }
}

/// A button that goes round the three.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let theme = RwSignal::new(stored());
    let choose = move |_| {
        let next = theme.get_untracked().next();
        theme.set(next);
        apply(next);
    };
    view! {
        <button
            type="button"
            class="icon-button"
            aria-label=move || theme.get().label()
            title=move || theme.get().label()
            on:click=choose
        >
            <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
                <path fill="currentColor" d=move || theme.get().picture() />
            </svg>
        </button>
    }
}

fn stored() -> Theme {
    match document().document_element().and_then(|root| root.get_attribute("data-theme")).as_deref()
    {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    }
}

fn apply(theme: Theme) {
    let Some(root) = document().document_element() else { return };
    let storage = window().local_storage().ok().flatten();
    // A browser without storage forgets the choice with the page: no harm.
    let _ = if let Some(name) = theme.name() {
        let _ = storage.map(|storage| storage.set_item(STORED_AS, name));
        root.set_attribute("data-theme", name)
    } else {
        let _ = storage.map(|storage| storage.remove_item(STORED_AS));
        root.remove_attribute("data-theme")
    };
}
