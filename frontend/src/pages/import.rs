//! Patients and values from a file: choose it, say what its columns hold, see what would become of
//! each row, and only then take it.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;
use shared::{
    import::{ImportColumn, ImportField, ImportOutcome, ImportReport, ImportRow, LARGEST},
    problem::{Problem, ProblemKind},
};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DragEvent, File, FileList};

use crate::{
    api::{
        self,
        imports::{CSV, NDJSON},
        transport,
    },
    app::set_title,
    components::problem_note::FormProblem,
    format,
    imports::{LEFT_OUT, Piece, faulty_rows, first_choice, heads, pieces, wrong},
    language::{said, t},
    tf, tn,
};

/// Where the browser keeps what the columns of a file hold, for the next one with the same heads.
const REMEMBERED: &str = "nephrocast-import:";
/// How many faulty rows are shown; all of them can be saved.
const MOST_SHOWN: usize = 200;

/// A file that was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chosen {
    name: String,
    text: String,
    media_type: &'static str,
}

/// How far an import has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    /// How many rows have been sent, of how many.
    sent: usize,
    of: usize,
    created: usize,
    existing: usize,
    faulty: Vec<ImportRow>,
}

/// What the page knows.
#[derive(Clone, Copy)]
struct State {
    file: RwSignal<Option<Chosen>>,
    /// What each column is taken for: a field's name, `-`, or nothing yet.
    columns: RwSignal<Vec<String>>,
    /// What the last rehearsal said.
    report: RwSignal<Option<ImportReport>>,
    /// Whether that was with these columns.
    is_checked: RwSignal<bool>,
    /// Pieces that are still to be sent.
    left: RwSignal<Vec<Piece>>,
    taken: RwSignal<Option<Taken>>,
    busy: RwSignal<bool>,
    stopping: RwSignal<bool>,
    problem: RwSignal<Option<Problem>>,
}

/// The page.
#[component]
pub fn ImportPage() -> impl IntoView {
    set_title(t("Import"));
    let state = State {
        file: RwSignal::new(None),
        columns: RwSignal::new(Vec::new()),
        report: RwSignal::new(None),
        is_checked: RwSignal::new(false),
        left: RwSignal::new(Vec::new()),
        taken: RwSignal::new(None),
        busy: RwSignal::new(false),
        stopping: RwSignal::new(false),
        problem: RwSignal::new(None),
    };
    view! {
        <div class="page">
            <div class="page-head">
                <div>
                    <h1>{t("Import")}</h1>
                    <p>{t("Patients, or laboratory values of patients who are registered, from a file")}</p>
                </div>
            </div>
            <Choose state />
            <div aria-live="polite">
                {move || state.busy.get().then(|| view! { <p class="muted">{t("Working…")}</p> })}
            </div>
            <FormProblem problem=Signal::derive(move || state.problem.get()) />
            {move || state.report.get().filter(|_| state.taken.with(Option::is_none)).map(|report| {
                view! {
                    <Columns state columns=report.columns.clone() />
                    <Rehearsal state report />
                }
            })}
            {move || state.taken.with(Option::is_some).then(|| view! { <Progress state /> })}
        </div>
    }
}

/// Where the file is dropped or chosen.
#[component]
fn Choose(state: State) -> impl IntoView {
    let over = RwSignal::new(false);
    let choose = move |files: Option<FileList>| {
        let running =
            state.busy.get_untracked() || state.left.with_untracked(|left| !left.is_empty());
        if let Some(file) = files.and_then(|files| files.get(0)).filter(|_| !running) {
            spawn_local(open(state, file));
        }
    };
    view! {
        <section
            class="card stack drop"
            class:drop-over=move || over.get()
            aria-labelledby="choose-file"
            on:dragover=move |event: DragEvent| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=move |event: DragEvent| {
                event.prevent_default();
                over.set(false);
                choose(event.data_transfer().and_then(|dragged| dragged.files()));
            }
        >
            <h2 id="choose-file">{t("File")}</h2>
            <div class="field">
                <label for="file">{t("CSV or NDJSON, UTF-8, up to 8 MiB and 10,000 rows. Or drop it here.")}</label>
                <input
                    type="file" id="file" accept=".csv,.tsv,.txt,.ndjson,.jsonl"
                    on:change:target=move |event| {
                        choose(event.target().files());
                        // The same file can be chosen again, corrected.
                        event.target().set_value("");
                    }
                />
            </div>
            {move || state.file.get().map(|file| view! { <p>{t("Chosen:")} " " <strong>{file.name}</strong></p> })}
        </section>
    }
}

fn too_large() -> Problem {
    Problem {
        detail: Some(t("A file has at most 8 MiB: cut it into several.").to_owned()),
        ..Problem::new(ProblemKind::TooLarge)
    }
}

