//! Summaries for researchers: choose groups and filters, see figures, take rows away, and the same
//! question for a program.

use chrono::Datelike;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    problem::Problem,
    summary::{
        CohortSummary, ExportReport, MOST_FIELDS, MeasureSummary, Publication, RiskDistribution,
        SummaryField, SummaryGroup, SummaryMeasure,
    },
};

use crate::{
    api,
    api::summaries::{Asked, address},
    app::set_title,
    components::{
        async_view::AsyncView, field::SelectField, problem_note::ProblemNote, shown_once::Copyable,
    },
    format,
};

/// What is chosen: fields and values by their names on the wire, nothing as empty text.
#[derive(Clone, Copy)]
struct Choice {
    groups: [RwSignal<String>; MOST_FIELDS],
    filter: RwSignal<String>,
    filter_value: RwSignal<String>,
    view: RwSignal<String>,
}

impl Choice {
    fn new() -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            groups: [text("stage"), text(""), text("")],
            filter: text(""),
            filter_value: text(""),
            view: text("people"),
        }
    }

    /// The groups, each once, in the order chosen.
    fn groups(self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.groups.map(|group| group.get()) {
            if !group.is_empty() && !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    fn asked(self) -> Asked {
        let mut asked = vec![("group_by", self.groups().join(","))];
        if let Some(field) = field(&self.filter.get()) {
            asked.push((field.name(), self.filter_value.get()));
        }
        asked
    }

    fn is_risk(self) -> bool {
        self.view.with(|view| view == "histogram")
    }

    fn operation(self) -> &'static str {
        if self.is_risk() { "risk-distribution" } else { "cohort" }
    }
}

fn field(name: &str) -> Option<SummaryField> {
    SummaryField::ALL.into_iter().find(|field| field.name() == name)
}

fn fields(none: &str) -> Vec<(String, String)> {
    let none = (String::new(), none.to_owned());
    let all = SummaryField::ALL.map(|field| (field.name().to_owned(), field.label().to_owned()));
    [none].into_iter().chain(all).collect()
}

/// The page.
#[component]
pub fn ResearchPage() -> impl IntoView {
    set_title("Research");
    let choice = Choice::new();
    let cohort = LocalResource::new(move || {
        let (asked, risk) = (choice.asked(), choice.is_risk());
        async move {
            if risk {
                api::summaries::risk(&asked).await.map(Answer::Risk)
            } else {
                api::summaries::cohort(&asked).await.map(Answer::Cohort)
            }
        }
    });
    view! {
        <div class="page stack">
            <h1>"Research"</h1>
            <p class="prose muted">
                "Figures of groups of people, from one publication a day. Small groups are withheld, and \
                 counts are perturbed and rounded, the same for everybody who asks."
            </p>
            <Question choice />
            <section class="card card-flush" aria-label="Answer">
                <AsyncView resource=cohort rows=8 render=move |answer| view! { <Shown answer choice /> } />
            </section>
            <ForPrograms choice />
            <Rows />
        </div>
    }
}

#[derive(Clone)]
enum Answer {
    Cohort(CohortSummary),
    Risk(RiskDistribution),
}

#[component]
fn Question(choice: Choice) -> impl IntoView {
    let problem = Signal::derive(|| None::<Problem>);
    let labels = ["Group by", "then by", "and by"];
    let pointers = ["/group_by/0", "/group_by/1", "/group_by/2"];
    let groups: Vec<_> = (0..MOST_FIELDS)
        .map(|place| {
            view! {
                <SelectField
                    label=labels[place] pointer=pointers[place] value=choice.groups[place]
                    options=fields("Nothing") problem form="question"
                />
            }
        })
        .collect();
    let views: Vec<_> =
        [("people", "People and end points"), ("histogram", "5-year risk, histogram")]
            .map(|(value, text)| (value.to_owned(), text.to_owned()))
            .into_iter()
            .chain(SummaryMeasure::ALL.map(|one| (one.name().to_owned(), measure_label(one))))
            .collect();
    view! {
        <form class="card stack" aria-label="Question" on:submit=|event| event.prevent_default()>
            <div class="question">
                {groups}
                <SelectField
                    label="Only where" pointer="/filter" value=choice.filter
                    options=fields("Everybody") problem form="question"
                />
                {move || field(&choice.filter.get()).map(|field| {
                    // Years are those of a publication of this year.
                    let values = field.values(format::today().year());
                    if !values.contains(&choice.filter_value.get_untracked()) {
                        choice.filter_value.set(values[0].clone());
                    }
                    let options: Vec<_> =
                        values.into_iter().map(|value| (value.clone(), words(&value))).collect();
                    view! {
                        <SelectField
                            label="is" pointer="/filter_value" value=choice.filter_value
                            options problem form="question"
                        />
                    }
                })}
                <SelectField label="Show" pointer="/show" value=choice.view options=views problem form="question" />
            </div>
        </form>
    }
}

