//! One's own account: language and units, password, second factor, sessions.

use leptos::prelude::*;
use shared::{
    access::Reach,
    page::Items,
    problem::Problem,
    second_factor::{Confirmation, Enrolment, NewSecondFactor, Proof, SecondFactor},
    session::Session,
    user::{PasswordChange, User},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView, dialog::Dialog, field::TextField,
        preferences_form::PreferencesSection, problem_note::ProblemNote, record_form::RecordForm,
        shown_once::ShownOnce,
    },
    format,
    language::{said, t},
    session, tf, tn,
};

/// The dialog that is open.
#[derive(Clone)]
enum Open {
    Password,
    Begin,
    Scan(Enrolment),
    Codes(Vec<String>),
    Renew,
    Remove,
}

/// The account of whoever is signed in.
#[component]
pub fn AccountPage() -> impl IntoView {
    set_title(t("Your account"));
    let open = RwSignal::new(None::<Open>);
    let factor = LocalResource::new(api::me::second_factor);
    let close = Callback::new(move |()| open.set(None));
    let changed = RwSignal::new("");
    view! {
        <div class="page page-narrow">
            <h1>{t("Your account")}</h1>
            {move || session::must_enrol().then(|| view! {
                <p class="notice notice-warning" role="alert">
                    {t("This site requires a second factor of your role. Set it up below; everything else is closed until then.")}
                </p>
            })}
            {move || session::user().map(|user| view! { <Facts user /> })}
            <PreferencesSection />
            <section class="card stack-tight" aria-labelledby="password">
                <h2 id="password">{t("Password")}</h2>
                <div class="row">
                    <button type="button" class="btn" on:click=move |_| open.set(Some(Open::Password))>
                        {t("Change password")}
                    </button>
                    <span role="status">{move || changed.get()}</span>
                </div>
            </section>
            <section class="card stack-tight" aria-labelledby="factor">
                <h2 id="factor">{t("Second factor")}</h2>
                <AsyncView resource=factor rows=2 render=move |factor| view! { <Factor factor open /> } />
            </section>
            <Sessions />
            {move || session::user().is_some_and(|user| user.role.reach() == Reach::OwnRecord)
                .then(|| view! { <OwnRecord /> })}
            {move || open.get().map(|asked| match asked {
                Open::Password => view! { <ChangePassword close changed /> }.into_any(),
                Open::Begin => view! { <Begin close open /> }.into_any(),
                Open::Scan(enrolment) => view! { <Scan enrolment close open factor /> }.into_any(),
                Open::Codes(codes) => view! { <Codes codes close /> }.into_any(),
                Open::Renew => view! { <Renew close open factor /> }.into_any(),
                Open::Remove => view! { <Remove close factor /> }.into_any(),
            })}
        </div>
    }
}

#[component]
fn Facts(user: User) -> impl IntoView {
    view! {
        <section class="card" aria-label=t("You")>
            <dl class="facts">
                <dt>{t("Name")}</dt>
                <dd>{user.display_name}</dd>
                <dt>{t("E-mail address")}</dt>
                <dd>{user.email}</dd>
                <dt>{t("Role")}</dt>
                <dd>{t(user.role.label())}</dd>
            </dl>
        </section>
    }
}

