//! The card as a page of the repository.

use std::fmt::Write;

use shared::model::ModelCard;

use super::{Evidence, is_told};
use crate::{
    evaluate::{ALL, EVERYONE, Evaluation, KFRE_4},
    predictor::Predictor,
};

/// What to know first.
pub(super) const SUMMARY: [&str; 3] = [
    "Trained on simulated patients, and compared on simulated patients only: its scores say \
     nothing about its worth in real ones.",
    "It is for research until it has been validated on your patients; the validated number on \
     every page is KFRE.",
    "The simulator's KFRE is near-calibrated by construction, so the comparison flatters neither \
     voice nor tells which is better in real patients.",
];

/// Markdown.
pub(super) fn readme(evidence: &Evidence, predictor: &Predictor, card: &ModelCard) -> String {
    let mut page = String::new();
    // Writing into a string cannot fail, so the results are dropped.
    let mut say = |text: &str| {
        let _ = writeln!(page, "{text}");
    };
    say(&format!("**{}**\n", SUMMARY[0]));
    say(&format!("# Model card: {} {}\n", card.name, card.version));
    say(&format!("{} {}\n", SUMMARY[1], SUMMARY[2]));
    say("This page, `artifacts/card.json` and the figures are written by `model card` (see \
         scripts/model); the log of what was tried is [EXPERIMENTS.md](EXPERIMENTS.md).\n");
    say(&what_it_is(predictor));
    say("## What it had to reach\n");
    say("HOLDOUT is `model simulate --patients 50000 --seed 2`, which nothing was fitted on.\n");
    say("| measure | of | bar | measured | met | command |");
    say("| --- | --- | --- | --- | --- | --- |");
    for bar in &card.bars {
        let met = bar.met.map_or("-", |met| if met { "yes" } else { "**no**" });
        say(&format!(
            "| {} | {} | {} | {} | {met} | `{}` |",
            bar.measure, bar.group, bar.bar, bar.value, bar.command
        ));
    }
    say("\n## Other methods on the same patients\n");
    say("Fitted on the training patients with summaries of their history (bench/baselines), each \
         on one outcome a patient; the network is fitted on counted futures of the same patients, \
         too, which none of the others were given. Where fewer patients are named than the training \
         has, the method was fitted on a sample of them.\n");
    say("| voice | fitted on | AUROC at 2 years | AUROC at 5 years |");
    say("| --- | --- | --- | --- |");
    for other in &evidence.baselines {
        say(&format!(
            "| {} | {} | {:.4} | {:.4} |",
            other.voice, other.fitted_on, other.auroc_2y, other.auroc_5y
        ));
    }
    for (voice, name) in [("network", "the network"), ("truth", "the true risk")] {
        let auroc = |years| evidence.whole.find(voice, ALL, EVERYONE, years).and_then(|r| r.auroc);
        if let (Some(two), Some(five)) = (auroc(2), auroc(5)) {
            say(&format!("| {name} | - | {two:.4} | {five:.4} |"));
        }
    }
    say("\n## How well it did, on simulated patients\n");
    for view in std::iter::once(&evidence.whole).chain(&evidence.views) {
        say(&table(view, EVERYONE));
    }
    say("## Subgroups\n");
    say("Whole records, for whom KFRE-4 speaks, and for the network everybody; groups with fewer \
         than 30 events say little.\n");
    say(&subgroups(&evidence.whole));
    say("## Calibration and decisions\n");
    for figure in &card.figures {
        say(&format!("![{}](figures/{}.svg)", figure.alt, figure.name));
    }
    say("\n## The simulator beside published facts\n");
    say("`model check-cohort` prints this table and fails when a fact is missed.\n");
    say("| population | what | published | accepted | simulated | met |");
    say("| --- | --- | --- | --- | --- | --- |");
    for fact in &evidence.facts {
        let met = if fact.is_met() { "yes" } else { "**no**" };
        say(&format!(
            "| {} | {} | {} | {:.3} to {:.3} | {:.3} | {met} |",
            fact.population, fact.what, fact.published, fact.low, fact.high, fact.simulated
        ));
    }
    say(TRIPOD);
    say("## Source attributes (45 CFR 170.315(b)(11)(iv)(B))\n");
    say("| # | attribute | |\n| --- | --- | --- |");
    for attribute in &card.attributes {
        say(&format!("| {} | {} | {} |", attribute.number, attribute.title, attribute.text));
    }
    page
}

