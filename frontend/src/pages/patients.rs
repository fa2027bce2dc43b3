//! The patient list: search, sort, filter; the address holds the state.

use gloo_timers::callback::Timeout;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_query_map},
};
use shared::{access::Permission, page::Page, patient::PatientListItem, prediction::RiskCategory};

use crate::{
    api::{self, patients::ListQuery},
    app::set_title,
    components::{
        async_view::{AsyncView, Skeleton},
        patient_table::PatientTable,
        problem_note::ProblemNote,
    },
    session,
};

/// How long typing must rest before the search is sent, in milliseconds.
const REST_MS: u32 = 250;

const SORTS: [(&str, &str); 4] = [
    ("", "Name"),
    ("-risk", "Highest risk first"),
    ("egfr", "Lowest eGFR first"),
    ("-updated_at", "Last changed first"),
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
    set_title("Patients");
    let address = use_query_map();
    let wanted = Memo::new(move |_| {
        address.with(|address| ListQuery {
            q: address.get("q").unwrap_or_default(),
            sort: address.get("sort").unwrap_or_default(),
            risk_category: address.get("risk_category").unwrap_or_default(),
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
    view! {
        <div class="page">
            <div class="page-head">
                <h1>"Patients"</h1>
                {move || session::allows(Permission::EditPatients).then(|| view! {
                    {session::care_teams_only().then(|| view! {
                        <A href="/emergency-access" attr:class="btn btn-quiet">"Emergency"</A>
                    })}
                    <A href="/patients/new" attr:class="btn btn-primary">"New patient"</A>
                })}
            </div>
            <section class="card card-flush" aria-label="Patient list">
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
                <span>"Search"</span>
                <input
                    type="search"
                    class="control"
                    placeholder="Name or record number"
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
                <span>"Sort by"</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        want.run(ListQuery { sort: event.target().value(), ..wanted.get_untracked() });
                    }
                >
                    {SORTS.map(|(sort, text)| view! {
                        <option value=sort selected=move || wanted.with(|wanted| wanted.sort == sort)>
                            {text}
                        </option>
                    })}
                </select>
            </label>
            <label class="filter">
                <span>"Risk"</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        let risk_category = event.target().value();
                        want.run(ListQuery { risk_category, ..wanted.get_untracked() });
                    }
                >
                    <option value="">"Any"</option>
                    {CATEGORIES.map(|(name, category)| view! {
                        <option
                            value=name
                            selected=move || wanted.with(|wanted| wanted.risk_category == name)
                        >
                            {category.label()}
                        </option>
                    })}
                </select>
            </label>
            <label class="check filter-check">
                <input
                    type="checkbox"
                    prop:checked=move || wanted.with(|wanted| wanted.archived)
                    on:change:target=move |event| {
                        let archived = event.target().checked();
                        want.run(ListQuery { archived, ..wanted.get_untracked() });
                    }
                />
                "Show archived"
            </label>
        </form>
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
    let items = RwSignal::new(page.items);
    let cursor = RwSignal::new(page.next_cursor);
    let loading = RwSignal::new(false);
    let problem = RwSignal::new(None);
    let more = Callback::new(move |()| {
        let Some(cursor_now) = cursor.get_untracked() else { return };
        if loading.get_untracked() {
            return;
        }
        let query = ListQuery { cursor: cursor_now, ..query.clone() };
        loading.set(true);
        problem.set(None);
        spawn_local(async move {
            let answer = api::patients::list(&query).await;
            // The list may be another one by now: then these signals are gone.
            let _ = loading.try_set(false);
            match answer {
                Ok(page) => {
                    let _ = items.try_update(|items| items.extend(page.items));
                    let _ = cursor.try_set(page.next_cursor);
                }
                Err(failed) => {
                    let _ = problem.try_set(Some(failed));
                }
            }
        });
    });
    view! {
        <PatientTable items />
        <div class="list-end">
            {move || loading.get().then(|| view! { <Skeleton rows=2 /> })}
            {move || problem.get().map(|problem| view! { <ProblemNote problem retry=more /> })}
            <p class="fine" role="status">{move || shown(items.with(Vec::len), cursor.with(Option::is_some))}</p>
            {move || cursor.with(Option::is_some).then(|| view! {
                <button type="button" class="btn" on:click=move |_| more.run(())>"Load more"</button>
            })}
        </div>
    }
    .into_any()
}

fn shown(count: usize, more: bool) -> String {
    match (count, more) {
        (count, true) => format!("{count} patients shown, there are more"),
        (1, false) => "1 patient".to_owned(),
        (count, false) => format!("{count} patients"),
    }
}

/// Why the list is empty, and what to do about it.
#[component]
fn Nobody(query: ListQuery, want: Callback<ListQuery>) -> impl IntoView {
    let filtered = !query.q.is_empty() || !query.risk_category.is_empty();
    let clear = ListQuery { q: String::new(), risk_category: String::new(), ..query.clone() };
    view! {
        <div class="empty" role="status">
            {if filtered {
                view! {
                    <h2>"Nobody matches"</h2>
                    <p>"Try a part of the name or of the record number."</p>
                    <button type="button" class="btn" on:click=move |_| want.run(clear.clone())>
                        "Clear the search"
                    </button>
                }
                .into_any()
            } else if query.archived {
                view! { <h2>"No archived records"</h2> }.into_any()
            } else {
                view! {
                    <h2>"No patients yet"</h2>
                    <p>"Register the first one to enter laboratory values and ask for a prediction."</p>
                }
                .into_any()
            }}
        </div>
    }
}
