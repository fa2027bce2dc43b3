//! Summaries for researchers: choose groups and filters, see figures, take rows away, and the same
//! question for a program.

use chrono::Datelike;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    privacy::PrivateQuestion,
    problem::Problem,
    summary::{
        CALENDAR_YEAR, CohortSummary, ExportReport, MOST_FIELDS, MeasureSummary, Publication,
        RiskDistribution, SummaryField, SummaryFigures, SummaryGroup, SummaryMeasure,
        calendar_years,
    },
};

use crate::{
    api,
    api::summaries::{Asked, address},
    app::set_title,
    components::{
        async_view::AsyncView,
        calibration::Performance,
        field::SelectField,
        line_chart::{Line, LineChart, MOST_LINES},
        private_counts::Private,
        problem_note::ProblemNote,
        shown_once::Copyable,
    },
    format,
};

/// What is chosen: fields and values by their names on the wire, nothing as empty text.
#[derive(Clone, Copy)]
struct Choice {
    groups: [RwSignal<String>; MOST_FIELDS],
    /// The wanted value of each field.
    filters: [RwSignal<String>; SummaryField::ALL.len()],
    view: RwSignal<String>,
    /// `now`, or `years` for a trend.
    over: RwSignal<String>,
}

impl Choice {
    fn new() -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            groups: [text("stage"), text(""), text("")],
            filters: std::array::from_fn(|_| text("")),
            view: text(PEOPLE),
            over: text("now"),
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

    fn filters(self) -> Vec<(SummaryField, String)> {
        let all = SummaryField::ALL.into_iter().zip(self.filters.map(|value| value.get()));
        all.filter(|(_, value)| !value.is_empty()).collect()
    }

    fn asked(self) -> Asked {
        let filters = self.filters().into_iter().map(|(field, value)| (field.name(), value));
        [("group_by", self.groups().join(","))].into_iter().chain(filters).collect()
    }

    fn private(self) -> PrivateQuestion {
        PrivateQuestion {
            group_by: self.groups().iter().filter_map(|name| field(name)).collect(),
            filters: self
                .filters()
                .into_iter()
                .map(|(field, value)| (field, vec![value]))
                .collect(),
            epsilon: 0.0,
        }
    }

    fn is_risk(self) -> bool {
        self.view.with(|view| view == HISTOGRAM)
    }

    fn is_trend(self) -> bool {
        self.over.with(|over| over == "years")
    }

    fn operation(self) -> &'static str {
        match (self.is_risk(), self.is_trend()) {
            (true, _) => "risk-distribution",
            (false, true) => "trends",
            (false, false) => "cohort",
        }
    }
}

/// What can be shown besides a measure.
const PEOPLE: &str = "people";
const MISSING: &str = "missing";
const HISTOGRAM: &str = "histogram";

fn field(name: &str) -> Option<SummaryField> {
    SummaryField::ALL.into_iter().find(|field| field.name() == name)
}

