//! Archived records, for administrators: how long each has to be kept, and erasing it after that.

use leptos::prelude::*;
use shared::{
    erasure::{ArchivedRecord, NewErasure},
    page::Page,
    problem::Problem,
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        dialog::Dialog,
        field::TextField,
        more::{More, Paged},
        record_form::RecordForm,
    },
    format,
    language::t,
    tf,
};

/// The page.
#[component]
pub fn ArchivedRecordsPage() -> impl IntoView {
    set_title(t("Archived records"));
    let erased = RwSignal::new(false);
    let records = LocalResource::new(move || {
        let erased = erased.get();
        async move { api::erasures::list(erased, "").await.map(|page| (erased, page)) }
    });
    let chosen = RwSignal::new(None::<ArchivedRecord>);
    let close = Callback::new(move |()| chosen.set(None));
    let done = Callback::new(move |()| {
        chosen.set(None);
        records.refetch();
    });
    view! {
        <div class="page">
            <div class="page-head"><h1>{t("Archived records")}</h1></div>
            <p>
                {t("Clinicians archive records. When one no longer has to be kept, erasing it takes out \
                 whose it was, for good; what was measured stays.")} " "
                <a href="/settings">{t("How long records are kept is a setting.")}</a>
            </p>
            <section class="card stack" aria-label=t("Records")>
                <label class="check">
                    <input
                        type="checkbox"
                        prop:checked=move || erased.get()
                        on:change:target=move |event| erased.set(event.target().checked())
                    />
                    {t("Erased ones")}
                </label>
                <AsyncView
                    resource=records
                    render=move |(erased, page)| view! { <List erased page chosen /> }
                />
            </section>
            {move || chosen.get().map(|record| view! { <EraseDialog record close done /> })}
        </div>
    }
}

/// The first page and those loaded after it.
#[component]
fn List(
    erased: bool,
    page: Page<ArchivedRecord>,
    chosen: RwSignal<Option<ArchivedRecord>>,
) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <p class="muted">{t("There is none.")}</p> }.into_any();
    }
    let Paged { items, rest } =
        Paged::after(page, move |from| async move { api::erasures::list(erased, &from).await });
    view! {
        <ul class="records">
            <For each=move || items.get() key=|record| record.patient_id let:record>
                <Line record chosen />
            </For>
        </ul>
        <More rest />
    }
    .into_any()
}

#[component]
fn Line(record: ArchivedRecord, chosen: RwSignal<Option<ArchivedRecord>>) -> impl IntoView {
    let href = format!("/patients/{}", record.patient_id);
    let archived = format::date_of(record.archived_at);
    let story = match (record.erased_at, &record.erased_by, &record.reason) {
        (Some(at), by, reason) => tf!(
            "Archived {archived}, erased {erased} by {who}: {reason}",
            archived = archived,
            erased = format::date_of(at),
            who = by.as_deref().unwrap_or(t("somebody")),
            reason = reason.as_deref().unwrap_or_default(),
        ),
        (None, ..) => tf!(
            "Archived {archived}, kept until {until}",
            archived = archived,
            until = format::date_of(record.keep_until),
        ),
    };
    let may_go = record.erased_at.is_none() && record.keep_until <= format::now();
    let label = tf!("Erase the record of {name}", name = record.patient_name);
    view! {
        <li class="record">
            <div>
                <a href=href>{record.patient_name.clone()}</a> " " <span class="when">{record.mrn.clone()}</span>
                <p class="fine">{story}</p>
            </div>
            {may_go.then(|| view! {
                <button
                    type="button"
                    class="btn btn-small btn-danger"
                    aria-label=label
                    on:click=move |_| chosen.set(Some(record.clone()))
                >
                    {t("Erase")}
                </button>
            })}
        </li>
    }
}

/// Asks for the number and the reason: it cannot be taken back.
#[component]
fn EraseDialog(record: ArchivedRecord, close: Callback<()>, done: Callback<()>) -> impl IntoView {
    let id = record.patient_id;
    let mrn = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        let new = NewErasure { mrn: mrn.get_untracked(), reason: reason.get_untracked() };
        match api::erasures::erase(id, &new).await {
            Ok(_) => done.run(()),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=tf!("Erase the record of {name}?", name = record.patient_name) id="erase" close>
            <p>
                {t("Names, number, day of birth, notes, documents and the patient’s own account are \
                 destroyed. Nobody can take that back. The audit log keeps who did what.")}
            </p>
            <RecordForm save verb=t("Erase for good") close problem>
                <TextField
                    label=t("Medical record number") pointer="/mrn" value=mrn problem form="erase"
                    hint=t("Once more, exactly") required=true
                />
                <TextField
                    label=t("Reason") pointer="/reason" value=reason problem form="erase" required=true
                    hint=t("Such as the number of the request; it stays")
                />
            </RecordForm>
        </Dialog>
    }
}
