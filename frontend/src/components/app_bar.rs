//! The bar on top: where one is, where one can go, who one is.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;
use shared::{access::Permission, user::User};

use super::{logo::Logo, privacy_switch::PrivacySwitch, theme_switch::ThemeSwitch};
use crate::{language::t, record, session, tf};

/// The bar on top of every page.
#[component]
pub fn AppBar() -> impl IntoView {
    let user = Memo::new(|_| session::user());
    view! {
        <header class="bar">
            <div class="bar-inner">
                <A href="/" attr:class="brand">
                    <Logo />
                    <span>"Nephrocast"</span>
                </A>
                <nav class="bar-nav" aria-label=t("Main")>
                    {move || user.get().map(|user| view! { <RecordLinks user /> })}
                    <A href="/about">{t("About")}</A>
                    <A href="/help">{t("Help")}</A>
                </nav>
                <div class="bar-end">
                    {move || user.get().map(|_| view! { <PrivacySwitch /> })}
                    <ThemeSwitch />
                    {move || user.get().map(|user| view! { <AccountMenu user /> })}
                </div>
            </div>
        </header>
    }
}

/// Links to the records that the person may see, and to what they manage.
#[component]
fn RecordLinks(user: User) -> impl IntoView {
    let list = user.role.allows(Permission::ListPatients);
    let audit = user.role.allows(Permission::ReadAudit);
    // Whose work is in records finds it in the menu of their account.
    let research = !list && user.role.allows(Permission::ReadSummaries);
    let own = user.patient_id.is_some() && !list && user.role.allows(Permission::ReadPatients);
    view! {
        {list.then(|| view! { <A href="/patients">{t("Patients")}</A><A href="/dashboard">{t("Dashboard")}</A> })}
        {audit.then(|| view! { <A href="/audit">{t("Audit")}</A> })}
        {own.then(|| view! { <A href=record::OWN>{t("My record")}</A> })}
        {user.role.allows(Permission::PreviewPredictions).then(|| view! { <A href="/calculator">{t("Calculator")}</A> })}
        {research.then(|| view! { <A href="/research">{t("Research")}</A> })}
        {user.role.allows(Permission::ManageModels).then(|| view! { <A href="/models">{t("Models")}</A> })}
    }
}

/// Who is signed in, and the way out.
#[component]
fn AccountMenu(user: User) -> impl IntoView {
    let initials: String = user
        .display_name
        .split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .collect();
    let links: Vec<_> = [
        (Permission::UseOwnAccount, "/account", t("Your account")),
        (Permission::EditPatients, "/import", t("Import a file")),
        (Permission::UseTokens, "/tokens", t("API tokens")),
        (Permission::ReadSummaries, "/research", t("Research")),
        (Permission::ManageUsers, "/users", t("Users")),
        (Permission::ManageSettings, "/settings", t("Settings")),
    ]
    .into_iter()
    .filter(|(needs, ..)| user.role.allows(*needs))
    .map(|(_, href, text)| view! { <A href attr:class="btn btn-wide">{text}</A> })
    .collect();
    view! {
        // Whoever steers by voice says what stands there: the name holds the initials.
        <button
            type="button"
            class="account"
            popovertarget="account-menu"
            aria-label=tf!("Account {initials}", initials = initials)
        >
            <span class="avatar">{initials.clone()}</span>
        </button>
        <div id="account-menu" class="menu" popover="auto">
            <p class="menu-head">
                <strong>{user.display_name.clone()}</strong>
                <span>{user.email.clone()}</span>
                <span class="badge badge-quiet">{t(user.role.label())}</span>
            </p>
            {links}
            <button
                type="button"
                class="btn btn-wide"
                on:click=|_| spawn_local(session::sign_out())
            >
                {t("Sign out")}
            </button>
        </div>
    }
}
