//! Making an API token, showing its secret once, revoking it.

use chrono::{Days, NaiveTime};
use leptos::prelude::*;
use shared::{
    access::Scope,
    problem::{FieldProblem, Problem},
    token::{CreatedToken, NewToken, Token},
};

use super::{
    dialog::{Confirm, Dialog},
    field::TextField,
    record_form::{RecordForm, incomplete, read_day},
    shown_once::ShownOnce,
};
use crate::{api, format, language::t, session, tf};

/// How long a token is good for unless the person says otherwise.
const USUAL_DAYS: u64 = 90;

/// Asks what the token is for and what it may do.
#[component]
pub fn NewTokenDialog(
    /// Takes the dialog off the page.
    close: Callback<()>,
    /// Takes the token over once it is made.
    made: Callback<CreatedToken>,
) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let ends = RwSignal::new((format::today() + Days::new(USUAL_DAYS)).to_string());
    let chosen = RwSignal::new(Vec::<Scope>::new());
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let name = name.get_untracked().trim().to_owned();
        if name.is_empty() {
            errors.push(FieldProblem::new("/name", t("Say what the token is for.")));
        }
        let day = read_day("/expires_at", &ends.get_untracked());
        let day = day.map_err(|wrong| errors.push(wrong));
        let scopes = chosen.get_untracked();
        if scopes.is_empty() {
            errors.push(FieldProblem::new("/scopes", t("Choose what the token may do.")));
        }
        match day {
            Ok(day) if errors.is_empty() => {
                Ok(NewToken { name, scopes, expires_at: day.and_time(NaiveTime::MIN).and_utc() })
            }
            _ => Err(incomplete(errors)),
        }
    };
    let save = Action::new_local(move |(): &()| async move {
        let created = match read() {
            Ok(new) => api::tokens::create(&new).await,
            Err(incomplete) => Err(incomplete),
        };
        match created {
            Ok(created) => made.run(created),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("New API token") id="new-token" close>
            <RecordForm save verb=t("Make token") close problem>
                <TextField
                    label=t("What it is for") pointer="/name" value=name problem form="token" required=true
                    hint=t("The program or machine that will hold it")
                />
                <Scopes chosen />
                <TextField
                    label=t("Ends on") pointer="/expires_at" kind="date" value=ends problem form="token" required=true
                    hint=t("When this day begins (UTC); at most a year from now")
                />
            </RecordForm>
        </Dialog>
    }
}

/// What a token of the person's role can be made for.
#[component]
fn Scopes(chosen: RwSignal<Vec<Scope>>) -> impl IntoView {
    let possible = session::user().into_iter().flat_map(|user| user.role.scopes());
    let boxes: Vec<_> = possible
        .map(|scope| {
            view! {
                <label class="check">
                    <input
                        type="checkbox"
                        on:change:target=move |event| {
                            let wanted = event.target().checked();
                            chosen.update(|chosen| {
                                chosen.retain(|one| *one != scope);
                                if wanted {
                                    chosen.push(scope);
                                }
                            });
                        }
                    />
                    <span>{t(scope.label())} " " <code>{scope.name()}</code></span>
                </label>
            }
        })
        .collect();
    view! {
        <fieldset class="field">
            <legend>{t("What it may do")}</legend>
            {boxes}
        </fieldset>
    }
}

/// Shows the secret, this once.
#[component]
pub fn SecretDialog(
    /// The token that was just made.
    made: CreatedToken,
    /// Takes the dialog off the page; the secret goes with it.
    close: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog title=tf!("The secret of {name}", name = made.token.name) id="token-secret" close>
            <p>
                {t("Copy it now and keep it as you would a password. It is shown this once: Nephrocast \
                keeps no copy.")}
            </p>
            <ShownOnce secret=made.secret />
            <button type="button" class="btn btn-primary" on:click=move |_| close.run(())>
                {t("I have kept it")}
            </button>
        </Dialog>
    }
}

/// Asks before a token is revoked.
#[component]
pub fn RevokeDialog(
    /// The token.
    token: Token,
    /// Takes the dialog off the page.
    close: Callback<()>,
    /// Loads the list again.
    done: Callback<()>,
) -> impl IntoView {
    let Token { id, name, .. } = token;
    let action = Action::new_local(move |(): &()| async move {
        api::tokens::revoke(id).await?;
        done.run(());
        Ok(())
    });
    view! {
        <Confirm title=tf!("Revoke {name}?", name = name) id="revoke-token" verb=t("Revoke token") action close>
            <p>{t("The program that holds it is refused from its next request on. This cannot be undone.")}</p>
        </Confirm>
    }
}
