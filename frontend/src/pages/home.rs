//! `/`: straight on to where the person's work is.

use leptos::prelude::*;
use leptos_router::components::Redirect;
use shared::{access::Permission, user::User};

use crate::components::guard::Guard;
use crate::{record, session};

/// Leads everybody to their first page.
#[component]
pub fn HomePage() -> impl IntoView {
    view! {
        <Guard needs=Permission::UseOwnAccount>
            {move || session::user().map(|user| view! { <Redirect path=first_page(&user) /> })}
        </Guard>
    }
}

/// Where a person's work is.
pub fn first_page(user: &User) -> String {
    if user.role.allows(Permission::ListPatients) {
        return "/patients".to_owned();
    }
    match user.patient_id {
        Some(_) if user.role.allows(Permission::ReadPatients) => record::OWN.to_owned(),
        _ if user.role.allows(Permission::ReadSummaries) => "/research".to_owned(),
        _ => "/about".to_owned(),
    }
}
