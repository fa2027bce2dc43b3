//! The newest value of each kind, with a name that needs no medical word.

use leptos::prelude::*;
use shared::observation::ObservationCode;

use crate::{format, language::t, record::Record};

/// What a value is called here, and what it is about.
fn plain(code: ObservationCode) -> (&'static str, &'static str) {
    match code {
        ObservationCode::Egfr => {
            (t("Kidney function (eGFR)"), t("how much blood the kidneys clean in a minute"))
        }
        ObservationCode::Creatinine => {
            (t("Creatinine"), t("what muscles leave in the blood and kidneys take out"))
        }
        ObservationCode::CystatinC => {
            (t("Cystatin C"), t("another measure of how the kidneys clean the blood"))
        }
        ObservationCode::Uacr => {
            (t("Albumin in the urine"), t("a protein that healthy kidneys keep in the blood"))
        }
        ObservationCode::Upcr => (t("Protein in the urine"), t("all proteins together")),
        ObservationCode::SystolicBp => {
            (t("Blood pressure, upper number"), t("while the heart beats"))
        }
        ObservationCode::DiastolicBp => (t("Blood pressure, lower number"), t("between two beats")),
        ObservationCode::Potassium => {
            (t("Potassium"), t("the heart needs neither too much of it nor too little"))
        }
        ObservationCode::Bicarbonate => (t("Bicarbonate"), t("keeps the blood from getting sour")),
        ObservationCode::Calcium => (t("Calcium"), t("for bones, nerves and muscles")),
        ObservationCode::Phosphate => {
            (t("Phosphate"), t("for bones; weak kidneys leave too much of it in the blood"))
        }
        ObservationCode::Albumin => {
            (t("Albumin in the blood"), t("a protein that also shows how well one is nourished"))
        }
        ObservationCode::Haemoglobin => {
            (t("Haemoglobin"), t("the red of the blood, which carries oxygen"))
        }
        ObservationCode::HbA1c => {
            (t("Long-term blood sugar (HbA1c)"), t("the sugar of the last two to three months"))
        }
        ObservationCode::Weight => (t("Weight"), ""),
        ObservationCode::Height => (t("Height"), ""),
    }
}

/// In the order in which a patient looks for them.
const ORDER: [ObservationCode; 16] = [
    ObservationCode::Egfr,
    ObservationCode::Creatinine,
    ObservationCode::CystatinC,
    ObservationCode::Uacr,
    ObservationCode::Upcr,
    ObservationCode::SystolicBp,
    ObservationCode::DiastolicBp,
    ObservationCode::Potassium,
    ObservationCode::Bicarbonate,
    ObservationCode::Calcium,
    ObservationCode::Phosphate,
    ObservationCode::Albumin,
    ObservationCode::Haemoglobin,
    ObservationCode::HbA1c,
    ObservationCode::Weight,
    ObservationCode::Height,
];

/// As the page says it above: an eGFR is whole.
fn amount(code: ObservationCode, value: f64) -> String {
    if code != ObservationCode::Egfr {
        return format::amount(code, value);
    }
    let (number, unit) = format::figure(code, value);
    format!("{number}\u{a0}{unit}")
}

/// The table.
#[component]
pub fn Values() -> impl IntoView {
    let record = Record::here();
    let rows = move || {
        ORDER
            .into_iter()
            .filter_map(|code| record.latest(code))
            .map(|value| {
                let (name, about) = plain(value.code);
                view! {
                    <tr>
                        <th scope="row">{name} <span class="fine own-about">{about}</span></th>
                        <td class="number">
                            {amount(value.code, value.value)}
                            <span class="fine own-about">{format::date_of(value.effective_at)}</span>
                        </td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <table class="table own-values">
            <caption class="visually-hidden">{t("The newest value of each kind")}</caption>
            <thead>
                <tr>
                    <th scope="col">{t("What")}</th>
                    <th scope="col" class="number">{t("Value")}</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        <p class="fine">{t("What is right for you can differ from the laboratory’s normal range: ask your doctor.")}</p>
    }
}
