//! The worklist: patients by risk, and what is due for each; the address holds the state.

use gloo_timers::callback::Timeout;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_query_map},
};
use shared::{
    access::Permission,
    dashboard::DataGap,
    page::Page,
    patient::{PatientFilter, PatientListItem, RenalDisease},
    phrase,
    prediction::{ACategory, GCategory, RiskCategory},
};

use crate::{
    api::{self, patients::ListQuery},
    app::set_title,
    components::{
        async_view::AsyncView,
        bulk_predict::{Bulk, BulkButton, BulkProgress},
        more::{More, Paged},
        patient_table::PatientTable,
        problem_note::ProblemNote,
        record_form::wire_name,
        saved_views::SavedViews,
    },
    language::t,
    session, tf, tn,
};

/// How long typing must rest before the search is sent, in milliseconds.
const REST_MS: u32 = 250;

/// The order of whoever comes to work: who needs most comes first.
const BY_RISK: &str = "-risk";

const SORTS: [(&str, &str); 4] = [
    (BY_RISK, phrase!("Highest risk first")),
    ("name", phrase!("Name")),
    ("egfr", phrase!("Lowest eGFR first")),
    ("-updated_at", phrase!("Last changed first")),
];

const CATEGORIES: [(&str, RiskCategory); 4] = [
    ("low", RiskCategory::Low),
    ("moderate", RiskCategory::Moderate),
    ("high", RiskCategory::High),
    ("very_high", RiskCategory::VeryHigh),
];

/// The list of patients.
#[component]
pub fn PatientsPage() -> impl IntoView {
    set_title(t("Patients"));
    let address = use_query_map();
    let wanted = Memo::new(move |_| {
        address.with(|address| ListQuery {
            q: address.get("q").unwrap_or_default(),
            sort: address.get("sort").unwrap_or_else(|| BY_RISK.to_owned()),
            risk_category: address.get("risk_category").unwrap_or_default(),
            renal_disease: address.get("renal_disease").unwrap_or_default(),
            kdigo_g: address.get("kdigo_g").unwrap_or_default(),
            kdigo_a: address.get("kdigo_a").unwrap_or_default(),
            gap: address.get("gap").unwrap_or_default(),
            overdue: address.get("overdue").unwrap_or_default(),
            rapid_progression: address.get("rapid_progression").unwrap_or_default(),
            archived: address.get("archived").as_deref() == Some("true"),
            cursor: String::new(),
        })
    });
    let navigate = use_navigate();
    let want = Callback::new(move |query: ListQuery| {
        let options = NavigateOptions { replace: true, scroll: false, ..Default::default() };
        navigate(&format!("/patients{}", query.query()), options);
    });
    let first = LocalResource::new(move || {
        let wanted = wanted.get();
        async move { api::patients::list(&wanted).await.map(|page| (wanted, page)) }
    });
    let filter = Memo::new(move |_| wanted.with(|wanted| PatientFilter::from(wanted)));
    let bulk = Bulk::new(Callback::new(move |()| first.refetch()));
    let predicts = move || {
        session::allows(Permission::RequestPredictions)
            && wanted.with(|wanted| !wanted.archived && wanted.is_understood())
    };
    view! {
        <div class="page">
            <div class="page-head">
                <h1>{t("Patients")}</h1>
                <div class="row">
                {move || predicts().then(|| view! { <BulkButton bulk filter /> })}
                <ExportButton wanted />
                {move || session::allows(Permission::EditPatients).then(|| view! {
                    {session::care_teams_only().then(|| view! {
                        <A href="/emergency-access" attr:class="btn btn-quiet">{t("Emergency")}</A>
                    })}
                    <A href="/import" attr:class="btn">{t("Import")}</A>
                    <A href="/patients/new" attr:class="btn btn-primary">{t("New patient")}</A>
                })}
                </div>
            </div>
            <BulkProgress bulk />
            <section class="card card-flush" aria-label=t("Patient list")>
                {move || session::allows(Permission::KeepViews).then(|| view! {
                    <SavedViews
                        wanted want
                        none=ListQuery { sort: BY_RISK.to_owned(), ..ListQuery::default() }
                    />
                })}
                <Filters wanted want />
                <AsyncView
                    resource=first
                    rows=8
                    render=move |(query, page)| view! { <Pages query page want /> }
                />
            </section>
        </div>
    }
}

