//! Who cares for a patient: share, hand over, leave; and who opened the record in an emergency.

use leptos::prelude::*;
use leptos_router::{
    components::A,
    hooks::{use_navigate, use_params_map},
};
use shared::{
    care_team::{CareTeam, CareTeamMember},
    id::{PatientId, UserId},
    patient::Patient,
    problem::{Problem, ProblemKind},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView, emergencies::Emergencies, field::TextField,
        problem_note::FormProblem,
    },
    format,
    language::t,
    session, tf,
};

/// The page.
#[component]
pub fn CareTeamPage() -> impl IntoView {
    set_title(t("Care team"));
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")?.parse::<PatientId>().ok()));
    let start = LocalResource::new(move || start(id.get()));
    view! {
        <div class="page">
            <AsyncView resource=start render=|(patient, team)| view! { <Team patient team /> } />
        </div>
    }
}

async fn start(id: Option<PatientId>) -> api::Result<(Patient, CareTeam)> {
    let id = id.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    Ok((api::patients::read(id).await?, api::care_teams::read(id).await?))
}

/// What one can do to a team.
#[derive(Clone, Copy)]
enum Change {
    Add(UserId),
    Remove(UserId),
    HandOver(UserId),
}

async fn made(id: PatientId, change: Change) -> api::Result<Option<CareTeam>> {
    match change {
        Change::Add(user) => api::care_teams::add(id, user).await.map(Some),
        Change::HandOver(user) => {
            api::care_teams::hand_over(id, user).await?;
            Ok(None)
        }
        Change::Remove(user) => {
            api::care_teams::remove(id, user).await?;
            let is_self = session::user().is_some_and(|own| own.id == user);
            if is_self { Ok(None) } else { api::care_teams::read(id).await.map(Some) }
        }
    }
}

#[component]
fn Team(patient: Patient, team: CareTeam) -> impl IntoView {
    let id = patient.id;
    let name = format!("{} {}", patient.given_name, patient.family_name);
    let team = RwSignal::new(team);
    let problem = RwSignal::new(None::<Problem>);
    let navigate = use_navigate();
    let change = Action::new_local(move |change: &Change| {
        let (change, navigate) = (*change, navigate.clone());
        async move {
            problem.set(None);
            match made(id, change).await {
                Ok(Some(now)) => {
                    let _ = team.try_set(now);
                }
                // Out of the team the record may be out of sight.
                Ok(None) => navigate("/patients", leptos_router::NavigateOptions::default()),
                Err(failed) => {
                    let _ = problem.try_set(Some(failed));
                }
            }
        }
    });
    let ask = Callback::new(move |wanted: Change| {
        if !change.pending().get_untracked() {
            change.dispatch_local(wanted);
        }
    });
    view! {
        <header class="page-head">
            <div>
                <h1>{t("Care team")}</h1>
                <p><A href=format!("/patients/{id}") attr:class="identifying">{name}</A></p>
            </div>
        </header>
        <section class="card stack" aria-labelledby="members">
            <h2 id="members">{t("Members")}</h2>
            <FormProblem problem />
            <ul class="records">
                {move || team.with(|team| {
                    let may_change = team.may_change;
                    team.members
                        .iter()
                        .map(|member| view! { <Member member=member.clone() may_change ask /> })
                        .collect::<Vec<_>>()
                })}
            </ul>
            {move || team.with(|team| team.members.is_empty()).then(|| view! {
                <p class="muted">{t("Nobody yet.")}</p>
            })}
        </section>
        {move || team.with(|team| team.may_change).then(|| view! { <Share team ask /> })}
        <Emergencies patient=id />
    }
}

fn is_own(user: UserId) -> bool {
    session::user().is_some_and(|own| own.id == user)
}

#[component]
fn Member(member: CareTeamMember, may_change: bool, ask: Callback<Change>) -> impl IntoView {
    let id = member.user_id;
    let since = format::date_time(member.since);
    let since = match member.added_by {
        Some(name) => tf!("Since {since}, added by {name}", since = since, name = name),
        None => tf!("Since {since}", since = since),
    };
    let (text, label) = if is_own(id) {
        (t("Leave"), t("Leave the care team").to_owned())
    } else {
        (t("Remove"), tf!("Remove {name}", name = member.display_name))
    };
    view! {
        <li class="record">
            <div>
                <strong>{member.display_name}</strong>
                {(!member.active).then(|| view! { " " <span class="badge badge-quiet">{t("no longer active")}</span> })}
                <p class="fine">{since}</p>
            </div>
            {may_change.then(|| view! {
                <button
                    type="button"
                    class="btn btn-small"
                    aria-label=label
                    on:click=move |_| ask.run(Change::Remove(id))
                >
                    {text}
                </button>
            })}
        </li>
    }
}

/// Finds a colleague to share with or to hand over to.
#[component]
fn Share(team: RwSignal<CareTeam>, ask: Callback<Change>) -> impl IntoView {
    let q = RwSignal::new(String::new());
    let none = RwSignal::new(None::<Problem>);
    let found = LocalResource::new(move || {
        let q = q.get();
        async move { api::care_teams::colleagues(q.trim()).await }
    });
    let belongs =
        move |id| team.with(|team| team.members.iter().any(|member| member.user_id == id));
    view! {
        <section class="card stack" aria-labelledby="share">
            <h2 id="share">{t("Share or hand over")}</h2>
            <TextField
                label=t("Colleague") pointer="/q" value=q problem=none form="colleague"
                hint=t("Part of the name; the first 20 are shown")
            />
            <AsyncView
                resource=found
                render=move |page| {
                    let lines: Vec<_> = page
                        .items
                        .into_iter()
                        .filter(|one| !is_own(one.id))
                        .map(|one| {
                            let (id, name) = (one.id, one.display_name);
                            let share = tf!("Share with {name}", name = name);
                            let hand_over = tf!("Hand over to {name}", name = name);
                            view! {
                                <li class="record">
                                    <strong>{name}</strong>
                                    <div class="row">
                                        {move || (!belongs(id)).then(|| view! {
                                            <button
                                                type="button"
                                                class="btn btn-small"
                                                aria-label=share.clone()
                                                on:click=move |_| ask.run(Change::Add(id))
                                            >
                                                {t("Share")}
                                            </button>
                                        })}
                                        {move || session::user().is_some_and(|own| belongs(own.id)).then(|| view! {
                                            <button
                                                type="button"
                                                class="btn btn-small btn-quiet"
                                                aria-label=hand_over.clone()
                                                on:click=move |_| ask.run(Change::HandOver(id))
                                            >
                                                {t("Hand over")}
                                            </button>
                                        })}
                                    </div>
                                </li>
                            }
                        })
                        .collect();
                    view! { <ul class="records">{lines}</ul> }
                }
            />
        </section>
    }
}
