//! The model card: what is measured, beside what had to be reached, as data and as a page.

mod attributes;
mod figure;
mod page;

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::model::{CardBar, CardFigure, CardMetric, ModelCard};

use crate::{
    cohort::check::{Fact, check},
    dataset::Example,
    evaluate::{ALL, EVERYONE, Evaluation, KFRE_4, KFRE_8, Row, View, evaluate},
    predictor::Predictor,
};

/// Patients of each population, and seed, of the check against the published facts.
const CHECKED: (usize, u64) = (20_000, 11);
/// Fewer events than these say nothing of a group.
const ENOUGH_EVENTS: usize = 30;

/// What other programs measured, and when.
#[derive(Clone, Debug)]
pub struct Notes {
    /// Results of bench/baselines.
    pub baselines: Option<PathBuf>,
    /// Results of bench/inference.
    pub speed: Option<PathBuf>,
    /// How long the training took, seconds.
    pub training_seconds: Option<f64>,
    /// The day of the release.
    pub released_on: NaiveDate,
}

/// One method of bench/baselines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The method.
    pub voice: String,
    /// Rows it was fitted on.
    pub fitted_on: usize,
    /// AUROC at 2 years on the hold-out.
    pub auroc_2y: f64,
    /// AUROC at 5 years on the hold-out.
    pub auroc_5y: f64,
}

/// Results of bench/inference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// One patient, milliseconds.
    pub single_ms: f64,
    /// Patients a second in batches of 4096.
    pub patients_per_second: f64,
    /// The same network in ONNX Runtime on the same machine.
    pub onnx_patients_per_second: f64,
}

/// Everything that a card says with a number.
#[derive(Debug)]
pub struct Evidence {
    /// The whole records.
    pub whole: Evaluation,
    /// Restricted views of the same patients.
    pub views: Vec<Evaluation>,
    /// The simulator beside published facts.
    pub facts: Vec<Fact>,
    /// Other methods on the same hold-out.
    pub baselines: Vec<Baseline>,
    speed: Option<Speed>,
    training_seconds: Option<f64>,
    released_on: NaiveDate,
}

fn read<T: DeserializeOwned>(file: Option<&Path>) -> anyhow::Result<Option<T>> {
    let Some(file) = file else { return Ok(None) };
    let bytes =
        std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&bytes).map(Some).with_context(|| file.display().to_string())
}

impl Evidence {
    /// Measures what a card needs.
    pub fn gather(
        predictor: &Predictor,
        examples: &[Example],
        notes: &Notes,
    ) -> anyhow::Result<Self> {
        let whole = View::default();
        let restricted = [
            View { single_visit: true, ..whole },
            View { kfre_variables_only: true, ..whole },
            View { single_visit: true, kfre_variables_only: true, ..whole },
            View { half_missing: true, ..whole },
        ];
        let views = restricted.iter().map(|view| evaluate(predictor, examples, *view));
        Ok(Self {
            whole: evaluate(predictor, examples, whole)?,
            views: views.collect::<Result<_, _>>()?,
            facts: check(CHECKED.0, CHECKED.1),
            baselines: read(notes.baselines.as_deref())?.unwrap_or_default(),
            speed: read(notes.speed.as_deref())?,
            training_seconds: notes.training_seconds,
            released_on: notes.released_on,
        })
    }

    /// The card as data.
    pub fn card(&self, predictor: &Predictor) -> ModelCard {
        let version = predictor.version();
        ModelCard {
            name: version.name.clone(),
            version: version.version.clone(),
            released_on: self.released_on,
            intended_use: shared::INTENDED_USE.to_owned(),
            summary: page::SUMMARY.iter().map(|sentence| (*sentence).to_owned()).collect(),
            attributes: attributes::all(self, &predictor.config().trained_on),
            bars: self.bars(),
            metrics: self.metrics(),
            figures: self.figures(),
        }
    }

    /// The card as a page.
    pub fn readme(&self, predictor: &Predictor, card: &ModelCard) -> String {
        page::readme(self, predictor, card)
    }

    fn metrics(&self) -> Vec<CardMetric> {
        self.whole.rows.iter().filter(|row| is_told(row)).map(metric).collect()
    }

    fn figures(&self) -> Vec<CardFigure> {
        let mut figures = Vec::new();
        for years in [2, 5] {
            figures.push(CardFigure {
                name: format!("calibration-{years}y"),
                title: format!("Calibration at {years} years"),
                alt: format!(
                    "Observed against predicted risk of kidney failure within {years} years in \
                     tenths of the risk, for the network and for KFRE, beside the ideal line; the \
                     same numbers are in metrics.json."
                ),
                svg: figure::calibration(years, &self.whole.calibration),
            });
            figures.push(CardFigure {
                name: format!("decisions-{years}y"),
                title: format!("Decision curve at {years} years"),
                alt: format!(
                    "Net benefit of acting above each threshold of the {years}-year risk: the \
                     network, KFRE, and acting on everybody; the same numbers are in metrics.json."
                ),
                svg: figure::decisions(years, &self.whole.decisions),
            });
        }
        figures
    }

