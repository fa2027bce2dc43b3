//! Rows to take away.

use leptos::{prelude::*, task::spawn_local};
use shared::{problem::Problem, summary::ExportReport};

use crate::{
    api,
    components::{async_view::AsyncView, problem_note::ProblemNote},
    format,
    language::{said, t},
    tf,
};

/// What was done to the rows, and the files.
#[component]
pub fn Rows() -> impl IntoView {
    let report = LocalResource::new(api::summaries::report);
    let problem = RwSignal::new(None::<Problem>);
    let running = RwSignal::new(false);
    let buttons =
        [("CSV", "csv"), ("NDJSON", "ndjson"), ("Parquet", "parquet")].map(|(label, format)| {
            let save = move |_| {
                running.set(true);
                problem.set(None);
                spawn_local(async move {
                    let saved = api::summaries::export(format).await;
                    // The page may be gone by now.
                    let _ = running.try_set(false);
                    let _ = problem.try_set(saved.err());
                });
            };
            view! {
                <button type="button" class="btn" disabled=move || running.get() on:click=save>
                    {tf!("Download {file}", file = label)}
                </button>
            }
        });
    view! {
        <section class="card stack" aria-labelledby="rows">
            <h2 id="rows">{t("Rows without identity")}</h2>
            <AsyncView resource=report rows=4 render=|report| view! { <Report report /> } />
            <div class="row">{buttons.collect_view()}</div>
            {move || problem.get().map(|problem| view! { <ProblemNote problem /> })}
        </section>
    }
}

#[component]
fn Report(report: ExportReport) -> impl IntoView {
    let ExportReport { k, fields, rows, left_out, .. } = report;
    let fields: Vec<_> = fields
        .into_iter()
        .map(|one| view! { <li>{t(one.field.label())} ": " {said(&one.treatment)}</li> })
        .collect();
    let count = |people: i32| format::number(f64::from(people), 0);
    view! {
        <p>
            {tf!(
                "One row for each of about {rows} people; about {left_out} are left out, so that at least {fewest} \
                 share what an outsider may know:",
                rows = count(rows), left_out = count(left_out), fewest = k,
            )}
        </p>
        <ul>{fields}</ul>
    }
}
