//! Asks for a prediction and follows it to its end.

use futures::future::{AbortHandle, abortable};
use leptos::{prelude::*, task::spawn_local};
use shared::{
    prediction::{Prediction, PredictionStatus},
    problem::{Problem, ProblemKind},
};

use super::problem_note::ProblemNote;
use crate::{
    api, format,
    language::{said, t},
    record::Record,
};

/// How far the asking has come.
#[derive(Clone, PartialEq)]
enum Asking {
    /// Nothing is being asked.
    Idle,
    /// The request is on its way.
    Sent,
    /// The server has it.
    Open(Box<Prediction>),
    /// It succeeded, just now.
    Ready,
    /// It ended without a result.
    Ended(String),
    /// The server or the network said no.
    Refused(Problem),
}

/// What the button and what it leads to share.
#[derive(Clone, Copy)]
pub struct Asked {
    state: RwSignal<Asking>,
    following: StoredValue<Option<AbortHandle>>,
    record: Record,
}

impl Asked {
    /// Nothing asked yet. A prediction that is open already is followed.
    pub fn new(record: Record) -> Self {
        let asked =
            Self { state: RwSignal::new(Asking::Idle), following: StoredValue::new(None), record };
        Effect::new(move |_| {
            let Some(Ok(predictions)) = record.predictions.get() else { return };
            let open = predictions.into_iter().find(|one| !one.status.is_final());
            if let (Some(open), true) = (open, asked.state.get_untracked() == Asking::Idle) {
                asked.spawn(async move { asked.follow(open).await });
            }
        });
        on_cleanup(move || asked.stop());
        asked
    }

    fn busy(self) -> bool {
        matches!(self.state.get(), Asking::Sent | Asking::Open(_))
    }

    fn ask(self) {
        self.state.set(Asking::Sent);
        self.spawn(async move {
            match api::predictions::create(self.record.id).await {
                Ok(prediction) => self.follow(prediction).await,
                Err(problem) => {
                    self.state.try_set(Asking::Refused(problem));
                }
            }
        });
    }

    async fn follow(self, prediction: Prediction) {
        let id = prediction.id;
        if prediction.status.is_final() {
            return self.settle(prediction);
        }
        self.state.try_set(Asking::Open(Box::new(prediction)));
        let on_change = |now: &Prediction| {
            if !now.status.is_final() {
                self.state.try_set(Asking::Open(Box::new(now.clone())));
            }
        };
        match api::predictions::events(id, on_change).await {
            Ok(ended) => self.settle(ended),
            Err(problem) => {
                self.state.try_set(Asking::Refused(problem));
            }
        }
    }

    fn settle(self, ended: Prediction) {
        let state = match ended.status {
            PredictionStatus::Succeeded => Asking::Ready,
            PredictionStatus::Cancelled => {
                Asking::Ended(t("The prediction was cancelled.").to_owned())
            }
            _ => Asking::Ended(
                ended.error.as_deref().map_or_else(|| t("It failed.").to_owned(), said),
            ),
        };
        let succeeded = state == Asking::Ready;
        self.state.try_set(state);
        if succeeded {
            self.record.changed.try_set(false);
            self.record.chosen.try_set(Some(ended));
        }
        self.record.predictions.refetch();
    }

    fn cancel(self, prediction: &Prediction) {
        let id = prediction.id;
        spawn_local(async move {
            match api::predictions::cancel(id).await {
                Ok(ended) => {
                    self.stop();
                    self.settle(ended);
                }
                // It ended before the cancelling arrived: the stream says how.
                Err(problem) if problem.kind == ProblemKind::Conflict => {}
                Err(problem) => {
                    self.state.try_set(Asking::Refused(problem));
                }
            }
        });
    }

    fn spawn(self, work: impl Future<Output = ()> + 'static) {
        self.stop();
        let (work, handle) = abortable(work);
        self.following.set_value(Some(handle));
        spawn_local(async move {
            // Being stopped is how it ends when the page goes.
            let _ = work.await;
        });
    }

    fn stop(self) {
        let handle = self.following.try_update_value(Option::take).flatten();
        if let Some(handle) = handle {
            handle.abort();
        }
    }
}

/// The button, for those who may ask.
#[component]
pub fn PredictButton(
    /// The asking.
    asked: Asked,
) -> impl IntoView {
    move || {
        asked.record.predictable().then(|| {
            view! {
                <button
                    type="button"
                    class="btn btn-primary btn-predict no-print"
                    aria-disabled=move || asked.busy().to_string()
                    on:click=move |_| {
                        if !asked.busy() {
                            asked.ask();
                        }
                    }
                >
                    {move || asked.busy().then(|| {
                        view! { <span class="spinner" aria-hidden="true"></span> }
                    })}
                    {t("Predict")}
                </button>
            }
        })
    }
}

/// How far it has come, and what came in between.
#[component]
pub fn PredictProgress(
    /// The asking.
    asked: Asked,
) -> impl IntoView {
    let state = asked.state;
    view! {
        <div role="status" class="progress-place">
            {move || match state.get() {
                Asking::Sent => view! { <Running text=t("Asking for a prediction…") /> }.into_any(),
                Asking::Open(prediction) => {
                    let text = match prediction.status {
                        PredictionStatus::Running => t("Running: the values are being computed…"),
                        _ => t("Queued: waiting for a worker…"),
                    };
                    view! { <Running text asked=(asked, *prediction) /> }.into_any()
                }
                Asking::Ready => view! {
                    <p class="visually-hidden">{t("The prediction is ready.")}</p>
                }
                .into_any(),
                Asking::Ended(why) => view! {
                    <div class="notice"><p>{why}</p></div>
                }
                .into_any(),
                Asking::Idle | Asking::Refused(_) => ().into_any(),
            }}
        </div>
        {move || match state.get() {
            Asking::Refused(problem) if problem.kind == ProblemKind::OutOfScope => {
                Some(view! { <Refusal problem /> }.into_any())
            }
            Asking::Refused(problem) => {
                let retry = Callback::new(move |()| asked.ask());
                Some(view! { <ProblemNote problem retry /> }.into_any())
            }
            _ => None,
        }}
    }
}

#[component]
fn Running(
    text: &'static str,
    #[prop(optional)] asked: Option<(Asked, Prediction)>,
) -> impl IntoView {
    view! {
        <div class="progress-note">
            <span class="spinner" aria-hidden="true"></span>
            <span>{text}</span>
            {asked.map(|(asked, prediction)| view! {
                <button
                    type="button"
                    class="btn btn-small"
                    on:click=move |_| asked.cancel(&prediction)
                >
                    {t("Cancel")}
                </button>
            })}
        </div>
    }
}

/// What is missing, one by one, and what to do about it.
#[component]
fn Refusal(problem: Problem) -> impl IntoView {
    let reasons: Vec<_> = problem
        .errors
        .iter()
        .map(|error| view! { <li>{sentence(&said(&error.message))}</li> })
        .collect();
    view! {
        <div class="notice notice-warning" role="alert">
            <p class="notice-title">{said(&problem.title)}</p>
            {problem.detail.map(|detail| view! { <p>{said(&detail)}</p> })}
            <ul aria-label=t("What is missing")>{reasons}</ul>
        </div>
    }
}

/// The server's fragments as sentences.
fn sentence(message: &str) -> String {
    let text = format::capitalised(message);
    if text.ends_with('.') { text } else { format!("{text}.") }
}
