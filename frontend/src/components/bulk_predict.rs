//! Asks for predictions of everybody in a list, and follows them to their end.

use futures::future::{AbortHandle, abortable};
use leptos::{prelude::*, task::spawn_local};
use shared::{
    patient::PatientFilter,
    prediction_batch::{PredictionBatch, PredictionBatchStatus},
    problem::{Problem, ProblemKind},
};

use super::{dialog::Dialog, problem_note::ProblemNote};
use crate::{
    api, format,
    language::{said, t},
    tf, tn,
};

/// How far it has come.
#[derive(Clone, PartialEq)]
enum Asking {
    /// Nothing is being asked.
    Idle,
    /// Whether it is meant.
    Confirm,
    /// The request is on its way.
    Sent,
    /// The server has it.
    Open(PredictionBatch),
    /// It ended.
    Ended(PredictionBatch),
    /// The server or the network said no.
    Refused(Problem),
}

/// What the button and what it leads to share.
#[derive(Clone, Copy)]
pub struct Bulk {
    state: RwSignal<Asking>,
    following: StoredValue<Option<AbortHandle>>,
    done: Callback<()>,
}

impl Bulk {
    /// Nothing asked yet; `done` is told when predictions have been made.
    pub fn new(done: Callback<()>) -> Self {
        let bulk =
            Self { state: RwSignal::new(Asking::Idle), following: StoredValue::new(None), done };
        on_cleanup(move || bulk.stop());
        bulk
    }

    fn busy(self) -> bool {
        matches!(self.state.get(), Asking::Sent | Asking::Open(_))
    }

    fn ask(self, filter: PatientFilter) {
        self.state.set(Asking::Sent);
        self.stop();
        let (work, handle) = abortable(async move {
            let ended = match api::prediction_batches::create(filter).await {
                Ok(batch) => {
                    let id = batch.id;
                    self.state.try_set(Asking::Open(batch));
                    let on_change = |now: &PredictionBatch| {
                        self.state.try_set(Asking::Open(now.clone()));
                    };
                    api::prediction_batches::events(id, on_change).await
                }
                Err(problem) => Err(problem),
            };
            match ended {
                Ok(batch) => self.settle(batch),
                Err(problem) => {
                    self.state.try_set(Asking::Refused(problem));
                }
            }
        });
        self.following.set_value(Some(handle));
        spawn_local(async move {
            // Being stopped is how it ends when the page goes; the server goes on.
            let _ = work.await;
        });
    }

    fn settle(self, batch: PredictionBatch) {
        self.state.try_set(Asking::Ended(batch));
        // An answer to cancelling may come when the page has gone: then nobody is to be told.
        let _ = self.done.try_run(());
    }

    fn cancel(self, batch: &PredictionBatch) {
        let id = batch.id;
        spawn_local(async move {
            match api::prediction_batches::cancel(id).await {
                Ok(batch) => {
                    self.stop();
                    self.settle(batch);
                }
                // It ended before the cancelling arrived: the stream says how.
                Err(problem) if problem.kind == ProblemKind::Conflict => {}
                Err(problem) => {
                    self.state.try_set(Asking::Refused(problem));
                }
            }
        });
    }

    fn stop(self) {
        let handle = self.following.try_update_value(Option::take).flatten();
        if let Some(handle) = handle {
            handle.abort();
        }
    }
}

/// The button, and the question behind it.
#[component]
pub fn BulkButton(
    /// The asking.
    bulk: Bulk,
    /// Whom the list shows now.
    filter: Memo<PatientFilter>,
) -> impl IntoView {
    let state = bulk.state;
    let close = move |()| {
        // A question that was answered with yes is no longer one.
        if state.with_untracked(|state| *state == Asking::Confirm) {
            state.set(Asking::Idle);
        }
    };
    let everybody = move || filter.with(|filter| *filter == PatientFilter::default());
    view! {
        <button
            type="button"
            class="btn"
            aria-disabled=move || bulk.busy().to_string()
            on:click=move |_| {
                if !state.with_untracked(|state| matches!(state, Asking::Sent | Asking::Open(_))) {
                    state.set(Asking::Confirm);
                }
            }
        >
            {t("Predict all in this view")}
        </button>
        {move || (state.get() == Asking::Confirm).then(|| view! {
            <Dialog title=t("Predict all in this view?") id="bulk" close>
                <p>
                    {if everybody() {
                        t("A prediction is made for every patient whom you see: nothing narrows the list.")
                    } else {
                        t("A prediction is made for every patient whom the search and the filters leave, \
                         also those further down the list.")
                    }}
                </p>
                <p class="fine">
                    {t("Predictions that somebody asks for singly go first. Who cannot be predicted is \
                     counted, with the reasons.")}
                </p>
                <div class="form-actions">
                    <button
                        type="button"
                        class="btn btn-primary"
                        on:click=move |_| bulk.ask(filter.get_untracked())
                    >
                        {t("Predict all")}
                    </button>
                    <button type="button" class="btn btn-quiet" on:click=move |_| close(())>
                        {t("Cancel")}
                    </button>
                </div>
            </Dialog>
        })}
    }
}

