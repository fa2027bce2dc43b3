//! The dashboard: how the patients stand, each figure with the way to those whom it counts.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    dashboard::{
        CategoryCount, Crossing, Crossings, Dashboard, DataGap, GapCount, KdigoCount,
        MOST_CROSSINGS, RiskCount,
    },
    observation::ObservationCode,
    prediction::{ACategory, GCategory, KdigoRisk, RiskCategory, Threshold},
};

use crate::{
    api::{self, patients::ListQuery},
    app::set_title,
    charts::bars::{BarChart, Series},
    components::{
        async_view::AsyncView,
        badges::{category_class, kdigo_class},
    },
    format,
    language::t,
    tf, tn,
};

/// The page.
#[component]
pub fn DashboardPage() -> impl IntoView {
    set_title(t("Dashboard"));
    let counts = LocalResource::new(api::dashboard::read);
    view! {
        <div class="page">
            <h1>{t("Dashboard")}</h1>
            <AsyncView resource=counts rows=12 render=shown />
        </div>
    }
}

fn shown(counts: Dashboard) -> AnyView {
    let Dashboard { patients, .. } = counts;
    view! {
        <p class="muted">
            {tn!(
                patients,
                "{n} patient in use, counted {when}",
                "{n} patients in use, counted {when}",
                when = format::date_time(counts.counted_at),
            )}
        </p>
        <div class="dashboard">
            <section class="card" aria-labelledby="heat-map">
                <h2 id="heat-map">{t("KDIGO categories")}</h2>
                {heat_map(&counts.kdigo)}
            </section>
            <section class="card stack" aria-labelledby="risks">
                <h2 id="risks">{t("Predicted risk of kidney failure")}</h2>
                {categories(&counts.risk_categories)}
                {histogram(&counts.risk_2y, &counts.risk_5y)}
            </section>
            <section class="card stack" aria-labelledby="crossings">
                <h2 id="crossings">{t("Over a threshold this month")}</h2>
                {crossings(counts.crossings)}
            </section>
            <section class="card stack" aria-labelledby="gaps">
                <h2 id="gaps">{t("What records lack")}</h2>
                {gaps(&counts.data_gaps, patients)}
            </section>
        </div>
    }
    .into_any()
}

fn number(patients: i64) -> String {
    format::number(patients as f64, 0)
}

/// The address of the list of those who are counted.
fn list(wanted: &ListQuery) -> String {
    format!("/patients{}", wanted.query())
}

fn gap(gap: DataGap) -> String {
    gap.as_str().to_owned()
}

/// The whole row of a table's cells is four: three categories and unknown.
const COLUMNS: usize = 4;

fn heat_map(cells: &[KdigoCount]) -> AnyView {
    let limit = |acr_mg_g| format::measured(format::in_force(ObservationCode::Uacr, acr_mg_g).0);
    let (low, high, unit) = (limit(30.0), limit(300.0), format::unit_of(ObservationCode::Uacr));
    let rows: Vec<_> = cells
        .chunks(COLUMNS)
        .map(|row| {
            let (name, range) =
                row.first().and_then(|cell| cell.g).map_or((t("Unknown"), ""), egfr);
            let cells: Vec<_> = row.iter().copied().map(heat_cell).collect();
            view! { <tr><th scope="row">{name}<small>{range}</small></th>{cells}</tr> }
        })
        .collect();
    view! {
        <table class="heat-map">
            <caption class="visually-hidden">
                {tf!(
                    "Patients by KDIGO category of eGFR (rows, mL/min/1.73 m²) and of albuminuria (columns, {unit})",
                    unit = unit
                )}
            </caption>
            <thead>
                <tr>
                    <td></td>
                    <th scope="col">"A1"<small>{tf!("under {limit}", limit = low)}</small></th>
                    <th scope="col">"A2"<small>{tf!("{low} to {high}", low = low, high = high)}</small></th>
                    <th scope="col">"A3"<small>{tf!("over {limit}", limit = high)}</small></th>
                    <th scope="col">{t("Unknown")}</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        <p class="fine">
            {tf!(
                "Rows: eGFR, mL/min/1.73 m². Columns: urine ACR, {unit}, or a PCR where no ACR was measured.",
                unit = unit
            )}
        </p>
    }
    .into_any()
}

