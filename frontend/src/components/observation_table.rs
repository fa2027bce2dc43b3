//! Laboratory values and measurements, newest first, day by day.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use leptos::prelude::*;
use shared::{
    clinical::kdigo::{a_category, g_category},
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
};

use super::{async_view::AsyncView, observation_dialogs::Change};
use crate::{
    charts::egfr::method_label,
    format,
    language::{said, t},
    record::Record,
    tf,
};

/// So many values are shown before somebody asks for all of them.
const FIRST: usize = 30;

/// The table with its filter.
#[component]
pub fn ObservationTable() -> impl IntoView {
    let record = Record::here();
    let code = RwSignal::new(String::new());
    let everything = RwSignal::new(false);
    let change = RwSignal::new(None::<Change>);
    view! {
        <AsyncView
            resource=record.observations
            rows=6
            render=move |values| {
                if values.is_empty() {
                    return view! {
                        <div class="empty">
                            <p>{t("No values yet.")}</p>
                            <p>{t("Record a creatinine first: the eGFR is computed from it.")}</p>
                        </div>
                    }
                    .into_any();
                }
                view! {
                    <Filter values=values.clone() code />
                    {move || view! { <Days values=values.clone() code=code.get() everything change /> }}
                }
                .into_any()
            }
        />
        {move || change.get().map(|asked| asked.dialog(Callback::new(move |()| change.set(None))))}
    }
}

/// Which quantity to show, of those that there are.
#[component]
fn Filter(values: Vec<Observation>, code: RwSignal<String>) -> impl IntoView {
    let codes: BTreeSet<ObservationCode> = values.iter().map(|value| value.code).collect();
    let options: Vec<_> = codes
        .into_iter()
        .map(|option| {
            view! {
                <option
                    value=option.as_str()
                    selected=move || code.with(|code| code == option.as_str())
                >
                    {t(option.label())}
                </option>
            }
        })
        .collect();
    view! {
        <div class="filters no-print">
            <label class="filter">
                {t("Show")}
                <select class="control" on:change:target=move |event| code.set(event.target().value())>
                    <option value="">{t("All values")}</option>
                    {options}
                </select>
            </label>
        </div>
    }
}

#[component]
fn Days(
    values: Vec<Observation>,
    code: String,
    everything: RwSignal<bool>,
    change: RwSignal<Option<Change>>,
) -> impl IntoView {
    let wanted: Vec<Observation> =
        values.into_iter().filter(|value| code.is_empty() || value.code.as_str() == code).collect();
    let total = wanted.len();
    let shown = if everything.get() { total } else { FIRST };
    let days: Vec<_> = by_day(wanted.into_iter().take(shown).collect())
        .into_iter()
        .map(|(day, values)| view! { <Day day values change /> })
        .collect();
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Values")>
            <table class="table observations">
                <thead>
                    <tr>
                        <th scope="col">{t("Quantity")}</th>
                        <th scope="col" class="number">{t("Value")}</th>
                        <th scope="col">"KDIGO"</th>
                        <th scope="col">{t("As given")}</th>
                        <th scope="col">{t("Remarks")}</th>
                        <th scope="col"><span class="visually-hidden">{t("Actions")}</span></th>
                    </tr>
                </thead>
                {days}
            </table>
        </div>
        {(shown < total).then(|| view! {
            <div class="list-end">
                <button type="button" class="btn" on:click=move |_| everything.set(true)>
                    {tf!("Show all {total} values", total = format::number(total as f64, 0))}
                </button>
            </div>
        })}
    }
}

/// The values of each day, in the order they come in.
fn by_day(values: Vec<Observation>) -> Vec<(NaiveDate, Vec<Observation>)> {
    let mut days: Vec<(NaiveDate, Vec<Observation>)> = Vec::new();
    for value in values {
        let day = format::local_date(value.effective_at);
        match days.last_mut() {
            Some((last, values)) if *last == day => values.push(value),
            _ => days.push((day, vec![value])),
        }
    }
    days
}

