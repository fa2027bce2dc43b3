//! API tokens: for programs that speak for the person signed in.

use leptos::prelude::*;
use shared::{
    access::Permission,
    page::Page,
    token::{CreatedToken, Token},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        more::{More, Paged},
        token_dialogs::{NewTokenDialog, RevokeDialog, SecretDialog},
    },
    format,
    language::{around, t},
    session, tf,
};

/// The dialog that is open.
#[derive(Clone)]
enum Open {
    New,
    Secret(CreatedToken),
    Revoke(Token),
}

/// The list of tokens, and ways to make and revoke them.
#[component]
pub fn TokensPage() -> impl IntoView {
    set_title(t("API tokens"));
    let everybody = RwSignal::new(false);
    let tokens = LocalResource::new(move || {
        let everybody = everybody.get();
        async move { api::tokens::list(everybody, "").await.map(|page| (everybody, page)) }
    });
    let open = RwSignal::new(None::<Open>);
    let close = Callback::new(move |()| open.set(None));
    let done = Callback::new(move |()| {
        open.set(None);
        tokens.refetch();
    });
    let made = Callback::new(move |made: CreatedToken| {
        open.set(Some(Open::Secret(made)));
        tokens.refetch();
    });
    let [before, interface, behind] = around(t(
        "A token lets a program, such as a laboratory’s system, use the *API* in your name: it does \
         what its scopes say, never more than your role, and ends on its day.",
    ));
    view! {
        <div class="page page-narrow">
            <div class="page-head">
                <h1>{t("API tokens")}</h1>
                <button type="button" class="btn btn-primary" on:click=move |_| open.set(Some(Open::New))>
                    {t("New token")}
                </button>
            </div>
            <p>
                {before} <a href="/api/docs/" rel="external">{interface}</a> {behind}
            </p>
            <section class="card" aria-label=t("Tokens")>
                {move || session::allows(Permission::OverseeTokens).then(|| view! {
                    <label class="check">
                        <input
                            type="checkbox"
                            prop:checked=move || everybody.get()
                            on:change:target=move |event| everybody.set(event.target().checked())
                        />
                        {t("Everybody’s tokens")}
                    </label>
                })}
                <AsyncView
                    resource=tokens
                    render=move |(everybody, page)| view! { <List everybody page open /> }
                />
            </section>
            {move || open.get().map(|asked| match asked {
                Open::New => view! { <NewTokenDialog close made /> }.into_any(),
                Open::Secret(made) => view! { <SecretDialog made close /> }.into_any(),
                Open::Revoke(token) => view! { <RevokeDialog token close done /> }.into_any(),
            })}
        </div>
    }
}

/// The first page and those loaded after it.
#[component]
fn List(everybody: bool, page: Page<Token>, open: RwSignal<Option<Open>>) -> impl IntoView {
    if page.items.is_empty() {
        return view! { <p class="muted">{t("No token yet.")}</p> }.into_any();
    }
    let Paged { items, rest } =
        Paged::after(page, move |from| async move { api::tokens::list(everybody, &from).await });
    view! {
        <ul class="records">
            <For each=move || items.get() key=|token| token.id let:token>
                <Line token everybody open />
            </For>
        </ul>
        <More rest />
    }
    .into_any()
}

#[component]
fn Line(token: Token, everybody: bool, open: RwSignal<Option<Open>>) -> impl IntoView {
    let ended = token.expires_at <= format::now();
    let usable = token.revoked_at.is_none() && !ended;
    let scopes = token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(", ");
    let life = match token.revoked_at {
        Some(moment) => tf!("Revoked {day}", day = format::date_of(moment)),
        None if ended => tf!("Ended {day}", day = format::date_of(token.expires_at)),
        None => tf!("Ends {day}", day = format::date_of(token.expires_at)),
    };
    let used = token.last_used_on.map_or_else(
        || t("never used").to_owned(),
        |day| {
            let from = token.last_used_address.as_deref().unwrap_or(t("an unknown address"));
            tf!("last used {day} from {address}", day = format::date(day), address = from)
        },
    );
    let owner = everybody.then(|| {
        format!(
            "{}, {}",
            token.owner.display_name,
            t(token.owner.role.label()).to_ascii_lowercase()
        )
    });
    let label = tf!("Revoke {name}", name = token.name);
    let name = token.name.clone();
    view! {
        <li class="record" class:gone=!usable>
            <div>
                <p><strong>{name}</strong></p>
                {owner.map(|owner| view! { <p class="fine">{owner}</p> })}
                <p class="fine"><code>{scopes}</code></p>
                <p class="fine">{format!("{life}, {used}")}</p>
            </div>
            {usable.then(|| view! {
                <div class="record-actions">
                    <button
                        type="button"
                        class="btn btn-small"
                        aria-label=label
                        on:click=move |_| open.set(Some(Open::Revoke(token.clone())))
                    >
                        {t("Revoke")}
                    </button>
                </div>
            })}
        </li>
    }
}