/// Saves the whole view as a file, in its order.
#[component]
fn ExportButton(wanted: Memo<ListQuery>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None);
    let export = Callback::new(move |()| {
        let query = wanted.get_untracked();
        busy.set(true);
        problem.set(None);
        spawn_local(async move {
            let saved = api::patients::export(&query).await;
            // The page may be another one by now: then these signals are gone.
            let _ = busy.try_set(false);
            let _ = problem.try_set(saved.err());
        });
    });
    let disabled = move || busy.get() || !wanted.with(ListQuery::is_understood);
    view! {
        <button type="button" class="btn btn-quiet" disabled=disabled on:click=move |_| export.run(())>
            {move || if busy.get() { t("Exporting…") } else { t("Export CSV") }}
        </button>
        {move || problem.get().map(|problem| view! { <ProblemNote problem retry=export /> })}
    }
}

/// Search, sort and filters.
#[component]
fn Filters(wanted: Memo<ListQuery>, want: Callback<ListQuery>) -> impl IntoView {
    let typed = RwSignal::new(wanted.with_untracked(|wanted| wanted.q.clone()));
    let resting = StoredValue::new_local(None::<Timeout>);
    let search = move || {
        resting.set_value(None);
        let q = typed.get_untracked().trim().to_owned();
        if wanted.with_untracked(|wanted| wanted.q != q) {
            want.run(ListQuery { q, ..wanted.get_untracked() });
        }
    };
    // Where there is little room the filters begin folded; elsewhere they are always there.
    let open = RwSignal::new(false);
    let categories = CATEGORIES.map(|(name, one)| (name.to_owned(), one.label())).into();
    let stages = GCategory::ALL.map(|one| (one.label().to_owned(), one.label())).into();
    let albuminuria = ACategory::ALL.map(|one| (one.label().to_owned(), one.label())).into();
    let gaps = DataGap::ALL.map(|one| (one.as_str().to_owned(), one.label())).into();
    let causes = RenalDisease::ALL.map(|one| (wire_name(one), one.label())).into();
    // The address can change without typing: the back button, a cleared search.
    Effect::new(move |_| {
        let q = wanted.with(|wanted| wanted.q.clone());
        if typed.with_untracked(|typed| typed.trim() != q) {
            typed.set(q);
        }
    });
    view! {
        <form
            class="filters"
            role="search"
            on:submit=move |event| {
                event.prevent_default();
                search();
            }
        >
            <label class="filter filter-search">
                <span>{t("Search")}</span>
                <input
                    type="search"
                    class="control"
                    placeholder=t("Name, record number, date of birth")
                    autocomplete="off"
                    spellcheck="false"
                    maxlength="100"
                    prop:value=move || typed.get()
                    on:input:target=move |event| {
                        typed.set(event.target().value());
                        resting.set_value(Some(Timeout::new(REST_MS, search)));
                    }
                />
            </label>
            <label class="filter">
                <span>{t("Sort by")}</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        want.run(ListQuery { sort: event.target().value(), ..wanted.get_untracked() });
                    }
                >
                    {SORTS.map(|(sort, text)| view! {
                        <option value=sort selected=move || wanted.with(|wanted| wanted.sort == sort)>
                            {t(text)}
                        </option>
                    })}
                </select>
            </label>
            <button
                type="button"
                class="btn filters-toggle"
                aria-expanded=move || open.get().to_string()
                aria-controls="more-filters"
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {move || match wanted.with(ListQuery::filters_set) {
                    0 => t("Filters").to_owned(),
                    set => tf!("Filters ({set} set)", set = set),
                }}
            </button>
            <div id="more-filters" class="filters-more" class:open=move || open.get()>
            <Choice
                label=t("Risk") options=categories wanted want
                read=|wanted| &wanted.risk_category
                write=|wanted, risk_category| wanted.risk_category = risk_category
            />
            <Choice
                label=t("Stage") options=stages wanted want
                read=|wanted| &wanted.kdigo_g
                write=|wanted, kdigo_g| wanted.kdigo_g = kdigo_g
            />
            <Choice
                label=t("Albuminuria") options=albuminuria wanted want
                read=|wanted| &wanted.kdigo_a
                write=|wanted, kdigo_a| wanted.kdigo_a = kdigo_a
            />
            <Choice
                label=t("Cause") options=causes wanted want
                read=|wanted| &wanted.renal_disease
                write=|wanted, renal_disease| wanted.renal_disease = renal_disease
            />
            <Choice
                label=t("Lacking") options=gaps wanted want
                read=|wanted| &wanted.gap
                write=|wanted, gap| wanted.gap = gap
            />
            <Tick
                label=t("Tests overdue") wanted want
                read=|wanted| &wanted.overdue
                write=|wanted, overdue| wanted.overdue = overdue
            />
            <Tick
                label=t("Rapid progression") wanted want
                read=|wanted| &wanted.rapid_progression
                write=|wanted, rapid_progression| wanted.rapid_progression = rapid_progression
            />
            <label class="check filter-check">
                <input
                    type="checkbox"
                    prop:checked=move || wanted.with(|wanted| wanted.archived)
                    on:change:target=move |event| {
                        let archived = event.target().checked();
                        want.run(ListQuery { archived, ..wanted.get_untracked() });
                    }
                />
                {t("Show archived")}
            </label>
            </div>
        </form>
    }
}

