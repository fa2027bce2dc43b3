//! A list of records that were opened in an emergency.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use shared::{
    care_team::EmergencyAccess,
    id::{EmergencyAccessId, PatientId, UserId},
    page::Page,
};

use super::{
    async_view::AsyncView,
    more::{More, Paged},
    problem_note::ProblemNote,
};
use crate::{api, format, language::t, session, tf};

/// The accesses to one patient's record, or to all records.
#[component]
pub fn Emergencies(
    /// Whose record; everybody's when it is left out.
    #[prop(optional)]
    patient: Option<PatientId>,
) -> impl IntoView {
    let first = LocalResource::new(move || api::care_teams::emergencies(patient, ""));
    view! {
        <section class="card stack" aria-labelledby="emergencies">
            <h2 id="emergencies">{t("Opened in an emergency")}</h2>
            <AsyncView resource=first render=move |page| view! { <List patient page /> } />
        </section>
    }
}

#[component]
fn List(patient: Option<PatientId>, page: Page<EmergencyAccess>) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <p class="muted">{t("Never so far.")}</p> }.into_any();
    }
    let next =
        move |from: String| async move { api::care_teams::emergencies(patient, &from).await };
    let Paged { items, rest } = Paged::after(page, next);
    let of_all = patient.is_none();
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Opened in an emergency")>
            <table class="table table-tight">
                <thead>
                    <tr>
                        <th scope="col">{t("When")}</th>
                        <th scope="col">{t("Who")}</th>
                        {of_all.then(|| view! { <th scope="col">{t("Patient")}</th> })}
                        <th scope="col">{t("Why")}</th>
                        <th scope="col">{t("Until")}</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || items.get() key=|item| item.id let:item>
                        <tr>
                            <th scope="row" class="nowrap">{format::date_time(item.opened_at)}</th>
                            <td>{item.display_name}</td>
                            {of_all.then(|| view! {
                                <td>
                                    <a class="identifying" href=format!("/patients/{}/care-team", item.patient_id)>
                                        {item.patient_name}
                                    </a>
                                </td>
                            })}
                            <td class="wrap">{item.reason}</td>
                            <td>
                                <Until
                                    id=item.id
                                    user_id=item.user_id
                                    expires_at=item.expires_at
                                    ended_at=item.ended_at
                                />
                            </td>
                        </tr>
                    </For>
                </tbody>
            </table>
        </div>
        <More rest text=t("Load earlier ones") />
    }
    .into_any()
}

/// Until when the record stays open; whoever opened it may end that.
#[component]
pub fn Until(
    /// The access.
    id: EmergencyAccessId,
    /// Who opened it.
    user_id: UserId,
    /// When it ends by itself.
    expires_at: DateTime<Utc>,
    /// When it was ended.
    ended_at: Option<DateTime<Utc>>,
) -> impl IntoView {
    let own = session::user().is_some_and(|user| user.id == user_id);
    let ended = RwSignal::new(ended_at);
    let open = move || own && ended.get().is_none() && format::now() < expires_at;
    let end = Action::new_local(move |(): &()| async move {
        let answer = api::care_teams::end_emergency(id).await;
        if answer.is_ok() {
            let _ = ended.try_set(Some(format::now()));
        }
        answer
    });
    let (pending, answer) = (end.pending(), end.value());
    view! {
        <span class="nowrap" role="status">
            {move || ended.get().map_or_else(
                || format::date_time(expires_at),
                |moment| tf!("ended {when}", when = format::date_time(moment)),
            )}
        </span>
        {move || open().then(|| view! {
            " "
            <button
                type="button"
                class="btn btn-small"
                disabled=move || pending.get()
                on:click=move |_| {
                    end.dispatch_local(());
                }
            >
                {t("End it now")}
            </button>
        })}
        {move || answer.get().and_then(Result::err).map(|problem| view! { <ProblemNote problem /> })}
    }
}
