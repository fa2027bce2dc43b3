//! The audit log, for administrators: search, look, check, export. The address holds the filters.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_query_map},
};
use shared::{
    audit::{AuditEvent, AuditOutcome, AuditVerdict, AuditVerification},
    page::Page,
};

use crate::{
    api::{self, audit::ListQuery},
    app::set_title,
    components::{
        async_view::AsyncView,
        audit_entry::AuditEntry,
        audit_words::{self, NOUNS},
        more::{More, Paged},
        problem_note::FormProblem,
    },
    format,
    language::{said, t},
    tf, tn,
};

/// What is asked for, as it is typed: days are local.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    actor: String,
    patient: String,
    action: String,
    outcome: String,
    emergency: String,
    from: String,
    to: String,
}

impl Asked {
    fn address(&self) -> String {
        let query = api::query(&[
            ("actor", &self.actor),
            ("patient", &self.patient),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("emergency", &self.emergency),
            ("from", &self.from),
            ("to", &self.to),
        ]);
        format!("/audit{query}")
    }

    fn query(&self) -> ListQuery {
        let after = |day: &str| day.parse::<NaiveDate>().ok()?.succ_opt();
        ListQuery {
            actor: self.actor.clone(),
            patient: self.patient.clone(),
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            emergency: self.emergency.clone(),
            from: beginning(&self.from),
            to: after(&self.to).map(|day| beginning(&day.to_string())).unwrap_or_default(),
            cursor: String::new(),
        }
    }
}

/// When a local day begins; empty for what is no day.
fn beginning(day: &str) -> String {
    let written = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
    format::from_input(&format!("{day}T00:00")).map(written).unwrap_or_default()
}

/// The audit log.
#[component]
pub fn AuditPage() -> impl IntoView {
    set_title(t("Audit log"));
    let address = use_query_map();
    let asked = Memo::new(move |_| {
        address.with(|address| {
            let of = |name| address.get(name).unwrap_or_default();
            Asked {
                actor: of("actor"),
                patient: of("patient"),
                action: of("action"),
                outcome: of("outcome"),
                emergency: of("emergency"),
                from: of("from"),
                to: of("to"),
            }
        })
    });
    let navigate = use_navigate();
    let ask = Callback::new(move |asked: Asked| {
        let options = NavigateOptions { replace: true, scroll: false, ..Default::default() };
        navigate(&asked.address(), options);
    });
    let first = LocalResource::new(move || {
        let query = asked.get().query();
        async move { api::audit::list(&query).await.map(|page| (query, page)) }
    });
    view! {
        <div class="page">
            <div class="page-head"><h1>{t("Audit log")}</h1></div>
            <Check asked />
            <section class="card card-flush" aria-label=t("Entries")>
                <Filters asked ask />
                <AsyncView
                    resource=first
                    rows=8
                    render=move |(query, page)| view! { <Pages query page asked ask /> }
                />
            </section>
        </div>
    }
}

/// Whether the log is whole, and the way to take it out.
#[component]
fn Check(asked: Memo<Asked>) -> impl IntoView {
    let verify = Action::new_local(|(): &()| api::audit::verify());
    let export = Action::new_local(move |(): &()| {
        let ListQuery { from, to, .. } = asked.get_untracked().query();
        async move { api::audit::export(&from, &to).await }
    });
    let (verifying, exporting) = (verify.pending(), export.pending());
    let problem = move || {
        let checked = verify.value().get().and_then(Result::err);
        checked.or_else(|| export.value().get().and_then(Result::err))
    };
    view! {
        <section class="card stack" aria-labelledby="whole">
            <h2 id="whole">{t("Is it whole?")}</h2>
            <p class="muted">
                {t("Every entry is sealed into a chain of hashes within a second. A check recomputes \
                 all of them and names the first entry that somebody changed, removed or put in.")}
            </p>
            <div class="form-actions">
                <button
                    type="button"
                    class="btn btn-primary"
                    disabled=move || verifying.get()
                    on:click=move |_| {
                        verify.dispatch_local(());
                    }
                >
                    {move || if verifying.get() { t("Checking…") } else { t("Check the log") }}
                </button>
                <button
                    type="button"
                    class="btn"
                    disabled=move || exporting.get()
                    on:click=move |_| {
                        export.dispatch_local(());
                    }
                >
                    {t("Export (NDJSON)")}
                </button>
            </div>
            <FormProblem problem=Signal::derive(problem) />
            <div role="status">
                {move || verify.value().get().and_then(Result::ok).map(|found| view! { <Finding found /> })}
            </div>
        </section>
    }
}