fn measure_label(measure: SummaryMeasure) -> String {
    match measure.unit() {
        "1" => measure.label().to_owned(),
        "a" => format!("{} (years)", measure.label()),
        unit => format!(
            "{} ({})",
            measure.label(),
            unit.replace("{1.73_m2}", "1.73 m²").replace("/a", "/year")
        ),
    }
}

fn words(value: &str) -> String {
    value.replace('_', " ")
}

#[component]
fn Shown(answer: Answer, choice: Choice) -> impl IntoView {
    match answer {
        Answer::Cohort(cohort) => view! { <Cohort cohort choice /> }.into_any(),
        Answer::Risk(risk) => view! { <Histograms risk /> }.into_any(),
    }
}

#[component]
fn Cohort(cohort: CohortSummary, choice: Choice) -> impl IntoView {
    let CohortSummary { publication, groups, withheld } = cohort;
    let named = choice.groups();
    let shown = choice.view.get_untracked();
    let measure = SummaryMeasure::ALL.into_iter().find(|one| one.name() == shown);
    let heads: Vec<&str> = match measure {
        None => vec!["People", "Kidney failure", "Deaths"],
        Some(_) => vec!["People", "Known of", "Mean", "Lower quartile", "Median", "Upper quartile"],
    };
    let most = groups.iter().map(|group| group.figures.people).max().unwrap_or(1);
    let rows: Vec<_> = groups
        .iter()
        .map(|group| view! { <GroupRow group=group.clone() named=named.clone() measure most /> })
        .collect();
    let names: Vec<_> = if named.is_empty() { vec!["Group".to_owned()] } else { labels(&named) };
    let is_empty = rows.is_empty();
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Figures">
            <table class="table">
                <thead>
                    <tr>
                        {names.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view()}
                        {heads.into_iter().map(|head| view! { <th scope="col" class="number">{head}</th> }).collect_view()}
                        <th scope="col" class="bar-cell"><span class="visually-hidden">"Bar"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {is_empty.then(|| view! { <p class="empty">"Every group of this question is withheld. Ask for fewer fields."</p> })}
        <Footing publication withheld />
    }
}

fn labels(named: &[String]) -> Vec<String> {
    let label =
        |name: &String| field(name).map_or_else(String::new, |field| field.label().to_owned());
    named.iter().map(label).collect()
}

#[component]
fn GroupRow(
    group: SummaryGroup,
    named: Vec<String>,
    measure: Option<SummaryMeasure>,
    most: i32,
) -> impl IntoView {
    let SummaryGroup { group, figures } = group;
    let mut names: Vec<_> = named
        .iter()
        .map(|name| group.get(name).map_or_else(String::new, |value| words(value)))
        .collect();
    if names.is_empty() {
        names.push("Everybody asked for".to_owned());
    }
    let count = |people: i32| format::number(f64::from(people), 0);
    let part = |people: Option<i32>| people.map_or_else(withheld, count);
    let people = figures.people;
    let cells = match measure {
        None => vec![count(people), part(figures.kidney_failure), part(figures.deaths)],
        Some(wanted) => {
            let found = figures.measures.into_iter().find(|one| one.measure == wanted);
            [vec![count(people)], measured(wanted, found)].concat()
        }
    };
    let mut names = names.into_iter();
    let first = names.next();
    view! {
        <tr>
            <th scope="row">{first}</th>
            {names.map(|name| view! { <td>{name}</td> }).collect_view()}
            {cells.into_iter().map(|cell| view! { <td class="number">{cell}</td> }).collect_view()}
            <td class="bar-cell"><Bar people most /></td>
        </tr>
    }
}

fn withheld() -> String {
    "withheld".to_owned()
}

fn measured(measure: SummaryMeasure, found: Option<MeasureSummary>) -> Vec<String> {
    let Some(found) = found else { return vec![withheld(); 5] };
    let figure = |value: Option<f64>| {
        value.map_or_else(withheld, |value| match measure {
            SummaryMeasure::Risk5y => format::percent(value),
            SummaryMeasure::Age
            | SummaryMeasure::Egfr
            | SummaryMeasure::Uacr
            | SummaryMeasure::SystolicBp => format::number(value, 0),
            _ => format::number(value, 1),
        })
    };
    let known = format::number(f64::from(found.known), 0);
    [
        vec![known],
        [found.mean, found.lower_quartile, found.median, found.upper_quartile].map(figure).to_vec(),
    ]
    .concat()
}