fn not_utf_8() -> Problem {
    Problem {
        detail: Some(
            t("The file is not UTF-8: save it as “CSV UTF-8”. Guessing would break names.")
                .to_owned(),
        ),
        ..Problem::new(ProblemKind::Invalid)
    }
}

/// Reads a file and rehearses it.
async fn open(state: State, file: File) {
    state.report.set(None);
    state.taken.set(None);
    state.left.set(Vec::new());
    state.file.set(None);
    if (LARGEST as f64) < file.size() {
        state.problem.set(Some(too_large()));
        return;
    }
    let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string());
    // What a browser cannot read as UTF-8 it replaces.
    let Some(text) = text.filter(|text| !text.contains('\u{fffd}')) else {
        let _ = state.problem.try_set(Some(not_utf_8()));
        return;
    };
    let media_type = if text.trim_start().starts_with('{') { NDJSON } else { CSV };
    let chosen = Chosen { name: file.name(), text, media_type };
    let Some(()) = state.file.try_update(|file| *file = Some(chosen)) else { return };
    state.columns.set(Vec::new());
    rehearse(state).await;
    let Some(report) = state.report.get_untracked() else { return };
    let remembered = remembered(&report.columns);
    let choice = first_choice(&report.columns, remembered.as_deref());
    let is_guessed = report
        .columns
        .iter()
        .zip(&choice)
        .all(|(column, choice)| column.field.map_or("", ImportField::name) == choice);
    let is_whole = !choice.iter().any(String::is_empty);
    state.columns.set(choice);
    if is_whole && !is_guessed {
        rehearse(state).await;
    }
}

