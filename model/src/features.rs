//! From a patient's frozen inputs to the numbers that the network reads.
//!
//! A course is the last [`VISITS`] visits of five years, oldest first, each with ten channels
//! (standardised value, and whether it was measured) and its age in months. What is missing is
//! zero with its mark at zero: nothing is imputed.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use shared::{
    clinical::{albuminuria::acr_from_pcr, quantity::PcrMgG},
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    prediction::PredictionInputs,
    therapy::TherapyKind,
};

/// Visits in a course.
pub const VISITS: usize = 16;
/// The longest time back, months.
pub const MONTHS: f32 = 60.0;
/// Channels of a visit.
pub const CHANNELS: usize = 10;
/// What the network reads of one visit: values, marks, age of the visit, and that there is one.
pub const VISIT_WIDTH: usize = 2 * CHANNELS + 2;
/// What the network reads of the fixed facts and of the summary of the course.
pub const FACTS_WIDTH: usize = 2 + 2 * 5 + 6 + 4 + 11 + SUMMARY_WIDTH;
const SUMMARY_WIDTH: usize = 4 * CHANNELS + 7;
/// Where the summary begins among the facts, and what follows its latest values.
const SUMMARY: usize = FACTS_WIDTH - SUMMARY_WIDTH;
const EGFR_LINE: usize = SUMMARY + 3 * CHANNELS;
/// Time after which a value counts half in a channel's mean, months.
const MEAN_HALF_LIFE: f32 = 24.0;
/// The same for the recent line of eGFR, years.
const LINE_HALF_LIFE: f32 = 1.0;

/// One channel: its code, and centre and spread of its (possibly logarithmic) values.
struct Channel {
    code: ObservationCode,
    log: bool,
    centre: f32,
    spread: f32,
}

const fn channel(code: ObservationCode, log: bool, centre: f32, spread: f32) -> Channel {
    Channel { code, log, centre, spread }
}

/// Index of the eGFR channel.
pub const EGFR: usize = 0;
/// Index of the uACR channel.
pub const UACR: usize = 1;

/// The channels, canonical units. Centres and spreads are round clinical numbers, fixed once, so
/// that nothing is fitted on data here.
const CHANNEL_TABLE: [Channel; CHANNELS] = [
    channel(ObservationCode::Egfr, false, 45.0, 20.0),
    channel(ObservationCode::Uacr, true, 4.6, 1.9),
    channel(ObservationCode::Albumin, false, 4.0, 0.4),
    channel(ObservationCode::Phosphate, false, 3.8, 0.6),
    channel(ObservationCode::Calcium, false, 9.3, 0.5),
    channel(ObservationCode::Bicarbonate, false, 25.0, 3.0),
    channel(ObservationCode::Potassium, false, 4.5, 0.5),
    channel(ObservationCode::Haemoglobin, false, 12.8, 1.7),
    channel(ObservationCode::SystolicBp, false, 138.0, 18.0),
    channel(ObservationCode::Weight, false, 80.0, 17.0),
];

/// The inputs whose contributions are told apart, by their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The level of eGFR: its latest value.
    EgfrLevel,
    /// The course of eGFR up to the latest value.
    EgfrCourse,
    /// Another channel, by index.
    Channel(usize),
    /// A fixed fact, by index into [`Facts`].
    Fact(usize),
}

/// Names of the fixed facts, in the order of [`Facts`].
const FACT_NAMES: [&str; 10] = [
    "age",
    "sex",
    "diabetes",
    "hypertension",
    "cardiovascular_disease",
    "heart_failure",
    "smoker",
    "renal_disease",
    "therapies",
    "biopsy",
];

impl Input {
    /// Every input.
    pub fn all() -> Vec<Self> {
        let channels = (1..CHANNELS).map(Self::Channel);
        let facts = (0..FACT_NAMES.len()).map(Self::Fact);
        [Self::EgfrLevel, Self::EgfrCourse].into_iter().chain(channels).chain(facts).collect()
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::EgfrLevel => "egfr",
            Self::EgfrCourse => "egfr_course",
            Self::Channel(index) => CHANNEL_TABLE[index].code.as_str(),
            Self::Fact(index) => FACT_NAMES[index],
        }
    }
}

/// The fixed facts; `None` is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    age_years: f32,
    male: bool,
    comorbidities: [Option<bool>; 5],
    disease: RenalDisease,
    /// RAS inhibitor, SGLT2 inhibitor, MRA or GLP-1 agonist, immunosuppression or steroid.
    therapies: [bool; 4],
    /// M, E, S, T, C and the biopsy's age in years.
    biopsy: Option<([Option<u8>; 5], f32)>,
}

