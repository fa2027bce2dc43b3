//! Who looked at a record: loaded when somebody asks.

use leptos::prelude::*;
use shared::{access::Permission, audit::AccessEvent, page::Page};

use super::{
    audit_words,
    more::{More, Paged},
};
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
    let nothing = Page { items: Vec::<AccessEvent>::new(), next_cursor: Some(String::new()) };
    let next = move |from: String| async move { api::audit::accesses(record.id, &from).await };
    let Paged { items, rest } = Paged::after(nothing, next);
    rest.load.run(());
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
        <More rest text=t("Load earlier ones") />
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