/// How many people, as a length; the number stands beside it.
#[component]
fn Bar(people: i32, most: i32) -> impl IntoView {
    let width = 100 * people / most.max(1);
    view! {
        <svg class="spark people-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect width=width height="10"></rect>
        </svg>
    }
}

#[component]
fn Histograms(risk: RiskDistribution) -> impl IntoView {
    let RiskDistribution { publication, histograms } = risk;
    let is_empty = histograms.is_empty();
    let blocks: Vec<_> = histograms
        .into_iter()
        .map(|histogram| {
            let values: Vec<_> = histogram.group.values().map(|value| words(value)).collect();
            let title = if values.is_empty() { "Everybody asked for".to_owned() } else { values.join(", ") };
            let most = histogram.bars.iter().filter_map(|bar| bar.people).max().unwrap_or(1);
            let rows: Vec<_> = histogram
                .bars
                .into_iter()
                .map(|bar| {
                    let name = format!("{} to {}", format::percent(bar.from), format::percent(bar.to));
                    risk_row(name, bar.people, most)
                })
                .chain([risk_row("No prediction".to_owned(), histogram.unknown, most)])
                .collect();
            view! {
                <table class="table table-tight">
                    <caption>{title}</caption>
                    <thead>
                        <tr>
                            <th scope="col">"5-year risk"</th>
                            <th scope="col" class="number">"People"</th>
                            <th scope="col" class="bar-cell"><span class="visually-hidden">"Bar"</span></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            }
        })
        .collect();
    view! {
        <div class="histograms">{blocks}</div>
        {is_empty.then(|| view! { <p class="empty">"Every bar of this question is withheld. Ask for fewer fields."</p> })}
        <Footing publication withheld=0 />
    }
}

fn risk_row(name: String, people: Option<i32>, most: i32) -> AnyView {
    let count = people.map_or_else(withheld, |people| format::number(f64::from(people), 0));
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="number">{count}</td>
            <td class="bar-cell"><Bar people=people.unwrap_or_default() most /></td>
        </tr>
    }
    .into_any()
}

#[component]
fn Footing(publication: Publication, withheld: i32) -> impl IntoView {
    let Publication { id, published_at, minimum_cell_size, rounded_to } = publication;
    view! {
        <p class="fine footing">
            {format!(
                "Publication {id} of {}. Groups of fewer than {minimum_cell_size} people are withheld, \
                 and others where they would give these away; counts are perturbed by up to 3 and rounded to {rounded_to}.",
                format::date_time(published_at),
            )}
            {(0 < withheld).then(|| format!(" {withheld} combinations are empty or withheld."))}
        </p>
    }
}

#[component]
fn ForPrograms(choice: Choice) -> impl IntoView {
    let language = RwSignal::new("curl".to_owned());
    let languages: Vec<_> = [("curl", "curl"), ("python", "Python (pandas)"), ("r", "R")]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .into();
    let problem = Signal::derive(|| None::<Problem>);
    let code = move || {
        let site = window().location().origin().unwrap_or_default();
        let url = format!("{site}/api/v1{}", address(choice.operation(), &choice.asked()));
        let list = if choice.is_risk() { "histograms" } else { "groups" };
        match language.get().as_str() {
            "python" => format!(
                "import os, pandas as pd, requests\n\
                 answer = requests.get(\"{url}\",\n    \
                 headers={{\"Authorization\": \"Bearer \" + os.environ[\"NEPHROCAST_TOKEN\"]}})\n\
                 answer.raise_for_status()\n\
                 print(pd.json_normalize(answer.json()[\"{list}\"]))"
            ),
            "r" => format!(
                "library(httr2)\n\
                 answer <- request(\"{url}\") |>\n  \
                 req_auth_bearer_token(Sys.getenv(\"NEPHROCAST_TOKEN\")) |>\n  \
                 req_perform() |> resp_body_json(simplifyVector = TRUE)\n\
                 print(answer${list})"
            ),
            _ => format!("curl -s -H \"Authorization: Bearer $NEPHROCAST_TOKEN\" \\\n  '{url}'"),
        }
    };
    view! {
        <section class="card stack" aria-labelledby="programs">
            <h2 id="programs">"The same for a program"</h2>
            <p>
                "Needs a token for summaries: "
                <a href="/tokens">"make one"</a> ". What it asks is on record."
            </p>
            <SelectField label="Language" pointer="/language" value=language options=languages problem form="program" />
            {move || view! { <Copyable text=code() /> }}
        </section>
    }
}

#[component]
fn Rows() -> impl IntoView {
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
                    "Download " {label}
                </button>
            }
        });
    view! {
        <section class="card stack" aria-labelledby="rows">
            <h2 id="rows">"Rows without identity"</h2>
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
