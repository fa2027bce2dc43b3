//! Records of people who may be the one who is about to be registered: born on the same day, with one
//! of the names alike.

use chrono::{Datelike, NaiveDate};
use leptos::prelude::*;
use leptos_router::components::A;
use shared::{page::Page, patient::PatientListItem};

use super::patient_draft::Draft;
use crate::{
    api::{self, patients::ListQuery},
    language::t,
};

/// Names them, at the lower edge of the screen, so that nothing moves while the form is filled in; nothing as long
/// as nobody fits.
#[component]
pub fn PerhapsKnown(
    /// What is typed.
    draft: Draft,
) -> impl IntoView {
    let born = Memo::new(move |_| {
        let day = draft.birth_date.with(|text| text.parse::<NaiveDate>().ok());
        // While the year is being typed it passes through the first millennium.
        day.filter(|day| 1900 <= day.year())
    });
    let alike = LocalResource::new(move || born_on(born.get()));
    let found = move || {
        let born_then = alike.get().flatten()?;
        let names = [draft.family_name, draft.given_name].map(|name| folded(&name.get()));
        let fits = born_then.items.into_iter().filter(|one| {
            let recorded = [folded(&one.family_name), folded(&one.given_name)];
            // Also where family and given name changed places.
            names.iter().any(|name| !name.is_empty() && recorded.contains(name))
        });
        let lines: Vec<_> = fits.map(|one| view! { <Known one /> }).collect();
        (!lines.is_empty()).then(|| {
            view! {
                <div class="notice notice-warning">
                    <p class="notice-title">{t("Perhaps this person is recorded already")}</p>
                    <p>{t("Born on the same day, with one of the names alike:")}</p>
                    <ul>{lines}</ul>
                </div>
            }
        })
    };
    view! { <div role="status" class="perhaps-known">{found}</div> }
}

#[component]
fn Known(one: PatientListItem) -> impl IntoView {
    view! {
        <li>
            <A href=format!("/patients/{}", one.id) attr:class="identifying">
                {one.family_name} ", " {one.given_name}
            </A>
            " "
            <code class="identifying">{one.mrn}</code>
        </li>
    }
}

async fn born_on(day: Option<NaiveDate>) -> Option<Page<PatientListItem>> {
    let wanted = ListQuery { q: day?.to_string(), ..ListQuery::default() };
    // A hint that cannot be had keeps nobody from registering.
    api::patients::list(&wanted).await.ok()
}

/// A name without what people write now one way, now the other.
fn folded(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
