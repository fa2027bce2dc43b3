//! A record in plain words, for the patient: on the page of their own and on paper.

use leptos::prelude::*;
use shared::{
    clinical::kdigo::{a_category, g_category},
    observation::ObservationCode,
    prediction::{ACategory, GCategory},
};

use super::{
    facts::CurrentTherapies,
    natural_frequency::{PeopleArray, of_hundred},
};
use crate::{format, language::t, record::Record, tf};

/// A sentence whose parts between asterisks are what the reader looks for.
fn strong(text: &str) -> Vec<AnyView> {
    text.split('*')
        .enumerate()
        .map(|(place, part)| {
            let part = part.to_owned();
            if place % 2 == 0 {
                part.into_any()
            } else {
                view! { <strong>{part}</strong> }.into_any()
            }
        })
        .collect()
}

/// KDIGO's words for the categories (KDIGO 2024, table 1).
fn work(g: GCategory) -> &'static str {
    match g {
        GCategory::G1 => t("normal"),
        GCategory::G2 => t("mildly decreased"),
        GCategory::G3a => t("mildly to moderately decreased"),
        GCategory::G3b => t("moderately to severely decreased"),
        GCategory::G4 => t("severely decreased"),
        GCategory::G5 => t("so low that it is called kidney failure"),
    }
}

fn protein(a: ACategory) -> &'static str {
    match a {
        ACategory::A1 => t("normal or only mildly increased"),
        ACategory::A2 => t("moderately increased"),
        ACategory::A3 => t("severely increased"),
    }
}

/// The latest eGFR, and what doctors call it (reactive); nothing without one.
#[component]
pub fn Function() -> impl IntoView {
    let record = Record::here();
    move || {
        record.latest(ObservationCode::Egfr).map(|value| {
            let was = tf!(
                "Your eGFR was *{value}* on {day}. It says how many millilitres of blood your kidneys \
                 clean in a minute; in healthy young adults it is about 100.",
                value = format::number(value.value, 0),
                day = format::date_of(value.effective_at),
            );
            let called = value.quantity().map(g_category).map(|g| {
                tf!(
                    "Doctors call this kidney function *{work}* (stage {stage}).",
                    work = work(g),
                    stage = g.label(),
                )
            });
            view! { <p>{strong(&was)} " " {called.as_deref().map(strong)}</p> }
        })
    }
}

/// The latest albumin in the urine (reactive); where there is none, that it should be measured.
#[component]
pub fn Albumin() -> impl IntoView {
    let record = Record::here();
    move || {
        let Some(value) = record.latest(ObservationCode::Uacr) else {
            return view! { <p>{t("It is not known: no albumin test of your urine is recorded. Ask for one.")}</p> }
            .into_any();
        };
        let day = format::date_of(value.effective_at);
        let quantity = format::amount(value.code, value.value);
        let was = match value.quantity().map(a_category) {
            Some(a) => tf!(
                "Your albumin test (uACR) was *{value}* on {day}, which is *{words}*.",
                value = quantity,
                day = day,
                words = protein(a),
            ),
            None => {
                tf!("Your albumin test (uACR) was *{value}* on {day}.", value = quantity, day = day,)
            }
        };
        view! { <p>{t("Healthy kidneys keep protein in the blood.")} " " {strong(&was)}</p> }
            .into_any()
    }
}

/// The risk as people out of a hundred.
#[component]
pub fn Future(
    /// The probability within 2 years, where it is known, and within 5.
    risks: [Option<f64>; 2],
) -> impl IntoView {
    let [two_years, five_years] = risks;
    let sentence = |risk: Option<f64>, years| {
        risk.map(|risk| {
            view! {
                <li>
                    {tf!("within {years} years:", years = years)} " "
                    <strong>{of_hundred(risk)}</strong> " " {t("people")}
                </li>
            }
        })
    };
    view! {
        <div class="sheet-risk">
            <div>
                <p>{t("Of 100 people with values like yours, so many need dialysis or a kidney transplant:")}</p>
                <ul>{sentence(two_years, 2)} {sentence(five_years, 5)}</ul>
                <p>
                    {t("The others do not in that time. Nobody can say which of the 100 people you \
                    are. The numbers change as your values change; treatment and habits move them.")}
                </p>
            </div>
            {five_years.map(|probability| view! {
                <figure>
                    <PeopleArray probability years=5 />
                    <figcaption class="fine">{t("Full dots: kidney failure within 5 years")}</figcaption>
                </figure>
            })}
        </div>
    }
}

/// What KDIGO recommends to everybody with chronic kidney disease, in plain words.
#[component]
pub fn WhatHelps() -> impl IntoView {
    view! {
        <ul>
            <li>
                {t("Take your medicines as agreed, and do not stop them on your own. You take now:")} " "
                <CurrentTherapies /> "."
            </li>
            <li>{t("Ask before you take painkillers such as ibuprofen, or remedies from the pharmacy or the Internet.")}</li>
            <li>{t("Keep your blood pressure in the range that you and your doctor have agreed.")}</li>
            <li>{t("Move: about 150 minutes a week, as far as your heart and body allow.")}</li>
            <li>{t("Do not smoke. Eat varied food, with little salt.")}</li>
            <li>{t("Come to your tests: they show early what can be treated.")}</li>
        </ul>
        <p class="fine">{t("After the KDIGO 2024 guideline for chronic kidney disease, chapters 3 and 4.")}</p>
    }
}

/// What one may ask at the next visit.
#[component]
pub fn Questions() -> impl IntoView {
    view! {
        <ul>
            <li>{t("What is the cause of my kidney disease, and what slows it down?")}</li>
            <li>{t("Which of my values should get better, and until when?")}</li>
            <li>{t("When is my next test, and what would make you change my treatment?")}</li>
        </ul>
    }
}
