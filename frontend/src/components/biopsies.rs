//! Kidney biopsies with their MEST-C scores.

use leptos::prelude::*;
use shared::{
    biopsy::{Biopsy, NewBiopsy},
    phrase,
    problem::{FieldProblem, Problem},
};

use super::{
    async_view::AsyncView,
    dialog::{Confirm, Dialog},
    field::{SelectField, TextField},
    prediction_inputs::mest_c,
    record_form::{RecordForm, incomplete, read_day},
};
use crate::{api, format, kept::Kept, language::t, record::Record, tf};

#[derive(Clone)]
enum Change {
    Add,
    Delete(Biopsy),
}

/// The list, and ways to add to it and to delete a biopsy recorded in error.
#[component]
pub fn Biopsies() -> impl IntoView {
    let record = Record::here();
    let change = RwSignal::new(None::<Change>);
    let close = Callback::new(move |()| change.set(None));
    view! {
        <section class="card" aria-labelledby="biopsies">
            <div class="card-head">
                <h2 id="biopsies">{t("Biopsies")}</h2>
                {move || record.editable().then(|| view! {
                    <button type="button" class="btn btn-small no-print" on:click=move |_| change.set(Some(Change::Add))>
                        {t("Add biopsy")}
                    </button>
                })}
            </div>
            <AsyncView
                resource=record.biopsies
                render=move |biopsies| {
                    if biopsies.items.is_empty() {
                        return view! {
                            <p class="muted">
                                {t("None recorded. In IgA nephropathy, add the MEST-C scores.")}
                            </p>
                        }
                        .into_any();
                    }
                    let lines: Vec<_> =
                        biopsies.items.into_iter().map(|biopsy| view! { <Line biopsy change /> }).collect();
                    view! { <ul class="records">{lines}</ul> }.into_any()
                }
            />
            {move || change.get().map(|asked| match asked {
                Change::Add => view! { <Add close /> }.into_any(),
                Change::Delete(biopsy) => view! { <Delete biopsy close /> }.into_any(),
            })}
        </section>
    }
}

#[component]
fn Line(biopsy: Biopsy, change: RwSignal<Option<Change>>) -> impl IntoView {
    let record = Record::here();
    let day = format::date(biopsy.performed_on);
    let Biopsy { m, e, s, t: tubules, c, .. } = biopsy;
    let any = [m, e, s, tubules, c].iter().any(Option::is_some);
    let scores = any.then(|| mest_c([("M", m), ("E", e), ("S", s), ("T", tubules), ("C", c)]));
    let label = tf!("Delete the biopsy of {day}", day = day);
    let diagnosis = biopsy.diagnosis.clone();
    view! {
        <li class="record">
            <div>
                <p><strong>{diagnosis}</strong></p>
                <p class="fine">{day}</p>
                {scores.map(|scores| view! {
                    <p class="fine"><span class="visually-hidden">"MEST-C "</span><code>{scores}</code></p>
                })}
            </div>
            {move || record.editable().then(|| {
                let biopsy = biopsy.clone();
                view! {
                    <div class="record-actions no-print">
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=label.clone()
                            on:click=move |_| change.set(Some(Change::Delete(biopsy.clone())))
                        >
                            {t("Delete")}
                        </button>
                    </div>
                }
            })}
        </li>
    }
}

fn after_change(record: Record, close: Callback<()>) {
    record.changed.set(true);
    record.biopsies.refetch();
    close.run(());
}

/// A score of the Oxford classification (Trimarchi et al., Kidney Int 2017;91:1014).
struct Score {
    label: &'static str,
    /// Where it stands in the request.
    pointer: &'static str,
    /// What each value means, from 0 on.
    means: &'static [&'static str],
}

