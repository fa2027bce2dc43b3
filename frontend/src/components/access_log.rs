//! Who looked at a record: loaded when somebody asks.

use leptos::{prelude::*, task::spawn_local};
use shared::{access::Permission, audit::AccessEvent, problem::Problem};

use super::{async_view::Skeleton, audit_words, problem_note::ProblemNote};
use crate::{api, format, language::t, record::Record, session};

/// A closed section; opening it loads the list, which is itself a look at the record.
#[component]
pub fn AccessLog() -> impl IntoView {
    let opened = RwSignal::new(false);
    move || {
        session::allows(Permission::ReadAccessLog).then(|| {
            view! {
                <section class="card no-print" aria-labelledby="accesses">
                    <h2 id="accesses" class="visually-hidden">{t("Who looked at this record")}</h2>
                    <details class="twin access-log" on:toggle=move |_| opened.set(true)>
                        <summary>{t("Who looked at this record")}</summary>
                        {move || opened.get().then(|| view! { <Accesses /> })}
                    </details>
                </section>
            }
        })
    }
}

#[component]
fn Accesses() -> impl IntoView {
    let record = Record::here();
    let items = RwSignal::new(Vec::<AccessEvent>::new());
    let cursor = RwSignal::new(None::<String>);
    let loading = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let load = Callback::new(move |()| {
        if loading.get_untracked() {
            return;
        }
        loading.set(true);
        problem.set(None);
        spawn_local(async move {
            let from = cursor.get_untracked().unwrap_or_default();
            let answer = api::audit::accesses(record.id, &from).await;
            // The page may be another one by now: then these signals are gone.
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
    load.run(());
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Who looked at this record")>
            <table class="table table-tight">
                <thead>
                    <tr>
                        <th scope="col">{t("When")}</th>
                        <th scope="col">{t("Who")}</th>
                        <th scope="col">{t("Role")}</th>
                        <th scope="col">{t("What")}</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || items.get() key=|item| item.id let:item>
                        <Line item />
                    </For>
                </tbody>
            </table>
        </div>
        {move || loading.get().then(|| view! { <Skeleton rows=2 /> })}
        {move || problem.get().map(|problem| view! { <ProblemNote problem retry=load /> })}
        {move || cursor.with(Option::is_some).then(|| view! {
            <button type="button" class="btn btn-small" on:click=move |_| load.run(())>{t("Load earlier ones")}</button>
        })}
    }
}

#[component]
fn Line(item: AccessEvent) -> impl IntoView {
    let role = item.actor_role.map_or("", |role| t(role.label()));
    let who = item.actor_name.unwrap_or_else(|| t("Nephrocast itself").to_owned());
    view! {
        <tr>
            <th scope="row" class="nowrap">{format::date_time(item.at)}</th>
            <td>{who}</td>
            <td>{role}</td>
            <td>
                {audit_words::of_a_record(&item.action)}
                {item.emergency.then(|| view! { " " {t("(emergency)")} })}
            </td>
        </tr>
    }
}