fn egfr(category: GCategory) -> (&'static str, &'static str) {
    let range = match category {
        GCategory::G1 => t("90 or more"),
        GCategory::G2 => t("60 to 89"),
        GCategory::G3a => t("45 to 59"),
        GCategory::G3b => t("30 to 44"),
        GCategory::G4 => t("15 to 29"),
        GCategory::G5 => t("under 15"),
    };
    (category.label(), range)
}

fn heat_cell(KdigoCount { g, a, risk, patients }: KdigoCount) -> AnyView {
    let class = format!("heat-cell {}", kdigo_class(risk));
    let word = match risk {
        Some(KdigoRisk::Low) => t("low"),
        Some(KdigoRisk::Moderate) => t("moderate"),
        Some(KdigoRisk::High) => t("high"),
        Some(KdigoRisk::VeryHigh) => t("very high"),
        None => "",
    };
    if patients == 0 {
        return view! { <td><span class=class>"0"<small>{word}</small></span></td> }.into_any();
    }
    let lacks =
        if g.is_none() { Some(DataGap::MissingEgfr) } else { Some(DataGap::MissingAlbuminuria) };
    let wanted = ListQuery {
        kdigo_g: g.map_or("", GCategory::label).to_owned(),
        kdigo_a: a.map_or("", ACategory::label).to_owned(),
        gap: lacks.filter(|_| risk.is_none()).map(gap).unwrap_or_default(),
        ..ListQuery::default()
    };
    // Whoever steers by voice says what stands there: what is seen is part of the name.
    let who = tn!(
        patients,
        "patient: {g} {a},",
        "patients: {g} {a},",
        g = g.map_or(t("eGFR unknown,"), GCategory::label),
        a = a.map_or(t("albuminuria unknown"), ACategory::label),
    );
    let rest = if risk.is_some() { t("risk") } else { t("risk unknown") };
    view! {
        <td>
            <A href=list(&wanted) attr:class=class>
                {number(patients)} <span class="visually-hidden">{format!(" {who} ")}</span> <small>{word}</small>
                <span class="visually-hidden">{format!(" {rest}")}</span>
            </A>
        </td>
    }
    .into_any()
}

fn categories(counts: &[CategoryCount]) -> AnyView {
    let items: Vec<_> = counts
        .iter()
        .map(|&CategoryCount { category, patients }| {
            let name = match category {
                RiskCategory::Low => "low",
                RiskCategory::Moderate => "moderate",
                RiskCategory::High => "high",
                RiskCategory::VeryHigh => "very_high",
            };
            let wanted = ListQuery { risk_category: name.to_owned(), ..ListQuery::default() };
            view! {
                <li>
                    <A href=list(&wanted) attr:class="tile">
                        <strong>{number(patients)}</strong>
                        <span class=category_class(category)>{t(category.label())}</span>
                    </A>
                </li>
            }
        })
        .collect();
    view! { <ul class="tiles" aria-label=t("Patients by category of risk")>{items}</ul> }.into_any()
}

fn histogram(risk_2y: &[RiskCount], risk_5y: &[RiskCount]) -> AnyView {
    let names = risk_2y.iter().map(|bar| format::shares(bar.from, bar.to)).collect();
    let counts = |bars: &[RiskCount]| {
        let counts = bars.iter().map(|bar| (Some(bar.patients as f64), number(bar.patients)));
        counts.collect::<Vec<_>>()
    };
    let series = vec![
        Series::new(t("Within 2 years"), counts(risk_2y)),
        Series::new(t("Within 5 years"), counts(risk_5y)),
    ];
    let caption = t("Patients by the risk of the latest prediction").to_owned();
    view! { <BarChart caption kind=t("Risk") unit=t("Patients") names series /> }.into_any()
}

