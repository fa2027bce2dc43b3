//! End points.

use leptos::prelude::*;
use shared::{
    outcome::{NewOutcome, OutcomeKind},
    problem::{FieldProblem, Problem},
};

use super::{
    async_view::AsyncView,
    dialog::Dialog,
    field::{SelectField, TextField},
    record_form::{RecordForm, incomplete, read_day, wire_name},
};
use crate::{api, format, kept::Kept, language::t, record::Record};

const KINDS: [OutcomeKind; 3] =
    [OutcomeKind::Dialysis, OutcomeKind::Transplant, OutcomeKind::Death];

/// The list, and a way to add to it.
#[component]
pub fn Outcomes() -> impl IntoView {
    let record = Record::here();
    let adding = RwSignal::new(false);
    view! {
        <section class="card" aria-labelledby="outcomes">
            <div class="card-head">
                <h2 id="outcomes">{t("Outcomes")}</h2>
                {move || record.editable().then(|| view! {
                    <button type="button" class="btn btn-small no-print" on:click=move |_| adding.set(true)>
                        {t("Add outcome")}
                    </button>
                })}
            </div>
            <AsyncView
                resource=record.outcomes
                render=|outcomes| {
                    if outcomes.items.is_empty() {
                        return view! {
                            <p class="muted">{t("None recorded: no dialysis, no transplant.")}</p>
                        }
                        .into_any();
                    }
                    let lines: Vec<_> = outcomes
                        .items
                        .into_iter()
                        .map(|outcome| view! {
                            <li class="record">
                                <div>
                                    <p><strong>{t(outcome.kind.label())}</strong></p>
                                    <p class="fine">{format::date(outcome.occurred_on)}</p>
                                </div>
                            </li>
                        })
                        .collect();
                    view! { <ul class="records">{lines}</ul> }.into_any()
                }
            />
            {move || adding.get().then(|| view! {
                <Add close=Callback::new(move |()| adding.set(false)) />
            })}
        </section>
    }
}

#[component]
fn Add(close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let kind = RwSignal::new(String::new());
    let day = RwSignal::new(String::new());
    let kept = Kept::of(&format!("outcome.{}", record.id)).fields(&[kind, day]);
    let close = kept.closing(close);
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let kind = KINDS.into_iter().find(|one| wire_name(one) == kind.get_untracked());
        if kind.is_none() {
            errors.push(FieldProblem::new("/kind", t("Choose what happened.")));
        }
        let day =
            read_day("/occurred_on", &day.get_untracked()).map_err(|wrong| errors.push(wrong));
        match (kind, day) {
            (Some(kind), Ok(occurred_on)) => Ok(NewOutcome { kind, occurred_on }),
            _ => Err(incomplete(errors)),
        }
    };
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read() {
            Ok(new) => api::outcomes::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match saved {
            Ok(_) => {
                record.changed.set(true);
                record.outcomes.refetch();
                close.run(());
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let choose = (String::new(), t("Choose…").to_owned());
    let kinds = KINDS.map(|kind| (wire_name(kind), t(kind.label()).to_owned()));
    let options: Vec<(String, String)> = std::iter::once(choose).chain(kinds).collect();
    view! {
        <Dialog title=t("Add outcome") id="add-outcome" close>
            <RecordForm save verb=t("Save") close problem>
                <p class="muted">
                    {t("After dialysis, a transplant or death no prediction is made any more. An \
                    outcome cannot be removed.")}
                </p>
                <SelectField label=t("What happened") pointer="/kind" value=kind options problem form="outcome" required=true />
                <TextField label=t("When") pointer="/occurred_on" kind="date" value=day problem form="outcome" required=true />
            </RecordForm>
        </Dialog>
    }
}