/// One patient as the network reads them, before flattening.
#[derive(Clone, Debug, PartialEq)]
pub struct Patient {
    /// Fixed facts.
    pub facts: Facts,
    /// Visits, oldest first.
    pub visits: Vec<Visit>,
}

/// One visit: standardised values of what was measured, and how long ago.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Months before now.
    pub months: f32,
    /// Standardised values; `None` was not measured.
    pub values: [Option<f32>; CHANNELS],
}

impl Patient {
    /// Reads frozen inputs. Values of one day are one visit; a PCR stands in for an ACR that was
    /// not measured that day (Sumida 2020).
    pub fn new(inputs: &PredictionInputs) -> Self {
        let mut visits: Vec<(NaiveDate, Visit)> = Vec::new();
        let mut values: Vec<_> = inputs.values.iter().collect();
        values.sort_by_key(|value| value.effective_at);
        for value in values {
            let day = value.effective_at.date_naive();
            let months = (inputs.as_of - day).num_days() as f32 / 30.4375;
            if !(-1.0..=MONTHS).contains(&months) {
                continue;
            }
            let is_pcr = value.code == ObservationCode::Upcr;
            let code = if is_pcr { ObservationCode::Uacr } else { value.code };
            let Some(index) = CHANNEL_TABLE.iter().position(|c| c.code == code) else { continue };
            if visits.last().is_none_or(|(last, _)| *last != day) {
                let months = months.max(0.0);
                visits.push((day, Visit { months, values: [None; CHANNELS] }));
            }
            let Some((_, visit)) = visits.last_mut() else { continue };
            if is_pcr {
                let diabetes = inputs.diabetes.unwrap_or(false);
                let hypertension = inputs.hypertension.unwrap_or(false);
                let Some(pcr) = value.quantity::<PcrMgG>() else { continue };
                let acr = acr_from_pcr(pcr, inputs.sex, diabetes, hypertension);
                visit.values[index].get_or_insert_with(|| standardise(index, acr.get()));
            } else {
                visit.values[index] = Some(standardise(index, value.value));
            }
        }
        let visits: Vec<Visit> = visits.into_iter().map(|(_, visit)| visit).collect();
        Self { facts: Facts::new(inputs), visits: most_telling(visits) }
    }

    /// This patient with only some inputs their own; the others are those of the reference: same
    /// visits and same measurements, every value at its centre, every fact at its commonest.
    #[must_use]
    pub fn with_only(&self, own: &dyn Fn(Input) -> bool) -> Self {
        let mut patient = self.clone();
        let egfr_last =
            self.visits.iter().rev().find_map(|visit| visit.values[EGFR]).unwrap_or_default();
        let level = if own(Input::EgfrLevel) { egfr_last } else { 0.0 };
        let has_own_course = own(Input::EgfrCourse);
        let is_own: [bool; CHANNELS] = std::array::from_fn(|index| own(Input::Channel(index)));
        for visit in &mut patient.visits {
            for (index, value) in visit.values.iter_mut().enumerate() {
                let Some(value) = value else { continue };
                if index == EGFR {
                    if own(Input::EgfrLevel) && has_own_course {
                        // To take the level off and add it again would round.
                        continue;
                    }
                    let course = if has_own_course { *value - egfr_last } else { 0.0 };
                    *value = level + course;
                } else if !is_own[index] {
                    *value = 0.0;
                }
            }
        }
        patient.facts.keep_only(own);
        patient
    }

    /// Whether an input of this patient is another than the reference's: what
    /// [`with_only`](Self::with_only) makes of it alone is not the reference.
    pub fn differs_in(&self, input: Input) -> bool {
        let measured = |channel: usize| self.visits.iter().filter_map(move |v| v.values[channel]);
        let last = measured(EGFR).next_back().unwrap_or_default();
        match input {
            Input::EgfrLevel => last != 0.0,
            Input::EgfrCourse => measured(EGFR).any(|value| value != last),
            Input::Channel(channel) => measured(channel).any(|value| value != 0.0),
            Input::Fact(_) => {
                let with = |own: &dyn Fn(Input) -> bool| {
                    let mut facts = self.facts.clone();
                    facts.keep_only(own);
                    facts
                };
                with(&|own| own == input) != with(&|_| false)
            }
        }
    }

    /// Whether there is any eGFR.
    pub fn has_egfr(&self) -> bool {
        self.visits.iter().any(|visit| visit.values[EGFR].is_some())
    }

