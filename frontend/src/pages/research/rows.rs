//! Rows to take away.

use leptos::{prelude::*, task::spawn_local};
use shared::{problem::Problem, summary::ExportReport};

use crate::{
    api,
    components::{async_view::AsyncView, problem_note::ProblemNote},
    format,
    language::t,
};

/// What was done to the rows, and the files.
#[component]
pub fn Rows() -> impl IntoView {
    let report = LocalResource::new(api::summaries::report);
    let problem = RwSignal::new(None::<Problem>);
    let running = RwSignal::new(false);
    let buttons =
        [("CSV", "csv"), ("NDJSON", "ndjson"), (t("Parquet"), "parquet")].map(|(label, format)| {
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
                    {t("Download")} " " {label}
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
        .map(|one| view! { <li>{one.field.label()} ": " {one.treatment}</li> })
        .collect();
    let count = |people: i32| format::number(f64::from(people), 0);
    view! {
        <p>
            {format!(
                "One row for each of about {} people; about {} are left out, so that at least {k} share what an \
                 outsider may know:",
                count(rows), count(left_out),
            )}
        </p>
        <ul>{fields}</ul>
    }
}