/// A bar as long as its share of the longest one, and the number.
fn bar(patients: i64, most: i64) -> AnyView {
    let width = 100.0 * patients as f64 / most.max(1) as f64;
    view! {
        <span class="bar-and-count">
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect width=format!("{width:.1}") height="10" rx="1" />
            </svg>
            {number(patients)}
        </span>
    }
    .into_any()
}

/// What a threshold asks for.
fn asks(threshold: Threshold) -> (&'static str, &'static str) {
    match threshold {
        Threshold::ConsiderReferral => (t("Consider referral"), t("5-year risk of 3 % or more")),
        Threshold::Refer => (t("Refer"), t("5-year risk of 5 % or more")),
        Threshold::Multidisciplinary => (t("Multidisciplinary care"), t("2-year risk over 10 %")),
        Threshold::PrepareReplacement => (t("Prepare replacement"), t("2-year risk over 40 %")),
    }
}

fn crossings(crossings: Crossings) -> AnyView {
    let counts: Vec<_> = crossings
        .thresholds
        .iter()
        .map(|count| {
            let (what, when) = asks(count.threshold);
            view! {
                <li class="tile">
                    <strong>{number(count.patients)}</strong>
                    <span>{what}</span>
                    <span class="fine">{when}</span>
                </li>
            }
        })
        .collect();
    let nobody = crossings.patients.is_empty();
    let is_cut = usize::try_from(MOST_CROSSINGS) == Ok(crossings.patients.len());
    let lines: Vec<_> = crossings.patients.into_iter().map(crossing).collect();
    view! {
        <ul class="tiles" aria-label=t("Patients by threshold")>{counts}</ul>
        {if nobody {
            view! { <p class="muted">{t("Nobody's latest prediction came over a threshold this month.")}</p> }.into_any()
        } else {
            view! { <ul class="crossings" aria-label=t("Who came over a threshold")>{lines}</ul> }.into_any()
        }}
        {is_cut.then(|| view! { <p class="fine">{t("The latest 50 are shown.")}</p> })}
        <p class="fine">
            {tf!(
                "Since {day}: the latest prediction is over the threshold, and the one before was not \
                 (KDIGO 2024, practice points 2.2.1 to 2.2.3).",
                day = format::date(crossings.since),
            )}
        </p>
    }
    .into_any()
}

fn crossing(one: Crossing) -> AnyView {
    let (what, _) = asks(one.threshold);
    view! {
        <li>
            <A href=format!("/patients/{}", one.patient_id) attr:class="identifying">
                {one.family_name} ", " {one.given_name}
            </A>
            <span class="fine identifying">{one.mrn}</span>
            <span class="fine">
                {tf!(
                    "{years}-year risk {before} → {after}, {day}",
                    years = one.threshold.years(),
                    before = format::percent(one.risk_before),
                    after = format::percent(one.risk_after),
                    day = format::date_of(one.crossed_at),
                )}
            </span>
            <span class="badge badge-quiet">{what}</span>
        </li>
    }
    .into_any()
}

fn gaps(counts: &[GapCount], all: i64) -> AnyView {
    let rows: Vec<_> = counts
        .iter()
        .map(|&GapCount { gap: of, patients }| {
            let wanted = ListQuery { gap: gap(of), ..ListQuery::default() };
            view! {
                <tr>
                    <th scope="row"><A href=list(&wanted)>{t(of.label())}</A></th>
                    <td>{bar(patients, all)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <table class="bars">
            <caption class="visually-hidden">{t("Records in use, by what they lack")}</caption>
            <thead class="visually-hidden">
                <tr><th scope="col">{t("Gap")}</th><th scope="col">{t("Records")}</th></tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
    .into_any()
}
