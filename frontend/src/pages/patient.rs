//! One patient's record.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use shared::{
    id::PatientId,
    problem::{Problem, ProblemKind},
};

use crate::{api, components::async_view::AsyncView};

/// The page of one patient.
#[component]
pub fn PatientPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")));
    let patient = LocalResource::new(move || {
        let id = id.get().and_then(|id| id.parse::<PatientId>().ok());
        async move {
            match id {
                Some(id) => api::patients::read(id).await,
                None => Err(Problem::new(ProblemKind::NotFound)),
            }
        }
    });
    view! {
        <div class="page">
            <AsyncView
                resource=patient
                render=|patient| view! { <h1>{patient.given_name} " " {patient.family_name}</h1> }
            />
        </div>
    }
}