/// One of the filters that are chosen from a list.
#[component]
fn Choice(
    label: &'static str,
    options: Vec<(String, &'static str)>,
    wanted: Memo<ListQuery>,
    want: Callback<ListQuery>,
    read: fn(&ListQuery) -> &String,
    write: fn(&mut ListQuery, String),
) -> impl IntoView {
    let options: Vec<_> = options
        .into_iter()
        .map(|(name, text)| {
            let value = name.clone();
            let selected = move || wanted.with(|wanted| *read(wanted) == name);
            view! { <option value=value selected=selected>{t(text)}</option> }
        })
        .collect();
    view! {
        <label class="filter">
            <span>{label}</span>
            <select
                class="control"
                on:change:target=move |event| {
                    let mut changed = wanted.get_untracked();
                    write(&mut changed, event.target().value());
                    want.run(changed);
                }
            >
                <option value="">{t("Any")}</option>
                {options}
            </select>
        </label>
    }
}

/// One of the filters that are on or off.
#[component]
fn Tick(
    label: &'static str,
    wanted: Memo<ListQuery>,
    want: Callback<ListQuery>,
    read: fn(&ListQuery) -> &String,
    write: fn(&mut ListQuery, String),
) -> impl IntoView {
    view! {
        <label class="check filter-check">
            <input
                type="checkbox"
                prop:checked=move || wanted.with(|wanted| read(wanted) == "true")
                on:change:target=move |event| {
                    let mut changed = wanted.get_untracked();
                    let on = if event.target().checked() { "true" } else { "" };
                    write(&mut changed, on.to_owned());
                    want.run(changed);
                }
            />
            {label}
        </label>
    }
}

/// The first page and those loaded after it.
#[component]
fn Pages(
    query: ListQuery,
    page: Page<PatientListItem>,
    want: Callback<ListQuery>,
) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <Nobody query want /> }.into_any();
    }
    let Paged { items, rest } = Paged::after(page, move |cursor| {
        let query = ListQuery { cursor, ..query.clone() };
        async move { api::patients::list(&query).await }
    });
    view! {
        <PatientTable items />
        <div class="list-end">
            <p class="fine" role="status">{move || shown(items.with(Vec::len), rest.is_there())}</p>
            <More rest />
        </div>
    }
    .into_any()
}

fn shown(count: usize, more: bool) -> String {
    if more {
        tn!(count, "{n} patient shown, there are more", "{n} patients shown, there are more")
    } else {
        tn!(count, "{n} patient", "{n} patients")
    }
}

/// Why the list is empty, and what to do about it.
#[component]
fn Nobody(query: ListQuery, want: Callback<ListQuery>) -> impl IntoView {
    let filtered = PatientFilter::from(&query) != PatientFilter::default();
    let clear =
        ListQuery { sort: query.sort.clone(), archived: query.archived, ..ListQuery::default() };
    view! {
        <div class="empty" role="status">
            {if filtered {
                view! {
                    <h2>{t("Nobody matches")}</h2>
                    <p>{t("Try a part of the name or of the record number, or fewer filters.")}</p>
                    <button type="button" class="btn" on:click=move |_| want.run(clear.clone())>
                        {t("Clear the search")}
                    </button>
                }
                .into_any()
            } else if query.archived {
                view! { <h2>{t("No archived records")}</h2> }.into_any()
            } else {
                view! {
                    <h2>{t("No patients yet")}</h2>
                    <p>{t("Register the first one to enter laboratory values and ask for a prediction.")}</p>
                }
                .into_any()
            }}
        </div>
    }
}