/// Asks what would become of each row.
async fn rehearse(state: State) {
    let Some(Chosen { text, media_type, .. }) = state.file.get_untracked() else { return };
    let columns = state.columns.get_untracked().join(",");
    state.busy.set(true);
    state.problem.set(None);
    let answer = api::imports::send(text, media_type, &columns, true).await;
    // Whoever waits may have left the page.
    if state.busy.try_set(false).is_some() {
        return;
    }
    match answer {
        Ok(report) => {
            if report.problems.is_empty() {
                remember(&report.columns, &columns);
            }
            state.is_checked.set(report.problems.is_empty());
            state.report.set(Some(report));
        }
        Err(problem) => state.problem.set(Some(problem)),
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn remembered(columns: &[ImportColumn]) -> Option<String> {
    storage()?.get_item(&format!("{REMEMBERED}{}", heads(columns))).ok().flatten()
}

fn remember(columns: &[ImportColumn], chosen: &str) {
    // By the heads alone the server knows them again as well.
    if let Some(storage) = storage().filter(|_| !chosen.is_empty()) {
        // A full storage remembers nothing more, and that is all.
        let _ = storage.set_item(&format!("{REMEMBERED}{}", heads(columns)), chosen);
    }
}

/// What each column holds, and what stands in the first rows.
#[component]
fn Columns(state: State, columns: Vec<ImportColumn>) -> impl IntoView {
    let rows: Vec<_> = columns
        .into_iter()
        .enumerate()
        .map(|(index, column)| {
            let samples: Vec<_> = (0..3)
                .map(|row| column.samples.get(row).cloned().unwrap_or_default())
                .map(|sample| view! { <td class="sample identifying">{sample}</td> })
                .collect();
            view! {
                <tr>
                    <th scope="row">{column.head.clone()}</th>
                    <td><Holds state index head=column.head /></td>
                    {samples}
                </tr>
            }
        })
        .collect();
    let unchosen = move || state.columns.with(|columns| columns.iter().any(String::is_empty));
    view! {
        <section class="card stack import-columns" aria-labelledby="columns">
            <h2 id="columns">{t("Columns")}</h2>
            <div class="table-scroll" tabindex="0" role="group" aria-labelledby="columns">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t("In the file")}</th>
                            <th scope="col">{t("What it holds")}</th>
                            <th scope="col" colspan="3">{t("First rows")}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <p class="fine">{t("Remembered in this browser for the next file with the same heads.")}</p>
            <div class="form-actions">
                <button
                    type="button" class="btn"
                    disabled=move || state.busy.get() || unchosen()
                    on:click=move |_| spawn_local(rehearse(state))
                >
                    {t("Check the file")}
                </button>
                {move || unchosen().then(|| view! {
                    <p class="field-error">{t("Choose what every column holds, or leave it out.")}</p>
                })}
            </div>
        </section>
    }
}

/// The choice of what one column holds.
#[component]
fn Holds(state: State, index: usize, head: String) -> impl IntoView {
    let chosen = Memo::new(move |_| {
        state.columns.with(|columns| columns.get(index).cloned().unwrap_or_default())
    });
    let fields = ImportField::ALL.map(|field| (field.name(), t(field.label()).to_owned()));
    let options: Vec<_> = [("", t("Choose…").to_owned()), (LEFT_OUT, t("Leave it out").to_owned())]
        .into_iter()
        .chain(fields)
        .map(|(name, text)| {
            view! { <option value=name selected=move || chosen.get() == name>{text}</option> }
        })
        .collect();
    view! {
        <select
            class="control"
            aria-label=tf!("What the column {head} holds", head = head)
            on:change:target=move |event| {
                let value = event.target().value();
                state.columns.update(|columns| {
                    if let Some(column) = columns.get_mut(index) {
                        *column = value;
                    }
                });
                state.is_checked.set(false);
            }
        >
            {options}
        </select>
    }
}

/// What would become of the file.
#[component]
fn Rehearsal(state: State, report: ImportReport) -> impl IntoView {
    let problems: Vec<_> =
        report.problems.iter().map(|problem| view! { <li>{said(&problem.message)}</li> }).collect();
    if !problems.is_empty() {
        return view! {
            <section class="notice notice-warning" aria-labelledby="check">
                <h2 id="check">{t("No row was looked at yet")}</h2>
                <ul>{problems}</ul>
            </section>
        }
        .into_any();
    }
    let created = report.created;
    let wanted: Vec<u64> = report
        .rows
        .iter()
        .filter(|row| row.outcome == ImportOutcome::Created)
        .map(|row| row.row)
        .collect();
    let faulty: Vec<ImportRow> = of_outcome(&report.rows);
    let begin = move |_| {
        let Some(file) = state.file.get_untracked() else { return };
        let whole = || vec![Piece { text: file.text.clone(), rows: wanted.clone() }];
        let cut = (file.media_type == CSV).then(|| pieces(&file.text, &wanted)).flatten();
        state.left.set(cut.unwrap_or_else(whole));
        state.taken.set(Some(Taken { of: wanted.len(), ..Taken::default() }));
        spawn_local(take(state));
    };
    view! {
        <section class="card stack" aria-labelledby="check">
            <h2 id="check">{t("What would become of it")}</h2>
            {tallies(&[
                (t("would be taken"), created),
                (t("on record already"), report.existing),
                (t("faulty"), report.faulty),
            ])}
            <Faulty rows=faulty columns=report.columns name=file_name(state) />
            <div class="form-actions">
                <button
                    type="button" class="btn btn-primary"
                    disabled=move || created == 0 || state.busy.get() || !state.is_checked.get()
                    on:click=begin
                >
                    {tn!(created, "Import {n} row", "Import {n} rows")}
                </button>
                {move || (!state.is_checked.get()).then(|| view! {
                    <p class="field-hint">{t("The columns were changed: check the file again first.")}</p>
                })}
            </div>
            <p class="fine">
                {t("Nothing has been changed so far. Faulty rows are left out, what is on record stays as it \
                 is, and sending a file again creates nothing twice.")}
            </p>
        </section>
    }
    .into_any()
}

fn of_outcome(rows: &[ImportRow]) -> Vec<ImportRow> {
    rows.iter().filter(|row| row.outcome == ImportOutcome::Faulty).cloned().collect()
}

fn file_name(state: State) -> String {
    state
        .file
        .with_untracked(|file| file.as_ref().map(|file| file.name.clone()).unwrap_or_default())
}

fn tallies(counts: &[(&'static str, usize)]) -> AnyView {
    let items: Vec<_> = counts
        .iter()
        .map(|&(what, count)| {
            view! { <li><strong>{format::number(count as f64, 0)}</strong>{what}</li> }
        })
        .collect();
    view! { <ul class="tallies">{items}</ul> }.into_any()
}

/// The faulty rows: on which line, and everything that is wrong.
#[component]
fn Faulty(rows: Vec<ImportRow>, columns: Vec<ImportColumn>, name: String) -> impl IntoView {
    if rows.is_empty() {
        return ().into_any();
    }
    let lines: Vec<_> = rows
        .iter()
        .take(MOST_SHOWN)
        .map(|row| {
            view! {
                <tr>
                    <td class="number">{row.row}</td>
                    <td>{wrong(row)}</td>
                    <td class="identifying">{row.cells.join(" · ")}</td>
                </tr>
            }
        })
        .collect();
    let more = rows.len().saturating_sub(MOST_SHOWN);
    let failed = RwSignal::new(false);
    let save = move |_| {
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let saved =
            transport::save_text(&faulty_rows(&columns, &rows), &format!("{stem}-faulty.csv"));
        failed.set(saved.is_none());
    };
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Faulty rows")>
            <table class="table">
                <caption class="visually-hidden">{t("Faulty rows")}</caption>
                <thead>
                    <tr>
                        <th scope="col" class="number">{t("Line")}</th>
                        <th scope="col">{t("What is wrong")}</th>
                        <th scope="col">{t("What stands there")}</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
        {(0 < more).then(|| view! { <p class="fine">{tn!(more, "And {n} row more.", "And {n} rows more.")}</p> })}
        <div class="form-actions">
            <button type="button" class="btn" on:click=save>{t("Download the faulty rows")}</button>
            {move || failed.get().then(|| view! { <p class="field-error">{t("The browser did not save it.")}</p> })}
        </div>
    }
    .into_any()
}

/// Sends the pieces one by one, until all are sent, one fails or somebody stops it.
async fn take(state: State) {
    let media_type =
        state.file.with_untracked(|file| file.as_ref().map_or(CSV, |file| file.media_type));
    let columns = state.columns.get_untracked().join(",");
    state.busy.set(true);
    state.stopping.set(false);
    state.problem.set(None);
    // Whoever has left the page sends nothing more.
    while let Some(false) = state.stopping.try_get_untracked() {
        let Some(piece) = state.left.with_untracked(|left| left.first().cloned()) else { break };
        match api::imports::send(piece.text.clone(), media_type, &columns, false).await {
            Ok(report) => {
                let _ = state.taken.try_update(|taken| add(taken.as_mut(), &piece, report));
                let _ = state.left.try_update(|left| left.remove(0));
            }
            Err(problem) => {
                let _ = state.problem.try_set(Some(problem));
                break;
            }
        }
    }
    let _ = state.busy.try_set(false);
}

/// Adds what became of a piece. Its rows are answered in their order, by its own lines.
fn add(taken: Option<&mut Taken>, piece: &Piece, report: ImportReport) {
    let Some(taken) = taken else { return };
    taken.sent += piece.rows.len();
    taken.created += report.created;
    taken.existing += report.existing;
    let is_cut = report.rows.len() == piece.rows.len();
    for (index, row) in report.rows.into_iter().enumerate() {
        // In a file that went as a whole, the rehearsal has told of its faulty rows already.
        if row.outcome == ImportOutcome::Faulty && is_cut {
            let line = piece.rows.get(index).copied().unwrap_or(row.row);
            taken.faulty.push(ImportRow { row: line, ..row });
        }
    }
}

/// How far the import is, and how it ended.
#[component]
fn Progress(state: State) -> impl IntoView {
    let taken = Memo::new(move |_| state.taken.get().unwrap_or_default());
    let ended = move || !state.busy.get() && state.left.with(Vec::is_empty);
    let halted = move || !state.busy.get() && state.left.with(|left| !left.is_empty());
    view! {
        <section class="card stack" aria-labelledby="progress">
            <h2 id="progress">
                {move || if ended() {
                    t("Done")
                } else if halted() {
                    t("Not finished")
                } else {
                    t("Importing")
                }}
            </h2>
            <progress
                class="import-progress" aria-labelledby="progress"
                max=move || taken.with(|taken| taken.of) prop:value=move || taken.with(|taken| taken.sent as f64)
            ></progress>
            <p role="status">
                {move || taken.with(|taken| {
                    let sent = format::number(taken.sent as f64, 0);
                    tn!(taken.of, "{sent} of {n} row sent", "{sent} of {n} rows sent", sent = sent)
                })}
            </p>
            {move || taken.with(|taken| tallies(&[
                (t("taken"), taken.created),
                (t("on record already"), taken.existing),
                (t("faulty now"), taken.faulty.len()),
            ]))}
            {move || halted().then(|| view! {
                <div class="notice notice-warning">
                    <p>
                        {t("What is counted above is on record; the rest is not. A piece whose answer was lost \
                         may be on record too: sent again, it is found there and nothing is created twice.")}
                    </p>
                    <button type="button" class="btn btn-primary" on:click=move |_| spawn_local(take(state))>
                        {t("Go on")}
                    </button>
                </div>
            })}
            {move || state.busy.get().then(|| view! {
                <div class="form-actions">
                    <button
                        type="button" class="btn"
                        disabled=move || state.stopping.get()
                        on:click=move |_| state.stopping.set(true)
                    >
                        {t("Stop after this piece")}
                    </button>
                    <p class="field-hint">{t("Keep this page open until it is done.")}</p>
                </div>
            })}
            {move || ended().then(|| {
                let rows = taken.with(|taken| taken.faulty.clone());
                let columns = state.report.with(|report| {
                    report.as_ref().map(|report| report.columns.clone()).unwrap_or_default()
                });
                view! {
                    <Faulty rows columns name=file_name(state) />
                    <p><A href="/patients">{t("To the patients")}</A></p>
                }
            })}
        </section>
    }
}
