//! Opening a record in an emergency; for administrators, who did so, and who is left alone.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    access::Permission,
    care_team::{EmergencyAccess, NewEmergencyAccess},
    page::Page,
    patient::PatientListItem,
    problem::Problem,
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        emergencies::{Emergencies, Until},
        field::TextField,
        problem_note::FormProblem,
    },
    language::t,
    session,
};

/// The page.
#[component]
pub fn EmergencyAccessPage() -> impl IntoView {
    set_title(t("Emergency access"));
    view! {
        <div class="page">
            <h1>{t("Emergency access")}</h1>
            {move || session::allows(Permission::BreakGlass).then(|| view! { <BreakGlass /> })}
            {move || session::allows(Permission::ReadAudit).then(|| view! { <Emergencies /><Deserted /> })}
        </div>
    }
}

#[component]
fn BreakGlass() -> impl IntoView {
    let mrn = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let opened = RwSignal::new(None);
    let open = Action::new_local(move |(): &()| async move {
        problem.set(None);
        let wanted =
            NewEmergencyAccess { mrn: mrn.get_untracked(), reason: reason.get_untracked() };
        match api::care_teams::break_glass(&wanted).await {
            Ok(access) => {
                let _ = opened.try_set(Some(access));
            }
            Err(failed) => {
                let _ = problem.try_set(Some(failed));
            }
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !open.pending().get_untracked() {
            open.dispatch_local(());
        }
    };
    view! {
        <form class="card stack" novalidate=true on:submit=submit>
            <p>
                {t("For a patient whose care team you do not belong to. The record opens for a limited \
                 time; your reason and all you do in it are on record, and the care team and the \
                 administrators see them.")}
            </p>
            <FormProblem problem />
            <TextField
                label=t("Medical record number") pointer="/mrn" value=mrn problem form="emergency"
                hint=t("Exactly as it is written") required=true
            />
            <TextField label=t("Reason") pointer="/reason" value=reason problem form="emergency" required=true />
            <div class="form-actions">
                <button type="submit" class="btn btn-primary">{t("Open the record")}</button>
            </div>
            <div role="status">
                {move || opened.get().map(|access: EmergencyAccess| view! {
                    <p>
                        <A href=format!("/patients/{}", access.patient_id) attr:class="identifying">
                            {access.patient_name}
                        </A>
                        " " {t("is open to you until")} " "
                        <Until
                            id=access.id
                            user_id=access.user_id
                            expires_at=access.expires_at
                            ended_at=access.ended_at
                        />
                    </p>
                })}
            </div>
        </form>
    }
}

/// Records that an administrator has to find somebody for.
#[component]
fn Deserted() -> impl IntoView {
    let deserted = LocalResource::new(api::care_teams::deserted);
    view! {
        <section class="card stack" aria-labelledby="deserted">
            <h2 id="deserted">{t("Records without a care team")}</h2>
            <AsyncView resource=deserted render=|page| view! { <Names page /> } />
        </section>
    }
}

#[component]
fn Names(page: Page<PatientListItem>) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <p class="muted">{t("Every patient has somebody.")}</p> }.into_any();
    }
    let lines: Vec<_> = page
        .items
        .into_iter()
        .map(|item| {
            let href = format!("/patients/{}/care-team", item.id);
            view! { <li><A href attr:class="identifying">{item.family_name} ", " {item.given_name}</A></li> }
        })
        .collect();
    let more = page.next_cursor.is_some();
    view! {
        <ul>{lines}</ul>
        {more.then(|| view! { <p class="muted">{t("There are more; give these a team first.")}</p> })}
    }
    .into_any()
}