    fn bars(&self) -> Vec<CardBar> {
        let mut bars = Vec::new();
        for years in [2, 5] {
            bars.extend(self.against_kfre(years));
            bars.extend(self.against_baselines(years));
            bars.extend(self.against_truth(years));
        }
        bars.push(never_under(&self.whole, "each cause alone", "", |row| {
            row.group.starts_with("cause")
        }));
        bars.push(never_under(&self.whole, "advanced CKD only", "", |row| {
            row.group.starts_with("advanced")
        }));
        let flags = [
            " --single-visit",
            " --kfre-variables-only",
            " --single-visit --kfre-variables-only",
            " --half-missing",
        ];
        for (view, flags) in self.views.iter().zip(flags) {
            let name = format!("{}, everyone, causes, advanced", view.view.name());
            bars.push(never_under(view, &name, flags, |row| {
                row.group == EVERYONE
                    || row.group.starts_with("cause")
                    || row.group.starts_with("advanced")
            }));
        }
        bars.extend(self.calibration_bars());
        let all = std::iter::once(&self.whole).chain(&self.views);
        let flags = std::iter::once("").chain(flags);
        bars.extend(all.zip(flags).map(|(view, flags)| coverage_bar(view, flags)));
        bars.push(CardBar {
            measure: "C-index and calibration in real cohorts".to_owned(),
            group: "advanced CKD, other countries".to_owned(),
            bar: "above KFRE; 2-year mean risk within 0.05 of the observed".to_owned(),
            value: "not measured: no real cohort ships with the product".to_owned(),
            met: None,
            command: "model evaluate --model model/artifacts --data YOURS".to_owned(),
        });
        bars.push(self.training_bar());
        bars.extend(self.speed_bars());
        bars
    }

    fn against_kfre(&self, years: u8) -> Vec<CardBar> {
        let bars = [("kfre4", KFRE_4, "KFRE, 4 variables"), ("kfre8", KFRE_8, "KFRE, 8 variables")];
        let compared = bars.into_iter().filter_map(|(voice, base, name)| {
            let ours = self.whole.find("network", base, EVERYONE, years)?.auroc?;
            let theirs = self.whole.find(voice, base, EVERYONE, years)?.auroc?;
            Some(CardBar {
                measure: format!("AUROC at {years} years"),
                group: base.to_owned(),
                bar: format!("above {name}, {theirs:.4}"),
                value: format!("{ours:.4}"),
                met: Some(theirs < ours),
                command: EVALUATE.to_owned(),
            })
        });
        compared.collect()
    }

    fn against_baselines(&self, years: u8) -> Vec<CardBar> {
        let Some(ours) = self.whole.find("network", ALL, EVERYONE, years).and_then(|r| r.auroc)
        else {
            return Vec::new();
        };
        let compared = self.baselines.iter().map(|baseline| {
            let theirs = if years == 2 { baseline.auroc_2y } else { baseline.auroc_5y };
            CardBar {
                measure: format!("AUROC at {years} years"),
                group: "all".to_owned(),
                bar: format!(
                    "above {}, {theirs:.4} (fitted on {} patients)",
                    baseline.voice, baseline.fitted_on
                ),
                value: format!("{ours:.4}"),
                met: Some(theirs < ours),
                command: "bench/baselines/README.md".to_owned(),
            }
        });
        compared.collect()
    }

    fn against_truth(&self, years: u8) -> Option<CardBar> {
        let ours = self.whole.find("network", ALL, EVERYONE, years)?.auroc?;
        let best = self.whole.find("truth", ALL, EVERYONE, years)?.auroc?;
        let gap = best - ours;
        Some(CardBar {
            measure: format!("AUROC at {years} years below the true risk's"),
            group: "all".to_owned(),
            bar: "at most 0.015, never above".to_owned(),
            value: format!("{gap:.4} ({ours:.4} of {best:.4})"),
            met: Some((0.0..=0.015).contains(&gap)),
            command: EVALUATE.to_owned(),
        })
    }

    fn calibration_bars(&self) -> Vec<CardBar> {
        let all: Vec<&Row> = self.whole.rows.iter().filter(|row| is_ours(row)).collect();
        let mut bars = Vec::new();
        for years in [2, 5] {
            let Some(overall) = self.whole.find("network", ALL, EVERYONE, years) else { continue };
            let slope = overall.calibration_slope;
            bars.push(CardBar {
                measure: format!("calibration slope at {years} years"),
                group: "all".to_owned(),
                bar: "0.9 to 1.1".to_owned(),
                value: format!("{slope:.3}"),
                met: Some((0.9..=1.1).contains(&slope)),
                command: EVALUATE.to_owned(),
            });
            let of_years = all.iter().filter(|row| row.years == years);
            let off = |row: &Row| row.predicted - row.observed;
            let Some(worst) = of_years.max_by(|a, b| off(a).abs().total_cmp(&off(b).abs())) else {
                continue;
            };
            bars.push(CardBar {
                measure: format!("calibration in the large at {years} years"),
                group: "all, and the worst subgroup".to_owned(),
                bar: "within 0.02".to_owned(),
                value: format!(
                    "{:+.4}; {:+.4} ({}, {} events)",
                    off(overall),
                    off(worst),
                    worst.group,
                    worst.events
                ),
                met: Some(off(worst).abs() <= 0.02),
                command: format!("{EVALUATE} --subgroups"),
            });
        }
        bars
    }