fn measure(name: &str) -> Option<SummaryMeasure> {
    SummaryMeasure::ALL.into_iter().find(|one| one.name() == name)
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
        let (asked, operation) = (choice.asked(), choice.operation());
        async move {
            match operation {
                "risk-distribution" => api::summaries::risk(&asked).await.map(Answer::Risk),
                "trends" => api::summaries::trends(&asked).await.map(Answer::Cohort),
                _ => api::summaries::cohort(&asked).await.map(Answer::Cohort),
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
            <Performance />
            <Private question=Signal::derive(move || choice.private()) />
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
    let filters: Vec<_> = SummaryField::ALL
        .into_iter()
        .zip(choice.filters)
        .map(|(field, value)| {
            // Years are those of a publication of this year.
            let values = field.values(format::today().year()).into_iter();
            let values = values.map(|value| (value.clone(), words(&value)));
            let all = [(String::new(), "Any".to_owned())];
            let options: Vec<_> = all.into_iter().chain(values).collect();
            let pointer = format!("/filters/{}", field.name());
            view! { <SelectField label=field.label() pointer value options problem form="question" /> }
        })
        .collect();
    let times: Vec<_> = [("now", "As of the publication"), ("years", "By calendar year")]
        .map(|(value, text)| (value.to_owned(), text.to_owned()))
        .into();
    let views: Vec<_> = [
        (PEOPLE, "People and end points"),
        (MISSING, "Missing values"),
        (HISTOGRAM, "5-year risk, histogram"),
    ]
    .map(|(value, text)| (value.to_owned(), text.to_owned()))
    .into_iter()
    .chain(SummaryMeasure::ALL.map(|one| (one.name().to_owned(), measure_label(one))))
    .collect();
    view! {
        <form class="card stack" aria-label="Question" on:submit=|event| event.prevent_default()>
            <div class="question">
                {groups}
                <SelectField label="Show" pointer="/show" value=choice.view options=views problem form="question" />
                <SelectField label="When" pointer="/over" value=choice.over options=times problem form="question" />
            </div>
            <details class="twin">
                <summary>
                    {move || match choice.filters().len() {
                        0 => "Only some people".to_owned(),
                        count => format!("Only some people ({count})"),
                    }}
                </summary>
                <div class="question">{filters}</div>
            </details>
            <p class="fine">
                {format!(
                    "At most {MOST_FIELDS} fields together, groups and filters; one fewer by calendar year and for the \
                     histogram.",
                )}
            </p>
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
    let is_trend = groups.iter().any(|group| group.group.contains_key(CALENDAR_YEAR));
    let mut named = choice.groups();
    if is_trend {
        named.push(CALENDAR_YEAR.to_owned());
    }
    let shown = choice.view.get_untracked();
    let names: Vec<_> = if named.is_empty() { vec!["Group".to_owned()] } else { labels(&named) };
    let heads = heads(&shown);
    let most = groups.iter().map(|group| group.figures.people).max().unwrap_or(1);
    let chart =
        is_trend.then(|| view! { <TrendChart groups=groups.clone() shown=shown.clone() /> });
    let file = csv(&groups);
    let rows: Vec<_> = groups
        .into_iter()
        .map(|group| view! { <GroupRow group named=named.clone() shown=shown.clone() most /> })
        .collect();
    let is_empty = rows.is_empty();
    view! {
        {chart}
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
        <div class="row footing">
            <button
                type="button" class="btn" disabled=is_empty
                on:click=move |_| { let _ = api::summaries::save_figures(&file); }
            >
                "Download these figures"
            </button>
        </div>
        <Footing publication withheld />
    }
}

fn heads(shown: &str) -> Vec<String> {
    let texts: &[&str] = match (shown, measure(shown)) {
        (MISSING, _) => {
            let measures = SummaryMeasure::ALL.map(|one| one.label().to_owned());
            return ["People".to_owned()].into_iter().chain(measures).collect();
        }
        (_, Some(_)) => {
            &["People", "Known of", "Mean", "Lower quartile", "Median", "Upper quartile"]
        }
        _ => &["People", "Kidney failure", "Deaths"],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// All figures of an answer as a file, one line a group.
fn csv(groups: &[SummaryGroup]) -> String {
    let Some(first) = groups.first() else { return String::new() };
    let fields: Vec<&String> = first.group.keys().collect();
    let figures = ["known", "mean", "lower_quartile", "median", "upper_quartile"];
    let measures = SummaryMeasure::ALL
        .into_iter()
        .flat_map(|one| figures.map(|figure| format!("{}_{figure}", one.name())));
    let head = fields.iter().map(|field| (*field).clone());
    let head =
        head.chain(["people", "kidney_failure", "deaths"].map(str::to_owned)).chain(measures);
    let mut lines = vec![head.collect::<Vec<_>>().join(",")];
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for SummaryGroup { group, figures } in groups {
        let mut cells: Vec<String> = fields.iter().map(|field| group[*field].clone()).collect();
        let counts = [Some(figures.people), figures.kidney_failure, figures.deaths];
        cells.extend(counts.map(|count| text(count.map(f64::from))));
        for measure in SummaryMeasure::ALL {
            let found = figures.measures.iter().find(|one| one.measure == measure);
            let of = |value: fn(&MeasureSummary) -> Option<f64>| text(found.and_then(value));
            cells.push(of(|one| Some(f64::from(one.known))));
            cells.push(of(|one| one.mean));
            cells.push(of(|one| one.lower_quartile));
            cells.push(of(|one| one.median));
            cells.push(of(|one| one.upper_quartile));
        }
        lines.push(cells.join(","));
    }
    lines.join("\n") + "\n"
}

/// A trend's main figure as lines: the mean of a measure, otherwise people.
#[component]
fn TrendChart(groups: Vec<SummaryGroup>, shown: String) -> impl IntoView {
    let measure = measure(&shown);
    let years = calendar_years(format::today().year());
    let mut lines: Vec<Line> = Vec::new();
    for SummaryGroup { mut group, figures } in groups {
        let year = group.remove(CALENDAR_YEAR);
        let place = years.iter().position(|one| Some(one.to_string()) == year);
        let values: Vec<String> = group.values().map(|value| words(value)).collect();
        let name = values.join(", ");
        let known = lines.iter().position(|line| line.name == name);
        let line = known.unwrap_or(lines.len());
        if known.is_none() {
            lines.push(Line { name, values: vec![None; years.len()] });
        }
        let value = match measure {
            None => Some(f64::from(figures.people)),
            Some(wanted) => {
                figures.measures.iter().find(|one| one.measure == wanted).and_then(|one| one.mean)
            }
        };
        if let Some(place) = place {
            lines[line].values[place] = value;
        }
    }
    let label = match measure {
        None => "People by calendar year".to_owned(),
        Some(measure) => format!("Mean {} by calendar year", measure_label(measure)),
    };
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    let years: Vec<_> = years.iter().map(ToString::to_string).collect();
    view! {
        <p class="fine footing">{label.clone()}</p>
        <LineChart label years lines />
        {(0 < more).then(|| view! { <p class="fine footing">{format!("{more} more groups are in the table.")}</p> })}
    }
}

fn labels(named: &[String]) -> Vec<String> {
    let label = |name: &String| {
        field(name).map_or_else(|| "Year".to_owned(), |field| field.label().to_owned())
    };
    named.iter().map(label).collect()
}

#[component]
fn GroupRow(group: SummaryGroup, named: Vec<String>, shown: String, most: i32) -> impl IntoView {
    let SummaryGroup { group, figures } = group;
    let mut names: Vec<_> = named
        .iter()
        .map(|name| group.get(name).map_or_else(String::new, |value| words(value)))
        .collect();
    if names.is_empty() {
        names.push("Everybody asked for".to_owned());
    }
    let people = figures.people;
    let cells = cells(figures, &shown);
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

fn cells(figures: SummaryFigures, shown: &str) -> Vec<String> {
    let count = |people: i32| format::number(f64::from(people), 0);
    let part = |people: Option<i32>| people.map_or_else(withheld, count);
    let people = count(figures.people);
    if shown == MISSING {
        let missing = SummaryMeasure::ALL.map(|measure| {
            let found = figures.measures.iter().find(|one| one.measure == measure);
            // Both counts are perturbed: a little more may be known than there are people.
            let share = |one: &MeasureSummary| {
                (1.0 - f64::from(one.known) / f64::from(figures.people)).max(0.0)
            };
            found.map_or_else(withheld, |one| format::percent(share(one)))
        });
        return [people].into_iter().chain(missing).collect();
    }
    match measure(shown) {
        None => vec![people, part(figures.kidney_failure), part(figures.deaths)],
        Some(wanted) => {
            let found = figures.measures.into_iter().find(|one| one.measure == wanted);
            [vec![people], measured(wanted, found)].concat()
        }
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
                "library(jsonlite)\n\
                 answer <- fromJSON(url(\"{url}\",\n  \
                 headers = c(Authorization = paste(\"Bearer\", Sys.getenv(\"NEPHROCAST_TOKEN\")))), flatten = TRUE)\n\
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
