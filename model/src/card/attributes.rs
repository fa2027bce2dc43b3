//! The 31 source attributes of 45 CFR 170.315(b)(11)(iv)(B).

use shared::model::{SOURCE_ATTRIBUTES, SourceAttribute};

use super::Evidence;
use crate::evaluate::{ALL, EVERYONE};

const NONE: &str = "None performed. No data of real patients were available; validate on your own \
                    with `model evaluate` before any use.";
const MONITORING: &str = "The service computes the population stability index of every input week \
                          by week against the training data and shows it to the administrator; a \
                          hospital re-runs `model evaluate` on its own outcomes, once a year at \
                          least.";

/// Every attribute, in the regulation's order.
pub(super) fn all(evidence: &Evidence, trained_on: &str) -> Vec<SourceAttribute> {
    let text = |key: &str| match key {
        "training_criteria" => format!(
            "{trained_on}. Included: simulated adults (18 and over) of all categories G1 to G5, \
             from primary care, nephrology clinics and advanced kidney care. Excluded: dialysis, \
             transplant, children. No record of a real person."
        ),
        "internal_validity" => internal_validity(evidence),
        "internal_fairness" => internal_fairness(evidence),
        other => fixed(other).to_owned(),
    };
    SOURCE_ATTRIBUTES.iter().map(|wanted| wanted.with_text(text(wanted.key))).collect()
}

fn fixed(key: &str) -> &'static str {
    match key {
        "developer" => {
            "The Nephrocast developers; questions and faults go to the issue tracker of the \
             repository that this card is part of."
        }
        "funding" => "None: no sponsor paid for the development.",
        "output_value" => {
            "For each of 1 to 5 years the probability of kidney failure (dialysis or transplant) \
             with death before it as the competing event, a 90 % interval, and the signed effect \
             of each input on the 5-year probability."
        }
        "output_type" => "Prediction.",
        "intended_use" => shared::INTENDED_USE,
        "intended_population" => {
            "Adults with chronic kidney disease and an eGFR or creatinine of the last five years, \
             not on dialysis and without a transplant."
        }
        "intended_users" => {
            "Researchers, teachers and students; clinicians who validate it on their own patients."
        }
        "decision_role" => {
            "It informs research and teaching. It replaces no judgement; the validated number \
             beside it is KFRE."
        }
        "cautioned_uses" => {
            "Acute kidney injury, pregnancy, rare causes, age 80 and over (death competes), eGFR \
             under 10, populations unlike the simulated ones."
        }
        "known_limits" => {
            "Trained on simulated patients: where the simulator is wrong, so is the network. Not \
             for decisions on treatment, access, transplant or insurance. Not for children, \
             dialysis or transplant. Intervals hold for simulated patients on average, and are too \
             narrow or too wide for some; on a hospital's own outcomes, whose true risks nobody \
             knows, they show no more than how far the members differ."
        }
        "sensitive_inputs" => {
            "Age and sex assigned at birth are inputs, and so are health-status data (comorbidities, \
             cause, drugs, measurements). Race, ethnicity, language, sexual orientation, gender \
             identity and social determinants are no inputs; eGFR is the race-free CKD-EPI 2021."
        }
        "training_representativeness" => {
            "None can be claimed: age, sex, comorbidity and case mix follow published cohorts of \
             Europe, North America and East Asia; the table of published facts beside the \
             simulated ones shows how closely. Ethnicity and social position are not simulated."
        }
        "training_relevance" => {
            "Irregular visits, noise, gaps, protein instead of albumin and other units were \
             simulated as hospitals have them; whether a given hospital is like that must be \
             tested there."
        }
        "fairness_approach" => {
            "Discrimination and calibration are measured by sex, age, stage, albuminuria, cause \
             and diabetes, and shown in this card whether they please or not."
        }
        "bias_management" => {
            "What is missing is marked, never imputed; a third of the training records were \
             shortened or thinned so that poorly documented patients are judged as well as the \
             data allow; the calibration was fitted on whole and thinned records alike."
        }
        "external_data"
        | "external_party"
        | "external_representativeness"
        | "external_process"
        | "external_validity"
        | "external_fairness" => NONE,
        "outcome_evaluations" => "None performed: no study of its use on outcomes exists.",
        "validity_monitoring" | "fairness_monitoring" => MONITORING,
        "local_validity" | "local_fairness" => {
            "None performed here: local. `model evaluate --subgroups` writes both for your data."
        }
        "update_process" => {
            "A new version is a new folder with its own card; an administrator activates it, and \
             it can run unseen beside the active one first. There is no fixed rhythm."
        }
        "correction_frequency" => {
            "A found fault is corrected in the next version; until then an administrator can \
             activate an earlier one at any time."
        }
        _ => "",
    }
}

fn internal_validity(evidence: &Evidence) -> String {
    let of = |years| {
        let row = evidence.whole.find("network", ALL, EVERYONE, years)?;
        Some(format!(
            "{years} years: AUROC {:.3}, mean risk {:.3} for {:.3} observed, calibration slope \
             {:.2}, scaled Brier score {:.2}",
            row.auroc?, row.predicted, row.observed, row.calibration_slope, row.scaled_brier
        ))
    };
    let told: Vec<String> = [2, 5].into_iter().filter_map(of).collect();
    format!(
        "On {} simulated patients that nothing was fitted on: {}. This says nothing about real \
         patients.",
        evidence.whole.patients,
        told.join("; ")
    )
}

fn internal_fairness(evidence: &Evidence) -> String {
    let of = |group: &str| {
        let row = evidence.whole.find("network", ALL, group, 5)?;
        let off = row.predicted - row.observed;
        Some(format!("{group}: AUROC {:.3}, mean risk off by {off:+.3}", row.auroc?))
    };
    let groups = ["women", "men", "age under 50", "age 65 to 79", "age 80 and over", "diabetes"];
    let told: Vec<String> = groups.iter().filter_map(|group| of(group)).collect();
    format!(
        "At 5 years, on the same simulated patients: {}. All subgroups are in metrics.json.",
        told.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_spoken_of() {
        let measured = ["training_criteria", "internal_validity", "internal_fairness"];
        for wanted in SOURCE_ATTRIBUTES.iter().filter(|a| !measured.contains(&a.key)) {
            assert!(!fixed(wanted.key).is_empty(), "{}", wanted.key);
        }
    }
}