    /// Forgets all but the latest visits.
    pub fn keep_latest_visits(&mut self, count: usize) {
        let surplus = self.visits.len().saturating_sub(count);
        self.visits.drain(..surplus);
    }

    /// Keeps of each channel the latest value, all as of today: what a table with one row per
    /// patient holds.
    pub fn keep_one_row(&mut self) {
        let latest = |channel: usize| self.visits.iter().rev().find_map(|v| v.values[channel]);
        let row = Visit { months: 0.0, values: std::array::from_fn(latest) };
        self.visits = vec![row];
    }

    /// Forgets every channel but eGFR and uACR: what KFRE's four variables see.
    pub fn keep_egfr_and_uacr(&mut self) {
        for visit in &mut self.visits {
            visit.values[UACR + 1..].fill(None);
        }
    }

    /// Forgets the channels after eGFR for which `hides` says so.
    pub fn hide_channels(&mut self, mut hides: impl FnMut() -> bool) {
        for channel in EGFR + 1..CHANNELS {
            if hides() {
                for visit in &mut self.visits {
                    visit.values[channel] = None;
                }
            }
        }
    }

    /// Forgets comorbidities, cause, drugs and biopsy, each where `hides` says so.
    pub fn hide_facts(&mut self, mut hides: impl FnMut() -> bool) {
        for known in &mut self.facts.comorbidities {
            if hides() {
                *known = None;
            }
        }
        if hides() {
            self.facts.disease = RenalDisease::Unknown;
        }
        if hides() {
            self.facts.therapies = [false; 4];
        }
        if hides() {
            self.facts.biopsy = None;
        }
    }

    /// What the network reads of patients one after the other: [`write_visits`](Self::write_visits) and
    /// [`write_facts`](Self::write_facts) of each. What follows from visits that are those of the patient
    /// before is copied.
    pub fn write_all(patients: &[Self], visits: &mut Vec<f32>, facts: &mut Vec<f32>) {
        let mut before: Option<&Self> = None;
        for patient in patients {
            if before.is_some_and(|before| before.visits == patient.visits) {
                visits.extend_from_within(visits.len() - VISITS * VISIT_WIDTH..);
                patient.facts.write(facts);
                let summary = facts.len() - SUMMARY - SUMMARY_WIDTH;
                facts.extend_from_within(summary..summary + SUMMARY_WIDTH);
            } else {
                patient.write_visits(visits);
                patient.write_facts(facts);
            }
            before = Some(patient);
        }
    }

    /// What the network reads of the visits, `VISITS × VISIT_WIDTH`, latest visit last.
    pub fn write_visits(&self, out: &mut Vec<f32>) {
        let start = out.len();
        out.resize(start + VISITS * VISIT_WIDTH, 0.0);
        let empty = VISITS - self.visits.len();
        for (index, visit) in self.visits.iter().enumerate() {
            let row = start + (empty + index) * VISIT_WIDTH;
            for (channel, value) in visit.values.iter().enumerate() {
                if let Some(value) = value {
                    out[row + channel] = *value;
                    out[row + CHANNELS + channel] = 1.0;
                }
            }
            out[row + 2 * CHANNELS] = visit.months / 24.0;
            out[row + 2 * CHANNELS + 1] = 1.0;
        }
    }

    /// What the network reads of the fixed facts and the summary, `FACTS_WIDTH`.
    pub fn write_facts(&self, out: &mut Vec<f32>) {
        let start = out.len();
        self.facts.write(out);
        self.write_summary(out);
        debug_assert_eq!(out.len(), start + FACTS_WIDTH);
    }

    /// Per channel: the latest value, whether there is one, its age; then of eGFR: slope, spread
    /// around it, span and number of values; per channel the mean, which weighs recent values
    /// more and is less noisy than any one of them; and of eGFR the recent line.
    fn write_summary(&self, out: &mut Vec<f32>) {
        for channel in 0..CHANNELS {
            let latest = self
                .visits
                .iter()
                .rev()
                .find_map(|visit| visit.values[channel].map(|value| (value, visit.months)));
            let (value, months) = latest.unwrap_or((0.0, 0.0));
            out.extend([value, f32::from(u8::from(latest.is_some())), months / 24.0]);
        }
        let points: Vec<(f32, f32)> = self
            .visits
            .iter()
            .filter_map(|visit| visit.values[EGFR].map(|value| (-visit.months / 12.0, value)))
            .collect();
        out.extend(line(&points));
        let weights = self.visits.iter().map(|visit| (-visit.months / MEAN_HALF_LIFE).exp2());
        let (mut sums, mut counted) = ([0.0; CHANNELS], [0.0_f32; CHANNELS]);
        for (visit, weight) in self.visits.iter().zip(weights) {
            for (channel, value) in visit.values.iter().enumerate() {
                if let Some(value) = value {
                    sums[channel] += weight * value;
                    counted[channel] += weight;
                }
            }
        }
        out.extend(sums.iter().zip(counted).map(|(sum, of)| sum / of.max(f32::MIN_POSITIVE)));
        out.extend(recent_line(&points));
    }
}