/// What a check found, in words.
#[component]
fn Finding(found: AuditVerification) -> impl IntoView {
    let (class, title) = match found.verdict {
        AuditVerdict::Whole => ("notice notice-success", t("The log is whole")),
        AuditVerdict::Broken => ("notice notice-error", t("The log was changed")),
        AuditVerdict::Unfinished => ("notice notice-warning", t("The check ran out of time")),
    };
    let checked = tn!(
        found.checked,
        "{n} sealed entry is as it was sealed.",
        "{n} sealed entries are as they were sealed.",
    );
    let waiting = found.unsealed_since.map(|since| {
        tn!(
            found.unsealed,
            "{n} waits to be sealed, since {since}.",
            "{n} wait to be sealed, the oldest since {since}.",
            since = format::date_time(since),
        )
    });
    view! {
        <div class=class>
            <p class="notice-title">{title}</p>
            {found.fault.map(|fault| view! { <p>{tf!("The first fault: {fault}.", fault = said(&fault.message))}</p> })}
            <p>{checked}</p>
            {waiting.map(|waiting| view! { <p>{waiting}</p> })}
            {(found.verdict == AuditVerdict::Unfinished).then(|| view! {
                <p>
                    {tf!("Run {command} on the server: it has no limit.", command = "nephrocast audit verify")}
                </p>
            })}
            {found.checkpoint.map(|checkpoint| view! {
                <details class="twin">
                    <summary>{t("Signed checkpoint, to keep elsewhere")}</summary>
                    <pre class="wrap">{checkpoint}</pre>
                </details>
            })}
        </div>
    }
}

/// Who, what, when and how it ended.
#[component]
fn Filters(asked: Memo<Asked>, ask: Callback<Asked>) -> impl IntoView {
    let day =
        move |label: &'static str, value: fn(&Asked) -> String, set: fn(Asked, String) -> Asked| {
            view! {
                <label class="filter">
                    <span>{label}</span>
                    <input
                        type="date"
                        class="control"
                        prop:value=move || asked.with(value)
                        on:change:target=move |event| {
                            ask.run(set(asked.get_untracked(), event.target().value()));
                        }
                    />
                </label>
            }
        };
    view! {
        <form class="filters" role="search" on:submit=|event| event.prevent_default()>
            <label class="filter filter-search">
                <span>{t("Account")}</span>
                <input
                    type="text"
                    class="control"
                    inputmode="email"
                    placeholder=t("E-mail address")
                    autocomplete="off"
                    spellcheck="false"
                    prop:value=move || asked.with(|asked| asked.actor.clone())
                    on:change:target=move |event| {
                        let actor = event.target().value().trim().to_owned();
                        ask.run(Asked { actor, ..asked.get_untracked() });
                    }
                />
            </label>
            <label class="filter">
                <span>{t("What")}</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        ask.run(Asked { action: event.target().value(), ..asked.get_untracked() });
                    }
                >
                    <option value="">{t("Anything")}</option>
                    {NOUNS.map(|(noun, text)| view! {
                        <option value=noun selected=move || asked.with(|asked| asked.action == noun)>{t(text)}</option>
                    })}
                </select>
            </label>
            <label class="filter">
                <span>{t("Outcome")}</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        ask.run(Asked { outcome: event.target().value(), ..asked.get_untracked() });
                    }
                >
                    <option value="">{t("Any")}</option>
                    {AuditOutcome::ALL.map(|outcome| {
                        let name = outcome_name(outcome);
                        view! {
                            <option value=name selected=move || asked.with(|asked| asked.outcome == name)>
                                {t(outcome.label())}
                            </option>
                        }
                    })}
                </select>
            </label>
            <label class="filter">
                <span>{t("Emergency")}</span>
                <select
                    class="control"
                    on:change:target=move |event| {
                        ask.run(Asked { emergency: event.target().value(), ..asked.get_untracked() });
                    }
                >
                    <option value="">{t("Either")}</option>
                    {[("true", t("In an emergency")), ("false", t("All else"))].map(|(value, text)| view! {
                        <option value=value selected=move || asked.with(|asked| asked.emergency == value)>{text}</option>
                    })}
                </select>
            </label>
            {day(t("From"), |asked| asked.from.clone(), |asked, from| Asked { from, ..asked })}
            {day(t("To"), |asked| asked.to.clone(), |asked, to| Asked { to, ..asked })}
            {move || asked.with(|asked| !asked.patient.is_empty()).then(|| view! {
                <button
                    type="button"
                    class="btn"
                    on:click=move |_| {
                        ask.run(Asked { patient: String::new(), ..asked.get_untracked() });
                    }
                >
                    {t("One patient only: show all")}
                </button>
            })}
        </form>
    }
}

