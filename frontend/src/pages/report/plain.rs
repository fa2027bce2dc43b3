//! The page for the patient: the same facts in plain words, risks as people out of a hundred.

use leptos::prelude::*;
use shared::observation::Observation;

use super::{Content, CoursePicture, Foot, Head};
use crate::{
    components::plain_words::{Albumin, Function, Future, Questions, WhatHelps},
    language::t,
};

/// The sheet.
#[component]
pub fn Plain(
    /// What it is written from.
    content: Content,
) -> impl IntoView {
    let Content { patient, observations, prediction } = content;
    let (asked, result) = prediction.unzip();
    view! {
        <Head title=t("Your kidneys") patient />
        <Work observations />
        <Protein />
        {result.map(|result| view! {
            <section>
                <h2>{t("What may come")}</h2>
                <Future risks=[2, 5].map(|years| result.risk_within(years)) />
            </section>
        })}
        <section>
            <h2>{t("What helps")}</h2>
            <WhatHelps />
        </section>
        <section>
            <h2>{t("Questions that you may want to ask")}</h2>
            <Questions />
        </section>
        <Foot prediction=asked />
    }
}

#[component]
fn Work(observations: Vec<Observation>) -> impl IntoView {
    view! {
        <section>
            <h2>{t("How well your kidneys work")}</h2>
            <Function />
            <CoursePicture observations />
            <p class="fine">{t("Every dot is one test. The lines are the borders between the stages.")}</p>
        </section>
    }
}

#[component]
fn Protein() -> impl IntoView {
    view! {
        <section>
            <h2>{t("Protein in your urine")}</h2>
            <Albumin />
        </section>
    }
}
