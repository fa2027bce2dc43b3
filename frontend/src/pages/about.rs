//! What Nephrocast is, what it computes and from where, and what it is not for.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    INTENDED_USE,
    access::{Permission, Reach, Role},
    phrase,
    user::User,
};

use crate::{api, app::set_title, components::async_view::AsyncView, language::t, session, tf};

/// A published source: what it gives, and where it is written.
const SOURCES: [(&str, &str, &str); 7] = [
    (
        phrase!("Estimated GFR"),
        phrase!("CKD-EPI 2021 creatinine equation, without race"),
        "Inker LA et al. New creatinine- and cystatin C-based equations to estimate GFR without \
         race. N Engl J Med 2021;385:1737–1749.",
    ),
    (
        phrase!("Kidney failure risk, 4 variables"),
        phrase!("Age, sex, eGFR and urine albumin-to-creatinine ratio; 2 and 5 years"),
        "Tangri N et al. A predictive model for progression of chronic kidney disease to kidney \
         failure. JAMA 2011;305:1553–1559.",
    ),
    (
        phrase!("Kidney failure risk, calibration"),
        phrase!("Baselines for North America and for other regions; 6 and 8 variables"),
        "Tangri N et al. Multinational assessment of accuracy of equations for predicting risk of \
         kidney failure. JAMA 2016;315:164–174.",
    ),
    (
        phrase!("Kidney failure risk, United Kingdom"),
        phrase!("Baseline recalibrated for the United Kingdom, 4 variables"),
        "Major RW et al. The Kidney Failure Risk Equation for prediction of end stage renal \
         disease in UK primary care. PLoS Med 2019;16:e1002955.",
    ),
    (
        phrase!("Categories and advice"),
        phrase!("G and A categories, the heat map of risk, thresholds for referral"),
        "KDIGO 2024 Clinical practice guideline for the evaluation and management of chronic \
         kidney disease. Kidney Int 2024;105(4S):S117–S314.",
    ),
    (
        phrase!("IgA nephropathy, biopsy scores"),
        phrase!("Oxford classification, MEST-C"),
        "Trimarchi H et al. Oxford classification of IgA nephropathy 2016. Kidney Int \
         2017;91:1014–1021.",
    ),
    (
        phrase!("IgA nephropathy, risk after biopsy"),
        phrase!("International IgAN Prediction Tool; experimental here"),
        "Barbour SJ et al. Application of the International IgA Nephropathy Prediction Tool one or \
         two years post-biopsy. Kidney Int 2022;102:160–172.",
    ),
];

/// The page for whoever wants to know what stands behind a number.
#[component]
pub fn AboutPage() -> impl IntoView {
    set_title(t("About"));
    let user = Memo::new(|_| session::user());
    let sources = SOURCES.map(|(what, how, written)| {
        view! {
            <div class="source">
                <dt>{t(what)}</dt>
                <dd>
                    <p>{t(how)}</p>
                    <p class="fine">{written}</p>
                </dd>
            </div>
        }
    });
    view! {
        <div class="page page-narrow prose">
            <h1>{t("About Nephrocast")}</h1>
            {move || user.get().map(|user| view! { <YourAccount user /> })}
            <div class="notice notice-warning">
                <p class="notice-title">{t("Intended use")}</p>
                <p>{t(INTENDED_USE)}</p>
            </div>
            <section class="card stack">
                <h2>{t("What it does")}</h2>
                <p>
                    {t("Nephrocast keeps the record of people with chronic kidney disease: laboratory \
                    values, therapies, biopsies and end points. From these it estimates how likely \
                    kidney failure (dialysis or a transplant) is within the next one to five years.")}
                </p>
                <p>
                    {t("Two voices answer, always side by side. The Kidney Failure Risk Equation is \
                    published and validated in many countries; where it applies, its numbers decide \
                    the category. A neural network also reads the course of the values over time and \
                    shows what moved its answer, with a 90 % interval.")}
                </p>
            </section>
            <section class="card stack">
                <h2>{t("The network")}</h2>
                <p>
                    {t("The network is trained on simulated patients, not on real ones. Its figures of \
                    merit therefore speak of the simulation only. Every prediction keeps the \
                    version of the network and the values it rests on, so that it can be \
                    reproduced.")}
                </p>
                {move || session::allows(Permission::ReadModels).then(|| view! { <CardLink /> })}
            </section>
            <section class="card stack">
                <h2>{t("Equations and their sources")}</h2>
                <dl class="sources">{sources}</dl>
                <p><A href="/help">{t("Help: the formulas, how to read the risk, units, keys")}</A></p>
            </section>
            <p class="fine">
                {tf!("Nephrocast {version}. Licensed Apache-2.0 or MIT.", version = env!("CARGO_PKG_VERSION"))}
            </p>
        </div>
    }
}

/// The way to the card of the network that answers now.
#[component]
fn CardLink() -> impl IntoView {
    let models = LocalResource::new(api::models::list);
    view! {
        <AsyncView
            resource=models
            rows=1
            render=|models| {
                let active = models.items.into_iter().find(|model| model.active && model.has_card);
                active.map(|model| {
                    let href = format!("/models/{}", model.version);
                    let text = tf!("Model card of the active version, {version}", version = model.version);
                    view! { <p><A href>{text}</A></p> }
                })
            }
        />
    }
}

/// What the account can do in this version.
#[component]
fn YourAccount(user: User) -> impl IntoView {
    view! {
        <div class="notice">
            <p class="notice-title">{tf!("Your account: {role}", role = t(user.role.label()))}</p>
            <p>{what_the_account_does(&user)}</p>
        </div>
    }
}

/// From the policy, so that it is never out of step with it.
fn what_the_account_does(user: &User) -> &'static str {
    let role: Role = user.role;
    match session::reach(role) {
        Reach::Everyone if role.allows(Permission::EditPatients) => {
            t("You can search, read and change every patient's record, and ask for predictions.")
        }
        Reach::Everyone => t(
            "You can search and read every patient's record and its predictions. You cannot change \
             clinical data.",
        ),
        Reach::InCare => t(
            "You can read and change the records of the patients whose care team you belong to, and \
             ask for predictions; others you can open in an emergency.",
        ),
        Reach::OwnRecord if user.patient_id.is_some() => {
            t("You can read your own record and its predictions, as your clinic has allowed.")
        }
        Reach::OwnRecord => t(
            "Your account is not linked to a record yet. Ask your clinic to link it; then you can \
             read your own record here.",
        ),
        Reach::Nobody => t(
            "You can ask for figures of groups of people and take away rows without identity. Your \
             account opens no patient's record.",
        ),
    }
}