#[component]
fn Day(
    day: NaiveDate,
    values: Vec<Observation>,
    change: RwSignal<Option<Change>>,
) -> impl IntoView {
    let lines: Vec<_> = values.into_iter().map(|value| view! { <Line value change /> }).collect();
    view! {
        <tbody>
            <tr class="day"><th scope="rowgroup" colspan="6">{format::date(day)}</th></tr>
            {lines}
        </tbody>
    }
}

/// The KDIGO category of a value that has one.
fn category(value: &Observation) -> Option<&'static str> {
    let g = value.quantity().map(|egfr| g_category(egfr).label());
    g.or_else(|| value.quantity().map(|acr| a_category(acr).label()))
}

#[component]
fn Line(value: Observation, change: RwSignal<Option<Change>>) -> impl IntoView {
    let record = Record::here();
    let counts = value.status == ObservationStatus::Final;
    let computed = value.method != ObservationMethod::Reported;
    let is_voided = value.status == ObservationStatus::Voided && !computed;
    let gone = value.clone();
    let (amount, unit) = format::in_force(value.code, value.value);
    let given_otherwise = value.unit_as_given != unit;
    let given =
        given_otherwise.then(|| format::quantity(value.value_as_given, &value.unit_as_given));
    // What was recorded in this very unit is shown as it was: nothing is lost on the way there and back.
    let amount = if given_otherwise { amount } else { value.value_as_given };
    let number = format::measured(amount);
    let unit = view! { <span class="unit">"\u{a0}" {format::unit(unit)}</span> };
    let shown = if counts {
        view! { <strong>{number}</strong> {unit} }.into_any()
    } else {
        view! { <s>{number} {unit}</s> }.into_any()
    };
    let time = format::date_time(value.effective_at);
    let gone_at = time.clone();
    let kdigo = category(&value).filter(|_| counts);
    let code = t(value.code.label());
    view! {
        <tr class:gone=!counts>
            <th scope="row" title=time.clone()>{code}</th>
            <td class="number nowrap">
                {shown}
            </td>
            <td>{kdigo.map(|kdigo| view! { <span class="badge">{kdigo}</span> })}</td>
            <td class="nowrap muted">{given}</td>
            <td><Remarks value=value.clone() /></td>
            <td class="number nowrap no-print">
                {move || (is_voided && record.editable()).then(|| {
                    let again = gone.clone();
                    view! {
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=tf!("Enter again: {quantity} of {time}", quantity = code, time = gone_at)
                            on:click=move |_| {
                                record.entering.set(true);
                                record.again.set(Some(again.clone()));
                            }
                        >
                            {t("Enter again")}
                        </button>
                    }
                })}
                {move || (counts && record.editable()).then(|| {
                    let (right, wrong) = (value.clone(), value.clone());
                    view! {
                        // A computed value is put right through the one it was computed from.
                        {(!computed).then(|| view! {
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=tf!("Correct {what} of {when}", what = code, when = time)
                            on:click=move |_| change.set(Some(Change::Correct(right.clone())))
                        >
                            {t("Correct")}
                        </button>
                        })}
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=tf!("Void {what} of {when}", what = code, when = time)
                            on:click=move |_| change.set(Some(Change::Void(wrong.clone())))
                        >
                            {t("Void")}
                        </button>
                    }
                })}
            </td>
        </tr>
    }
}

/// Status with its reason, warning, source and note.
#[component]
fn Remarks(value: Observation) -> impl IntoView {
    let status = match value.status {
        ObservationStatus::Final => None,
        ObservationStatus::Corrected => Some(t("Corrected")),
        ObservationStatus::Voided => Some(t("Voided")),
    };
    let reason = value.status_reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    let computed = value.method != ObservationMethod::Reported;
    view! {
        <ul class="remarks fine">
            {status.map(|status| view! {
                <li><span class="badge badge-quiet">{status}</span>{reason}</li>
            })}
            {value.warning.map(|warning| view! {
                <li class="warning">{tf!("This value {warning}.", warning = said(&warning)).replace("..", ".")}</li>
            })}
            {computed.then(|| view! { <li>{method_label(value.method)}</li> })}
            {value.supersedes.map(|_| view! { <li>{t("correction of an earlier value")}</li> })}
            {value.note.map(|note| view! { <li>{note}</li> })}
        </ul>
    }
}