const fn outcome_name(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Success => "success",
        AuditOutcome::Refused => "refused",
        AuditOutcome::Failure => "failure",
    }
}

/// The first page and those loaded after it.
#[component]
fn Pages(
    query: ListQuery,
    page: Page<AuditEvent>,
    asked: Memo<Asked>,
    ask: Callback<Asked>,
) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <div class="empty" role="status"><h2>{t("No entry matches")}</h2></div> }
            .into_any();
    }
    let shown = RwSignal::new(None::<AuditEvent>);
    let Paged { items, rest } = Paged::after(page, move |cursor| {
        let query = ListQuery { cursor, ..query.clone() };
        async move { api::audit::list(&query).await }
    });
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Audit entries")>
            <table class="table table-tight audit">
                <thead>
                    <tr>
                        <th scope="col">{t("When")}</th>
                        <th scope="col">{t("Who")}</th>
                        <th scope="col">{t("What")}</th>
                        <th scope="col">{t("Patient")}</th>
                        <th scope="col">{t("Outcome")}</th>
                        <th scope="col"><span class="visually-hidden">{t("Details")}</span></th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || items.get() key=|item| item.id let:item>
                        <Line item asked ask shown />
                    </For>
                </tbody>
            </table>
        </div>
        <div class="list-end">
            <More rest />
        </div>
        {move || shown.get().map(|entry| view! {
            <AuditEntry entry close=Callback::new(move |()| shown.set(None)) />
        })}
    }
    .into_any()
}

#[component]
fn Line(
    item: AuditEvent,
    asked: Memo<Asked>,
    ask: Callback<Asked>,
    shown: RwSignal<Option<AuditEvent>>,
) -> impl IntoView {
    let when = format::date_time(item.at);
    let name = item.actor.as_ref().and_then(|actor| actor.display_name.clone());
    let who = name.unwrap_or_else(|| {
        if item.actor.is_some() { t("Unknown") } else { t("Nobody signed in") }.to_owned()
    });
    let role = item.actor_role.map_or("", |role| t(role.label()));
    let label = tf!("Details of entry {id}", id = item.id);
    let badge = match item.outcome {
        AuditOutcome::Success => "badge badge-quiet",
        AuditOutcome::Refused | AuditOutcome::Failure => "badge risk-high",
    };
    let only = item.patient_id.map(|id| (id, tf!("Only this patient's entries: {id}", id = id)));
    let patient = item.patient_name.clone();
    let entry = item.clone();
    view! {
        <tr>
            <th scope="row" class="nowrap">{when}</th>
            <td>{who} <span class="when">{role}</span></td>
            <td>{audit_words::action(&item.action)} <span class="when">{item.action.clone()}</span></td>
            <td>
                {only.map(|(id, title)| view! {
                    <A href=format!("/patients/{id}") attr:class="identifying">{patient.unwrap_or_else(|| t("Patient").to_owned())}</A>
                    " "
                    <button
                        type="button"
                        class="btn btn-small btn-quiet"
                        aria-label=title
                        on:click=move |_| {
                            ask.run(Asked { patient: id.to_string(), ..asked.get_untracked() });
                        }
                    >
                        {t("Only")}
                    </button>
                })}
            </td>
            <td>
                <span class=badge>{t(item.outcome.label())}</span>
                {item.emergency_access_id.is_some().then(|| view! {
                    " " <span class="badge risk-high">{t("Emergency")}</span>
                })}
            </td>
            <td class="number">
                <button
                    type="button"
                    class="btn btn-small"
                    aria-label=label
                    on:click=move |_| shown.set(Some(entry.clone()))
                >
                    {t("Details")}
                </button>
            </td>
        </tr>
    }
}