const SCORES: [Score; 5] = [
    Score {
        label: phrase!("M: mesangial hypercellularity"),
        pointer: "/m",
        means: &[
            phrase!("M0: in half of the glomeruli or fewer"),
            phrase!("M1: in more than half of the glomeruli"),
        ],
    },
    Score {
        label: phrase!("E: endocapillary hypercellularity"),
        pointer: "/e",
        means: &[phrase!("E0: in no glomerulus"), phrase!("E1: in at least one glomerulus")],
    },
    Score {
        label: phrase!("S: segmental sclerosis"),
        pointer: "/s",
        means: &[
            phrase!("S0: no sclerosis, no adhesion"),
            phrase!("S1: in at least one glomerulus"),
        ],
    },
    Score {
        label: phrase!("T: tubular atrophy, interstitial fibrosis"),
        pointer: "/t",
        means: &[
            phrase!("T0: 25 % of the cortex or less"),
            phrase!("T1: 26 to 50 % of the cortex"),
            phrase!("T2: more than 50 % of the cortex"),
        ],
    },
    Score {
        label: phrase!("C: cellular or fibrocellular crescents"),
        pointer: "/c",
        means: &[
            phrase!("C0: in no glomerulus"),
            phrase!("C1: in fewer than 25 % of the glomeruli"),
            phrase!("C2: in 25 % of the glomeruli or more"),
        ],
    },
];

#[component]
fn Add(close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let day = RwSignal::new(String::new());
    let diagnosis = RwSignal::new(String::new());
    let scores = [(); 5].map(|()| RwSignal::new(String::new()));
    let [m, e, s, t_score, c] = scores;
    let kept = Kept::of(&format!("biopsy.{}", record.id));
    let close = kept.fields(&[day, diagnosis, m, e, s, t_score, c]).closing(close);
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let performed_on =
            read_day("/performed_on", &day.get_untracked()).map_err(|wrong| errors.push(wrong));
        let diagnosis = diagnosis.get_untracked().trim().to_owned();
        if diagnosis.is_empty() {
            errors.push(FieldProblem::new("/diagnosis", t("Enter the diagnosis.")));
        }
        // An empty choice is an unknown score, which is not 0.
        let [m, e, s, tubules, c] = scores.map(|score| score.get_untracked().parse().ok());
        match performed_on {
            Ok(performed_on) if errors.is_empty() => {
                Ok(NewBiopsy { performed_on, diagnosis, m, e, s, t: tubules, c })
            }
            _ => Err(incomplete(errors)),
        }
    };
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read() {
            Ok(new) => api::biopsies::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let fields: Vec<_> = SCORES
        .into_iter()
        .zip(scores)
        .map(|(Score { label, pointer, means }, value)| {
            let unknown = (String::new(), t("not known").to_owned());
            let known = means
                .iter()
                .enumerate()
                .map(|(score, means)| (score.to_string(), t(means).to_owned()));
            let options: Vec<(String, String)> = std::iter::once(unknown).chain(known).collect();
            view! { <SelectField label=t(label) pointer value options problem form="biopsy" /> }
        })
        .collect();
    view! {
        <Dialog title=t("Add biopsy") id="add-biopsy" close>
            <RecordForm save verb=t("Save") close problem>
                <TextField label=t("Day of the biopsy") pointer="/performed_on" kind="date" value=day problem form="biopsy" required=true />
                <TextField label=t("Diagnosis") pointer="/diagnosis" value=diagnosis problem form="biopsy" required=true />
                <fieldset class="stack">
                    <legend><strong>{t("MEST-C scores")}</strong></legend>
                    <p class="fine">
                        {t("Oxford classification of IgA nephropathy (Trimarchi 2017). A score that the report does not name stays not known, which is not 0.")}
                    </p>
                    {fields}
                </fieldset>
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Delete(biopsy: Biopsy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let (id, version) = (biopsy.id, biopsy.version);
    let action = Action::new_local(move |(): &()| async move {
        api::biopsies::delete(id, version).await?;
        after_change(record, close);
        Ok(())
    });
    view! {
        <Confirm
            title=tf!("Delete the biopsy of {day}?", day = format::date(biopsy.performed_on))
            id="delete-biopsy"
            verb=t("Delete biopsy")
            action
            close
        >
            <p>{t("Only for a biopsy that was recorded in error.")}</p>
        </Confirm>
    }
}