/// How many numbers [`known`] gives.
pub const KNOWN: usize = 6;

/// How much is known of a patient, from the facts as the network reads them: how many eGFR values
/// (logarithm) over how long, whether albuminuria, and what share of the other channels, of the
/// comorbidities, and whether the cause.
pub fn known(facts: &[f32]) -> [f64; KNOWN] {
    let measured = |channel: usize| f64::from(facts[SUMMARY + 3 * channel + 1]);
    let others: f64 = (UACR + 1..CHANNELS).map(measured).sum();
    let asked: f64 = (0..5).map(|fact| f64::from(facts[3 + 2 * fact])).sum();
    let unknown = RenalDisease::ALL.iter().position(|disease| *disease == RenalDisease::Unknown);
    [
        f64::from(facts[EGFR_LINE + 3] * 8.0).ln_1p(),
        f64::from(facts[EGFR_LINE + 2]),
        measured(UACR),
        others / (CHANNELS - UACR - 1) as f64,
        asked / 5.0,
        1.0 - unknown.map_or(0.0, |index| f64::from(facts[12 + index])),
    ]
}

/// Names of the columns of [`Patient::write_table`].
pub fn table_columns() -> Vec<String> {
    let mut names: Vec<String> = (0..FACTS_WIDTH).map(|index| format!("fact_{index}")).collect();
    for channel in &CHANNEL_TABLE {
        let code = channel.code.as_str();
        names.extend(["mean", "least", "most", "count", "slope"].map(|of| format!("{code}_{of}")));
    }
    names.push("visits".to_owned());
    names
}

impl Patient {
    /// The patient as one row for models that read tables: everything the network reads of the
    /// facts, and of each channel's course the mean, least, most, number of values and slope; NaN
    /// where nothing was measured.
    pub fn write_table(&self, out: &mut Vec<f32>) {
        self.write_facts(out);
        for channel in 0..CHANNELS {
            let points: Vec<(f32, f32)> = self
                .visits
                .iter()
                .filter_map(|v| v.values[channel].map(|value| (-v.months / 12.0, value)))
                .collect();
            let values = points.iter().map(|(_, value)| *value);
            let count = points.len() as f32;
            if points.is_empty() {
                out.extend([f32::NAN, f32::NAN, f32::NAN, 0.0, f32::NAN]);
                continue;
            }
            let mean = values.clone().sum::<f32>() / count;
            let least = values.clone().fold(f32::INFINITY, f32::min);
            let most = values.fold(f32::NEG_INFINITY, f32::max);
            out.extend([mean, least, most, count, line(&points)[0]]);
        }
        out.push(self.visits.len() as f32);
    }
}

/// The [`VISITS`] visits to keep where there are more: those with each channel's latest value,
/// then the latest with an eGFR, then the latest. So a diary of blood pressures pushes no
/// laboratory value out.
fn most_telling(visits: Vec<Visit>) -> Vec<Visit> {
    if visits.len() <= VISITS {
        return visits;
    }
    let latest_first = || (0..visits.len()).rev();
    let latest_of =
        |channel: usize| latest_first().find(|index| visits[*index].values[channel].is_some());
    let mut kept: BTreeSet<usize> = (0..CHANNELS).filter_map(latest_of).collect();
    let with_egfr = latest_first().filter(|index| visits[*index].values[EGFR].is_some());
    for index in with_egfr.chain(latest_first()) {
        if kept.len() == VISITS {
            break;
        }
        kept.insert(index);
    }
    let all = visits.into_iter().enumerate();
    all.filter(|(index, _)| kept.contains(index)).map(|(_, visit)| visit).collect()
}

/// Least squares: slope a year (clamped), spread around it, span in years, number of values.
fn line(points: &[(f32, f32)]) -> [f32; 4] {
    let n = points.len() as f32;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return [0.0; 4] };
    let span = last.0 - first.0;
    if points.len() < 2 || span < 0.1 {
        return [0.0, 0.0, 0.0, n / 8.0];
    }
    let mean = |of: fn(&(f32, f32)) -> f32| points.iter().map(of).sum::<f32>() / n;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let sxx: f32 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let sxy: f32 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    // A year's shrinkage towards no change: two values a month apart say little of a slope.
    let slope = (sxy / (sxx + 0.25)).clamp(-2.0, 2.0);
    let squares: f32 = points.iter().map(|p| (p.1 - mean_y - slope * (p.0 - mean_x)).powi(2)).sum();
    [slope * 4.0, (squares / n).sqrt() * 4.0, span / 2.5, n / 8.0]
}

