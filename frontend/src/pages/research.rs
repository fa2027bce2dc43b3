//! Summaries for researchers: choose groups and filters, see figures, take rows away, and the same
//! question for a program.

pub mod figures;
pub mod histograms;
pub mod programs;
pub mod rows;
pub mod trend;

use chrono::Datelike;
use leptos::prelude::*;
use shared::{
    privacy::PrivateQuestion,
    problem::Problem,
    summary::{
        CohortSummary, MOST_FIELDS, Publication, RiskDistribution, SummaryField, SummaryMeasure,
    },
};

use self::{figures::Cohort, histograms::Histograms, programs::ForPrograms, rows::Rows};
use crate::{
    api,
    api::summaries::Asked,
    app::set_title,
    components::{
        async_view::AsyncView, calibration::Performance, field::SelectField,
        private_counts::Private,
    },
    format,
    language::t,
    tf, tn,
};

/// What is chosen: fields and values by their names on the wire, nothing as empty text.
#[derive(Clone, Copy)]
pub struct Choice {
    groups: [RwSignal<String>; MOST_FIELDS],
    /// The wanted value of each field.
    filters: [RwSignal<String>; SummaryField::ALL.len()],
    view: RwSignal<String>,
    /// `now`, or `years` for a trend.
    over: RwSignal<String>,
    /// What a private count of the same groups may cost.
    epsilon: RwSignal<String>,
}

impl Choice {
    fn new() -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            groups: [text("stage"), text(""), text("")],
            filters: std::array::from_fn(|_| text("")),
            view: text(PEOPLE),
            over: text("now"),
            epsilon: text("0.1"),
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
            epsilon: self.epsilon.with(|text| text.parse().unwrap_or_default()),
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
    let all = SummaryField::ALL.map(|field| (field.name().to_owned(), t(field.label()).to_owned()));
    [none].into_iter().chain(all).collect()
}

/// The page.
#[component]
pub fn ResearchPage() -> impl IntoView {
    set_title(t("Research"));
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
            <h1>{t("Research")}</h1>
            <p class="prose muted">
                {t("Figures of groups of people, from one publication a day. Small groups are withheld, and \
                 counts are perturbed and rounded, the same for everybody who asks.")}
            </p>
            <Question choice />
            <section class="card card-flush" aria-label=t("Answer")>
                <AsyncView resource=cohort rows=8 render=move |answer| view! { <Shown answer choice /> } />
            </section>
            <Performance />
            <Private question=Signal::derive(move || choice.private()) epsilon=choice.epsilon />
            <Rows />
            <ForPrograms choice />
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
    let labels = [t("Group by"), t("then by"), t("and by")];
    let pointers = ["/group_by/0", "/group_by/1", "/group_by/2"];
    let groups: Vec<_> = (0..MOST_FIELDS)
        .map(|place| {
            view! {
                <SelectField
                    label=labels[place] pointer=pointers[place] value=choice.groups[place]
                    options=fields(t("Nothing")) problem form="question"
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
            let all = [(String::new(), t("Any").to_owned())];
            let options: Vec<_> = all.into_iter().chain(values).collect();
            let pointer = format!("/filters/{}", field.name());
            view! { <SelectField label=t(field.label()) pointer value options problem form="question" /> }
        })
        .collect();
    let times: Vec<_> = [("now", t("As of the publication")), ("years", t("By calendar year"))]
        .map(|(value, text)| (value.to_owned(), text.to_owned()))
        .into();
    let views: Vec<_> = [
        (PEOPLE, t("People and end points")),
        (MISSING, t("Missing values")),
        (HISTOGRAM, t("5-year risk, histogram")),
    ]
    .map(|(value, text)| (value.to_owned(), text.to_owned()))
    .into_iter()
    .chain(SummaryMeasure::ALL.map(|one| (one.name().to_owned(), measure_label(one))))
    .collect();
    view! {
        <form class="card stack" aria-label=t("Question") on:submit=|event| event.prevent_default()>
            <div class="question">
                {groups}
                <SelectField label=t("Show") pointer="/show" value=choice.view options=views problem form="question" />
                <SelectField label=t("When") pointer="/over" value=choice.over options=times problem form="question" />
            </div>
            <details class="twin">
                <summary>
                    {move || match choice.filters().len() {
                        0 => t("Only some people").to_owned(),
                        count => tf!("Only some people ({count})", count = count),
                    }}
                </summary>
                <div class="question">{filters}</div>
            </details>
            <p class="fine">
                {tf!(
                    "At most {most} fields together, groups and filters; one fewer by calendar year and for the \
                     histogram.",
                    most = MOST_FIELDS,
                )}
            </p>
        </form>
    }
}

fn measure_label(measure: SummaryMeasure) -> String {
    let label = t(measure.label());
    match measure.unit() {
        "1" => label.to_owned(),
        "a" => tf!("{measure} (years)", measure = label),
        unit => {
            let unit = unit.replace("{1.73_m2}", "1.73 m²").replace("/a", t("/year"));
            format!("{label} ({unit})")
        }
    }
}

/// A value of a field, for people; categories and spans are the same in every language.
pub fn words(value: &str) -> String {
    let words = match value {
        "female" => t("female"),
        "male" => t("male"),
        "diabetic" => t("diabetic"),
        "hypertensive" => t("hypertensive"),
        "glomerular" => t("glomerular"),
        "polycystic" => t("polycystic"),
        "other" => t("other"),
        "unknown" => t("unknown"),
        "yes" => t("yes"),
        "no" => t("no"),
        "low" => t("low"),
        "moderate" => t("moderate"),
        "high" => t("high"),
        "very_high" => t("very high"),
        _ => match value.strip_prefix("before_") {
            Some(year) => return tf!("before {year}", year = year),
            None => value,
        },
    };
    words.to_owned()
}

#[component]
fn Shown(answer: Answer, choice: Choice) -> impl IntoView {
    match answer {
        Answer::Cohort(cohort) => view! { <Cohort cohort choice /> }.into_any(),
        Answer::Risk(risk) => view! { <Histograms risk /> }.into_any(),
    }
}

fn withheld() -> String {
    t("withheld").to_owned()
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
fn Footing(publication: Publication, withheld: i32) -> impl IntoView {
    let Publication { id, published_at, minimum_cell_size, rounded_to } = publication;
    view! {
        <p class="fine footing">
            {tf!(
                "Publication {id} of {moment}. Groups of fewer than {fewest} people are withheld, \
                 and others where they would give these away; counts are perturbed by up to 3 and rounded to {rounded_to}.",
                id = id, moment = format::date_time(published_at), fewest = minimum_cell_size, rounded_to = rounded_to,
            )}
            {(0 < withheld).then_some(" ")}
            {(0 < withheld).then(|| {
                tn!(withheld, "{n} combination is empty or withheld.", "{n} combinations are empty or withheld.")
            })}
        </p>
    }
}