fn what_it_is(predictor: &Predictor) -> String {
    let config = predictor.config();
    let shape = &config.shape;
    format!(
        "| | |\n| --- | --- |\n\
         | what it answers | for 1 to 5 years from a day: the probability of kidney failure \
         (dialysis or transplant), with death before it as the competing event, and a 90 % \
         interval |\n\
         | for whom | adults with an eGFR or a creatinine of the last five years, not on dialysis, \
         without a transplant |\n\
         | what it reads | the last 16 visits of five years × ten channels (eGFR, log uACR, \
         albumin, phosphate, calcium, bicarbonate, potassium, haemoglobin, systolic BP, weight), \
         each with whether it was measured and when; age, sex, five comorbidities, cause, drugs, \
         MEST-C scores. Anything but age, sex and one eGFR may be missing; nothing is imputed |\n\
         | what it is | {} members, each a masked, dilated temporal convolution ({} layers of {} \
         channels, dilations {:?}, computed on the receptive cone of the last visit) beside a \
         dense net for the facts ({}), a joint layer ({}) and a head of discrete-time competing \
         risks ([network](src/network.rs)) |\n\
         | what it is fitted to | the outcome of each patient and, where patients are simulated, \
         the share of 200 futures of the same patient that ended in kidney failure within 2 and 5 \
         years ([loss](src/loss.rs)); a hospital's patients have an outcome only |\n\
         | how it is calibrated | shift and factor on the complementary log-log scale, and the \
         width of the interval, which depends on the estimate and on how much is known of the \
         patient, on a tenth of the patients that no member was fitted on \
         ([calibration](src/calibration.rs)) |\n\
         | why | contributions that add up to the difference from a reference patient \
         ([explain](src/explain.rs)) |\n\
         | what it was trained on | {} |\n\
         | how to make it again | `make model` simulates, trains and compares the bytes |\n",
        config.members,
        shape.dilations.len(),
        shape.channels,
        shape.dilations,
        shape.facts,
        shape.joint,
        config.trained_on
    )
}

fn table(evaluation: &Evaluation, group: &str) -> String {
    let mut table = format!(
        "{} ({} patients)\n\n\
         | voice | of | years | events | AUROC (95 %) | C | predicted | observed | slope | \
         calibration error | Brier | scaled Brier |\n|{}\n",
        evaluation.view.name(),
        evaluation.patients,
        " --- |".repeat(12)
    );
    for row in evaluation.rows.iter().filter(|row| row.group == group) {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let interval = row
            .auroc_interval
            .map_or(String::new(), |(low, high)| format!(" ({low:.4} to {high:.4})"));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {}{interval} | {} | {:.4} | {:.4} | {:.2} | {:.4} | {:.4} | \
             {:.3} |",
            row.voice,
            row.base,
            row.years,
            row.events,
            number(row.auroc),
            number(row.c_index),
            row.predicted,
            row.observed,
            row.calibration_slope,
            row.calibration_error,
            row.brier,
            row.scaled_brier
        );
    }
    if let Some((two, five)) = evaluation.coverage {
        let _ = writeln!(
            table,
            "\nTrue risk inside the 90 % interval: {:.1} % at 2 years, {:.1} % at 5.",
            two * 100.0,
            five * 100.0
        );
    }
    table
}

fn subgroups(evaluation: &Evaluation) -> String {
    let mut table = format!(
        "| group | of | voice | years | patients | events | AUROC | predicted | observed | slope \
         |\n|{}\n",
        " --- |".repeat(10)
    );
    let told = evaluation.rows.iter().filter(|row| {
        row.group != EVERYONE
            && is_told(row)
            && (row.base == KFRE_4 || row.voice == "network")
            && row.voice != "truth"
    });
    for row in told {
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {:.4} | {:.4} | {:.2} |",
            row.group,
            row.base,
            row.voice,
            row.years,
            row.patients,
            row.events,
            row.auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.4}")),
            row.predicted,
            row.observed,
            row.calibration_slope
        );
    }
    table
}

const TRIPOD: &str = "
## TRIPOD+AI, item by item

| item | where or what |
| --- | --- |
| title, abstract (1, 2) | the head of this page |
| background, objectives (3, 4) | kidney failure within 1 to 5 years from the whole record, beside KFRE; known inequalities of care are not simulated, so nothing is known of them here |
| data (5) | simulated, from published facts with their sources (table above; `src/cohort`); a hospital's own through `model train` |
| participants (6) | simulated adults, G1 to G5, primary care, nephrology clinics and advanced care; no treatment was assigned by design, drugs in use are inputs |
| data preparation (7) | one code path for training and serving (`src/features.rs`); fixed centres and spreads, nothing fitted on data |
| outcome (8) | first dialysis or transplant; death before it competes; the assessment is blind, being simulated |
| predictors (9) | the table at the head; the same for everybody; each with its time |
| sample size (10) | the number of training patients is above; more changed little (EXPERIMENTS.md) |
| missing data (11) | marked, never imputed; measured with half of the record missing |
| analysis (12) | four fifths fitted, a tenth watched, a tenth for calibration; AdamW, log-likelihood of discrete-time competing risks and cross-entropy with counted futures; members differ in seed |
| class imbalance (13) | none corrected: neither part of the loss needs balance, and risks stay calibrated |
| fairness (14) | subgroups above |
| output (15) | probabilities; thresholds are KDIGO's, not the network's |
| training against evaluation (16) | same simulator, another seed; no real cohort |
| ethical approval (17) | not needed: no persons |
| open science (18) | code, seeds, weights and data generator are in this repository; no protocol was registered; no funding |
| patient and public involvement (19) | none |
| results (20 to 23) | the tables above; weights in `artifacts`; no updating was done |
| interpretation, limitations, usability (24 to 27) | the first lines; a missing input widens the interval by what it cost simulated patients; needs no expertise to run and much to interpret |
";