/// The line through the values of late, each counting half of one a [`LINE_HALF_LIFE`] later: its
/// slope a year (clamped), its level today, and how far the deepest value lies below it.
fn recent_line(points: &[(f32, f32)]) -> [f32; 3] {
    let weighted = |of: &dyn Fn(f32, f32) -> f32| -> f32 {
        points.iter().map(|(x, y)| (x / LINE_HALF_LIFE).exp2() * of(*x, *y)).sum()
    };
    let all = weighted(&|_, _| 1.0);
    if points.is_empty() {
        return [0.0; 3];
    }
    let (mean_x, mean_y) = (weighted(&|x, _| x) / all, weighted(&|_, y| y) / all);
    let sxx = weighted(&|x, _| (x - mean_x).powi(2));
    let sxy = weighted(&|x, y| (x - mean_x) * (y - mean_y));
    let slope = (sxy / (sxx + 0.1)).clamp(-2.0, 2.0);
    let at = |x: f32| mean_y + slope * (x - mean_x);
    let dip = points.iter().map(|(x, y)| at(*x) - y).fold(0.0, f32::max);
    [slope * 4.0, at(0.0), dip.min(3.0)]
}

fn standardise(channel: usize, value: f64) -> f32 {
    let Channel { log, centre, spread, .. } = &CHANNEL_TABLE[channel];
    let value = if *log { value.max(0.1).ln() as f32 } else { value as f32 };
    // Five spreads hold every plausible value that means something more than its neighbour.
    ((value - centre) / spread).clamp(-5.0, 5.0)
}

impl Facts {
    fn new(inputs: &PredictionInputs) -> Self {
        let takes =
            |kinds: &[TherapyKind]| kinds.iter().any(|kind| inputs.therapies.contains(kind));
        let biopsy = inputs.biopsy.as_ref().map(|biopsy| {
            let years = (inputs.as_of - biopsy.performed_on).num_days() as f32 / 365.25;
            ([biopsy.m, biopsy.e, biopsy.s, biopsy.t, biopsy.c], years.clamp(0.0, 30.0))
        });
        Self {
            age_years: inputs.age_years as f32,
            male: inputs.sex == Sex::Male,
            comorbidities: [
                inputs.diabetes,
                inputs.hypertension,
                inputs.cardiovascular_disease,
                inputs.heart_failure,
                inputs.smoker,
            ],
            disease: inputs.renal_disease,
            therapies: [
                takes(&[TherapyKind::RasInhibitor]),
                takes(&[TherapyKind::Sglt2Inhibitor]),
                takes(&[TherapyKind::Mra, TherapyKind::Glp1Agonist]),
                takes(&[TherapyKind::Immunosuppression, TherapyKind::Corticosteroid]),
            ],
            biopsy,
        }
    }

    fn keep_only(&mut self, own: &dyn Fn(Input) -> bool) {
        let keeps = |index| own(Input::Fact(index));
        if !keeps(0) {
            self.age_years = 65.0;
        }
        if !keeps(1) {
            self.male = false;
        }
        // A known comorbidity's reference is its absence; unknown stays unknown.
        for (index, known) in self.comorbidities.iter_mut().enumerate() {
            if !keeps(2 + index) {
                *known = known.map(|_| false);
            }
        }
        if !keeps(7) {
            self.disease = RenalDisease::Unknown;
        }
        if !keeps(8) {
            self.therapies = [false; 4];
        }
        if !keeps(9) {
            self.biopsy = None;
        }
    }

    fn write(&self, out: &mut Vec<f32>) {
        let flag = |set: bool| f32::from(u8::from(set));
        out.extend([(self.age_years - 65.0) / 15.0, flag(self.male)]);
        for known in self.comorbidities {
            out.extend([flag(known == Some(true)), flag(known.is_some())]);
        }
        for disease in RenalDisease::ALL {
            out.push(flag(self.disease == disease));
        }
        out.extend(self.therapies.map(flag));
        let (scores, years) = self.biopsy.unwrap_or(([None; 5], 0.0));
        for score in scores {
            out.extend([f32::from(score.unwrap_or(0)), flag(score.is_some())]);
        }
        out.push(years / 5.0);
    }
}
