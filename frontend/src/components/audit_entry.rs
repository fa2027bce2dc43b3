//! One entry of the audit log, whole.

use leptos::prelude::*;
use serde_json::Value;
use shared::{audit::AuditEvent, phrase};

use super::{audit_words, dialog::Dialog};
use crate::{format, language::t};

/// Everything that an entry says, over the page.
#[component]
pub fn AuditEntry(
    /// The entry.
    entry: AuditEvent,
    /// Takes it off the page.
    close: Callback<()>,
) -> impl IntoView {
    let place = entry.sequence.map_or_else(|| t("not yet").to_owned(), |place| place.to_string());
    let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string());
    let facts = [
        (phrase!("Number"), Some(entry.id.to_string())),
        (phrase!("Action"), Some(entry.action.clone())),
        (phrase!("When"), Some(format::date_time(entry.at))),
        (
            phrase!("Account"),
            entry
                .actor
                .as_ref()
                .map(|actor| actor.email.clone().unwrap_or_else(|| actor.id.to_string())),
        ),
        (phrase!("Role"), entry.actor_role.map(|role| t(role.label()).to_owned())),
        (phrase!("Session"), text(entry.session_id.map(|id| id.0))),
        (phrase!("API token"), text(entry.token_id.map(|id| id.0))),
        (phrase!("Emergency"), text(entry.emergency_access_id.map(|id| id.0))),
        (phrase!("Address"), entry.address.clone()),
        (phrase!("Request"), entry.request_id.clone()),
        (
            phrase!("Patient"),
            entry.patient_name.clone().or_else(|| text(entry.patient_id.map(|id| id.0))),
        ),
        (phrase!("Object"), text(entry.object_id)),
        (phrase!("Outcome"), Some(t(entry.outcome.label()).to_owned())),
        (phrase!("Sealed in place"), Some(place)),
    ];
    let facts: Vec<_> = facts
        .into_iter()
        .filter_map(|(name, text)| {
            // Of an entry, only the patient is a person who may not be seen from behind.
            let class = if name == "Patient" { "wrap identifying" } else { "wrap" };
            text.map(|text| view! { <dt>{t(name)}</dt><dd class=class>{text}</dd> })
        })
        .collect();
    let details = entry.details.unwrap_or_default();
    view! {
        <Dialog title=audit_words::action(&entry.action) id="audit-entry" close>
            <dl class="facts">{facts}</dl>
            <Changes details=details.clone() />
            <Rest details />
            <div class="form-actions">
                <button type="button" class="btn" on:click=move |_| close.run(())>{t("Close")}</button>
            </div>
        </Dialog>
    }
}

/// The fields that an entry changed, from what to what.
#[component]
fn Changes(details: Value) -> impl IntoView {
    let changed = details["changed"].as_object().cloned().unwrap_or_default();
    let lines: Vec<_> = changed
        .into_iter()
        .map(|(field, change)| {
            view! {
                <tr>
                    <th scope="row">{audit_words::field(&field)}</th>
                    <td class="wrap identifying">{written(&change["from"])}</td>
                    <td class="wrap identifying">{written(&change["to"])}</td>
                </tr>
            }
        })
        .collect();
    (!lines.is_empty()).then(|| {
        view! {
            <div class="table-scroll" tabindex="0" role="group" aria-label=t("Changes")>
                <table class="table table-tight">
                    <thead>
                        <tr>
                            <th scope="col">{t("Field")}</th>
                            <th scope="col">{t("Before")}</th>
                            <th scope="col">{t("After")}</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        }
    })
}

/// What else an entry says, as it is.
#[component]
fn Rest(details: Value) -> impl IntoView {
    let mut rest = details.as_object().cloned().unwrap_or_default();
    rest.remove("changed");
    rest.retain(|_, value| !value.is_null());
    (!rest.is_empty()).then(|| {
        let text = serde_json::to_string_pretty(&rest).unwrap_or_default();
        view! { <pre class="wrap identifying" tabindex="0" role="group" aria-label=t("Details")>{text}</pre> }
    })
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
