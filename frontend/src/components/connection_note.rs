//! Says calmly that the server cannot be reached, what waits for it, and that it is back.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;

use crate::{connection, language::t, tn};

/// How long it is said that the server is back, in milliseconds.
const BACK_MS: u32 = 4000;

/// The note, over the foot of every page.
#[component]
pub fn ConnectionNote() -> impl IntoView {
    let lost = Memo::new(|_| connection::is_lost());
    let is_back = RwSignal::new(false);
    Effect::watch(
        move || lost.get(),
        move |lost, before, _| {
            is_back.set(!lost && before == Some(&true));
            if !lost {
                Timeout::new(BACK_MS, move || is_back.set(false)).forget();
            }
        },
        false,
    );
    let changes = Memo::new(|_| connection::waiting_changes());
    view! {
        <div class="connection no-print" role="status">
            {move || lost.get().then(|| view! {
                <div class="connection-note">
                    <p>
                        <strong>{t("You are offline, or the server does not answer.")}</strong> " "
                        {t("What you typed is kept. Everything goes on by itself when it is back.")}
                    </p>
                    {move || (0 < changes.get()).then(|| view! {
                        <p>{tn!(changes.get(), "1 change waits to be sent.", "{n} changes wait to be sent.")}</p>
                        <button type="button" class="btn btn-small" on:click=|_| connection::give_up()>
                            {t("Do not send")}
                        </button>
                    })}
                </div>
            })}
            {move || is_back.get().then(|| view! {
                <p class="connection-note">{t("The server is back.")}</p>
            })}
        </div>
    }
}