#[component]
fn ChangePassword(close: Callback<()>, changed: RwSignal<&'static str>) -> impl IntoView {
    let current = RwSignal::new(String::new());
    let new = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        let change = PasswordChange {
            current_password: current.get_untracked(),
            new_password: new.get_untracked(),
        };
        match api::me::change_password(&change).await {
            Ok(()) => {
                changed.set(t("Changed. Your other sessions have ended."));
                close.run(());
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("Change password") id="change-password" close>
            <RecordForm save verb=t("Change") close problem>
                <TextField
                    label=t("Current password") pointer="/current_password" kind="password" value=current
                    problem autocomplete="current-password" form="password"
                />
                <TextField
                    label=t("New password") pointer="/new_password" kind="password" value=new
                    problem autocomplete="new-password" form="password"
                    hint=t("12 characters or more; a few unrelated words are easy to keep in mind")
                />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Factor(factor: SecondFactor, open: RwSignal<Option<Open>>) -> impl IntoView {
    let (text, verb, next) = if factor.enabled {
        let left = factor.recovery_codes_left;
        let text = tn!(left, "On. {n} recovery code is left.", "On. {n} recovery codes are left.");
        (text, t("Remove"), Open::Remove)
    } else {
        let text =
            t("Off. With it, signing in asks for a code from an app on your telephone, too.");
        (text.to_owned(), t("Set up"), Open::Begin)
    };
    view! {
        <p>{text}</p>
        <div>
            <button type="button" class="btn" on:click=move |_| open.set(Some(next.clone()))>{verb}</button>
            {factor.enabled.then(|| view! {
                " "
                <button type="button" class="btn" on:click=move |_| open.set(Some(Open::Renew))>
                    {t("New recovery codes")}
                </button>
            })}
        </div>
    }
}

#[component]
fn Renew(
    close: Callback<()>,
    open: RwSignal<Option<Open>>,
    factor: LocalResource<api::Result<SecondFactor>>,
) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        let proof = NewSecondFactor { password: password.get_untracked() };
        match api::me::renew_recovery_codes(&proof).await {
            Ok(codes) => {
                factor.refetch();
                open.set(Some(Open::Codes(codes.recovery_codes)));
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("New recovery codes?") id="renew-codes" close>
            <p>{t("The codes that you have kept count no more.")}</p>
            <RecordForm save verb=t("Make new codes") close problem>
                <TextField
                    label=t("Your password") pointer="/password" kind="password" value=password
                    problem autocomplete="current-password" form="renew"
                />
            </RecordForm>
        </Dialog>
    }
}

/// A copy of the record that the account is linked to.
#[component]
fn OwnRecord() -> impl IntoView {
    let export = Action::new_local(|(): &()| api::me::export_record());
    let problem = move || export.value().get().and_then(Result::err);
    view! {
        <section class="card stack-tight" aria-labelledby="own-record">
            <h2 id="own-record">{t("Your record")}</h2>
            <p>
                {t("Save a copy of everything that is kept about you: the values, the treatments, and who \
                looked at your record. The file has one entry a line, for programs to read.")}
            </p>
            {move || problem().map(|problem| view! { <ProblemNote problem /> })}
            <div>
                <button
                    type="button" class="btn" disabled=move || export.pending().get()
                    on:click=move |_| { export.dispatch_local(()); }
                >
                    {t("Save a copy")}
                </button>
            </div>
        </section>
    }
}

#[component]
fn Begin(close: Callback<()>, open: RwSignal<Option<Open>>) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        let new = NewSecondFactor { password: password.get_untracked() };
        match api::me::begin_second_factor(&new).await {
            Ok(enrolment) => open.set(Some(Open::Scan(enrolment))),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("Set up a second factor") id="begin-factor" close>
            <RecordForm save verb=t("Go on") close problem>
                <TextField
                    label=t("Your password, once more") pointer="/password" kind="password" value=password
                    problem autocomplete="current-password" form="begin"
                />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Scan(
    enrolment: Enrolment,
    close: Callback<()>,
    open: RwSignal<Option<Open>>,
    factor: LocalResource<api::Result<SecondFactor>>,
) -> impl IntoView {
    let code = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        match api::me::confirm_second_factor(&Confirmation { code: code.get_untracked() }).await {
            Ok(codes) => {
                open.set(Some(Open::Codes(codes.recovery_codes)));
                factor.refetch();
                // What was closed until now is open: the session's terms say so.
                let _ = session::stay().await;
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let picture = String::from(js_sys::encode_uri_component(&enrolment.qr_svg));
    view! {
        <Dialog title=t("Scan with your app") id="scan-factor" close>
            <img
                class="qr" width="220" height="220"
                alt=t("QR code for an authenticator app; the secret below is the same")
                src=format!("data:image/svg+xml,{picture}")
            />
            <p class="fine">{t("Or type this secret into the app:")}</p>
            <ShownOnce secret=enrolment.secret />
            <RecordForm save verb=t("Confirm") close problem>
                <TextField
                    label=t("Code that the app shows") pointer="/code" value=code problem
                    autocomplete="one-time-code" form="scan"
                />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Codes(codes: Vec<String>, close: Callback<()>) -> impl IntoView {
    view! {
        <Dialog title=t("Keep your recovery codes") id="recovery-codes" close>
            <p>
                {t("Signing in asks for a code from now on. Should you lose the telephone, each of these \
                signs you in once. They are shown this once.")}
            </p>
            <ShownOnce secret=codes.join("\n") />
            <button type="button" class="btn btn-primary" on:click=move |_| close.run(())>
                {t("I have kept them")}
            </button>
        </Dialog>
    }
}

#[component]
fn Remove(close: Callback<()>, factor: LocalResource<api::Result<SecondFactor>>) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let save = Action::new_local(move |(): &()| async move {
        let proof = Proof { password: Some(password.get_untracked()), code: None };
        match api::me::remove_second_factor(&proof).await {
            Ok(()) => {
                factor.refetch();
                close.run(());
                let _ = session::stay().await;
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("Remove the second factor?") id="remove-factor" close>
            <RecordForm save verb=t("Remove") close problem>
                <TextField
                    label=t("Your password") pointer="/password" kind="password" value=password
                    problem autocomplete="current-password" form="remove"
                />
            </RecordForm>
        </Dialog>
    }
}

/// Where one is signed in, and ways to end that.
#[component]
fn Sessions() -> impl IntoView {
    let sessions = LocalResource::new(api::me::sessions);
    let end = Action::new_local(move |id: &Option<shared::id::SessionId>| {
        let id = *id;
        async move {
            let ended = api::me::revoke(id).await;
            sessions.refetch();
            ended
        }
    });
    let problem = move || end.value().get().and_then(Result::err);
    view! {
        <section class="card stack-tight" aria-labelledby="sessions">
            <h2 id="sessions">{t("Where you are signed in")}</h2>
            {move || problem().map(|problem| view! { <ProblemNote problem /> })}
            <AsyncView
                resource=sessions
                render=move |Items { items }| {
                    let several = 1 < items.len();
                    let lines: Vec<_> =
                        items.into_iter().map(|session| view! { <Line session end /> }).collect();
                    view! {
                        <ul class="records">{lines}</ul>
                        {several.then(|| view! {
                            <div>
                                <button type="button" class="btn" on:click=move |_| { end.dispatch_local(None); }>
                                    {t("End all others")}
                                </button>
                            </div>
                        })}
                    }
                }
            />
        </section>
    }
}

#[component]
fn Line(
    session: Session,
    end: Action<Option<shared::id::SessionId>, api::Result<()>>,
) -> impl IntoView {
    let name = session.device.map_or_else(|| t("Unknown program").to_owned(), |name| said(&name));
    let id = session.id;
    let (from, label) = match session.address {
        Some(address) => (
            Some(tf!("from {address}", address = address)),
            tf!("End {name} from {address}", name = name, address = address),
        ),
        None => (None, tf!("End {name}", name = name)),
    };
    view! {
        <li class="record">
            <div>
                <p>
                    <strong>{name}</strong> " " {from}
                    {session.current.then(|| view! { " " <span class="badge">{t("this one")}</span> })}
                </p>
                <p class="fine">
                    {tf!(
                        "since {start}, last used {last}",
                        start = format::date_time(session.started_at),
                        last = format::date_time(session.last_used_at),
                    )}
                </p>
            </div>
            {(!session.current).then(|| view! {
                <button
                    type="button" class="btn btn-small" aria-label=label
                    on:click=move |_| { end.dispatch_local(Some(id)); }
                >
                    {t("End")}
                </button>
            })}
        </li>
    }
}