    fn training_bar(&self) -> CardBar {
        let minutes = self.training_seconds.map(|seconds| seconds / 60.0);
        CardBar {
            measure: "training from scratch, all members".to_owned(),
            group: "2 cores".to_owned(),
            bar: "under 45 minutes".to_owned(),
            value: minutes.map_or("not measured".to_owned(), |m| format!("{m:.0} minutes")),
            met: minutes.map(|minutes| minutes < 45.0),
            command: "make model".to_owned(),
        }
    }

    fn speed_bars(&self) -> [CardBar; 2] {
        let command = "bench/inference".to_owned();
        let unknown = || "not measured".to_owned();
        [
            CardBar {
                measure: "inference, one patient".to_owned(),
                group: "2 cores".to_owned(),
                bar: "under 1 ms".to_owned(),
                value: self.speed.map_or_else(unknown, |s| format!("{:.3} ms", s.single_ms)),
                met: self.speed.map(|speed| speed.single_ms < 1.0),
                command: command.clone(),
            },
            CardBar {
                measure: "inference, batches of 4096".to_owned(),
                group: "2 cores".to_owned(),
                bar: "200,000 patients a second, not slower than ONNX Runtime".to_owned(),
                value: self.speed.map_or_else(unknown, |s| {
                    format!(
                        "{:.0}; ONNX Runtime {:.0}",
                        s.patients_per_second, s.onnx_patients_per_second
                    )
                }),
                met: self.speed.map(|speed| {
                    200_000.0 <= speed.patients_per_second
                        && speed.onnx_patients_per_second <= speed.patients_per_second
                }),
                command,
            },
        ]
    }
}

const EVALUATE: &str = "model evaluate --model model/artifacts --data HOLDOUT";

fn coverage_bar(view: &Evaluation, flags: &str) -> CardBar {
    let within = |share: f64| (0.88..=0.92).contains(&share);
    CardBar {
        measure: "true risk inside the 90 % interval at 2 and 5 years".to_owned(),
        group: format!("{}, all with a countable risk", view.view.name()),
        bar: "88 to 92 %".to_owned(),
        value: view.coverage.map_or("not measured".to_owned(), |(two, five)| {
            format!("{:.1} and {:.1} %", two * 100.0, five * 100.0)
        }),
        met: view.coverage.map(|(two, five)| within(two) && within(five)),
        command: format!("{EVALUATE}{flags}"),
    }
}

/// Rows that the card repeats: everyone by voice, and each subgroup where KFRE speaks too.
fn is_told(row: &Row) -> bool {
    row.group == EVERYONE || ((row.base == KFRE_4 || row.voice == "network") && row.base != KFRE_8)
}

fn is_ours(row: &Row) -> bool {
    row.voice == "network" && row.base == ALL && ENOUGH_EVENTS <= row.events
}

fn metric(row: &Row) -> CardMetric {
    let group = if row.group == EVERYONE {
        row.base.clone()
    } else {
        format!("{}, {}", row.base, row.group)
    };
    CardMetric {
        voice: row.voice.clone(),
        group,
        years: row.years,
        patients: u32::try_from(row.patients).unwrap_or(u32::MAX),
        observed: row.observed,
        predicted: row.predicted,
        auroc: row.auroc,
        calibration_slope: (ENOUGH_EVENTS <= row.events).then_some(row.calibration_slope),
        brier: row.brier,
    }
}

/// The least margin over KFRE on the same rows, over the groups that count.
fn never_under(
    evaluation: &Evaluation,
    name: &str,
    flags: &str,
    counts: impl Fn(&Row) -> bool,
) -> CardBar {
    let mut least: Option<(f64, String)> = None;
    for theirs in evaluation.rows.iter().filter(|row| counts(row) && ENOUGH_EVENTS <= row.events) {
        let base = match theirs.voice.as_str() {
            "kfre4" => KFRE_4,
            "kfre8" => KFRE_8,
            _ => continue,
        };
        let ours = evaluation.find("network", base, &theirs.group, theirs.years);
        let (Some(ours), Some(of_kfre)) = (ours.and_then(|row| row.auroc), theirs.auroc) else {
            continue;
        };
        if theirs.base != base {
            continue;
        }
        let margin = ours - of_kfre;
        if least.as_ref().is_none_or(|(known, _)| margin < *known) {
            let place = format!("{}, {}, {} years", theirs.voice, theirs.group, theirs.years);
            least = Some((margin, place));
        }
    }
    CardBar {
        measure: "AUROC minus KFRE's, the least of the groups".to_owned(),
        group: name.to_owned(),
        bar: "never under KFRE on the same rows".to_owned(),
        value: least
            .as_ref()
            .map_or("not measured".to_owned(), |(margin, place)| format!("{margin:+.4} ({place})")),
        met: least.map(|(margin, _)| 0.0 <= margin),
        command: format!("{EVALUATE}{flags} --subgroups"),
    }
}