/// How far it has come, and what came of it.
#[component]
pub fn BulkProgress(
    /// The asking.
    bulk: Bulk,
) -> impl IntoView {
    let state = bulk.state;
    // Counts change twice a second: they are shown, and only beginning and end are announced.
    let announced = Memo::new(move |_| match state.get() {
        Asking::Sent | Asking::Open(_) => t("Predicting all in this view.").to_owned(),
        Asking::Ended(batch) => outcome(&batch),
        _ => String::new(),
    });
    view! {
        <p class="visually-hidden" role="status">{announced}</p>
        {move || match state.get() {
            Asking::Idle | Asking::Confirm => ().into_any(),
            Asking::Sent => view! { <p class="progress-note">{t("Asking for predictions…")}</p> }.into_any(),
            Asking::Open(batch) => view! { <Running bulk batch /> }.into_any(),
            Asking::Ended(batch) => view! { <Outcome bulk batch /> }.into_any(),
            Asking::Refused(problem) => view! {
                <ProblemNote problem />
                <Close bulk />
            }
            .into_any(),
        }}
    }
}

#[component]
fn Running(bulk: Bulk, batch: PredictionBatch) -> impl IntoView {
    let text = match batch.total {
        None => t("Listing the patients…").to_owned(),
        Some(total) => {
            let open = batch.queued + batch.running;
            tf!(
                "{done} of {total} predicted or refused",
                done = number(total - open),
                total = number(total)
            )
        }
    };
    view! {
        <div class="progress-note">
            <progress max="1" value=batch.progress aria-label=t("Predictions of this view")></progress>
            <span>{text}</span>
            <button type="button" class="btn btn-small" on:click=move |_| bulk.cancel(&batch)>
                {t("Cancel")}
            </button>
        </div>
    }
}

/// What came of a batch, in a sentence.
fn outcome(batch: &PredictionBatch) -> String {
    let PredictionBatch { succeeded, failed, cancelled, refused, .. } = batch;
    let parts = [
        Some(tn!(*succeeded, "{n} predicted", "{n} predicted")),
        (0 < *refused).then(|| tn!(*refused, "{n} cannot be predicted", "{n} cannot be predicted")),
        (0 < *failed).then(|| tn!(*failed, "{n} failed", "{n} failed")),
        (0 < *cancelled).then(|| tn!(*cancelled, "{n} called off", "{n} called off")),
    ];
    let counts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match batch.status {
        PredictionBatchStatus::Cancelled => tf!("Called off: {counts}.", counts = counts),
        PredictionBatchStatus::Failed => tf!("Given up: {counts}.", counts = counts),
        _ => tf!("Done: {counts}.", counts = counts),
    }
}

fn number(count: i64) -> String {
    format::number(count as f64, 0)
}

#[component]
fn Outcome(bulk: Bulk, batch: PredictionBatch) -> impl IntoView {
    let sentence = outcome(&batch);
    let reasons: Vec<_> = batch
        .reasons
        .into_iter()
        .map(|one| view! { <li>{number(one.patients)} ": " {said(&one.reason)}</li> })
        .collect();
    view! {
        <div class="notice">
            <p class="notice-title">{sentence}</p>
            {batch.error.map(|error| view! { <p>{said(&error)}</p> })}
            {(!reasons.is_empty()).then(|| view! {
                <ul aria-label=t("Why some cannot be predicted")>{reasons}</ul>
            })}
            <Close bulk />
        </div>
    }
}

/// Takes what came of it off the page.
#[component]
fn Close(bulk: Bulk) -> impl IntoView {
    view! {
        <button type="button" class="btn btn-small" on:click=move |_| bulk.state.set(Asking::Idle)>
            {t("Close")}
        </button>
    }
}
