//! The simulator beside the published facts it was built from.
//!
//! Every row is a number that somebody published, how far from it a simulated cohort may lie, and
//! what a cohort gives. A fact that is missed is shown as missed.

use serde::{Deserialize, Serialize};
use shared::{
    clinical::{
        albuminuria::acr_from_pcr,
        egfr::ckd_epi_2021_creatinine,
        kfre::{self, FourVariables},
        quantity::{AcrMgG, CreatinineMgDl, Egfr, PcrMgG},
        to_canonical,
    },
    observation::ObservationCode,
    prediction::KfreRegion,
};

use super::{CohortSpec, Population, SimulatedPatient, simulate};
use crate::{
    dataset::{Event, Outcome},
    metrics::{auroc, hazard_ratios, label},
};

/// A published fact, and what the simulator gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The simulated population.
    pub population: String,
    /// What was measured.
    pub what: String,
    /// What was published, and where.
    pub published: String,
    /// The least that counts as met.
    pub low: f64,
    /// The most that counts as met.
    pub high: f64,
    /// What the simulated cohort gives.
    pub simulated: f64,
}

impl Fact {
    /// Whether the simulated cohort lies within the bounds.
    pub fn is_met(&self) -> bool {
        (self.low..=self.high).contains(&self.simulated)
    }
}

/// One simulated patient as an epidemiologist would see them.
struct Subject {
    patient: SimulatedPatient,
    /// From the latest creatinine.
    egfr: f64,
    /// The latest, mg/g; `None` where albuminuria was never measured.
    acr: Option<f64>,
}

struct Cohort {
    name: &'static str,
    subjects: Vec<Subject>,
    facts: Vec<Fact>,
}

/// Simulates `patients` of each population and holds them against the published facts.
pub fn check(patients: usize, seed: u64) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(primary_care(Cohort::new(
        Population::PrimaryCare,
        "primary-care",
        patients,
        seed,
    )));
    facts.extend(referral(Cohort::new(Population::Referral, "referral", patients, seed)));
    facts.extend(advanced(Cohort::new(Population::Advanced, "advanced", patients, seed)));
    facts.extend(mixed(Cohort::new(Population::Mixed, "mixed", patients, seed)));
    facts
}

fn primary_care(mut cohort: Cohort) -> Vec<Fact> {
    let kdpredict = "KDpredict (Alberta, Denmark, Scotland)";
    let ckd = |subject: &Subject| subject.egfr < 60.0;
    cohort.subjects.retain(ckd);
    cohort.mean("age, years", kdpredict, "77.4 to 79.9", (74.0, 81.0), &|s| {
        f64::from(s.patient.age_years)
    });
    cohort.share("men", kdpredict, "0.46 to 0.52", (0.44, 0.58), &|s| {
        s.patient.sex == shared::patient::Sex::Male
    });
    cohort.mean("eGFR", kdpredict, "41.6 (median)", (39.0, 47.0), &|s| s.egfr);
    let acr = cohort.acr_quantile(0.5);
    cohort.fact("uACR, median, mg/g", kdpredict, "12.4 to 22.7", (10.0, 27.0), acr);
    let below = |limit: f64| move |s: &Subject| s.acr.is_some_and(|acr| acr < limit);
    let (a1, measured) = (cohort.count(&below(30.0)), cohort.count(&|s| s.acr.is_some()));
    cohort.fact("share A1", kdpredict, "0.57 to 0.63", (0.53, 0.67), a1 / measured);
    let a3 = measured - cohort.count(&below(300.0));
    cohort.fact("share A3", kdpredict, "0.13 to 0.15", (0.09, 0.18), a3 / measured);
    cohort.share("diabetes", kdpredict, "0.25 to 0.46", (0.25, 0.48), &|s| s.patient.diabetes);
    cohort.share("cardiovascular disease", kdpredict, "0.24 to 0.47", (0.22, 0.50), &|s| {
        s.patient.cardiovascular_disease
    });
    cohort.share("heart failure", kdpredict, "0.125 to 0.28", (0.10, 0.30), &|s| {
        s.patient.heart_failure
    });
    let (failure, death) = cohort.per_100_years();
    cohort.fact("kidney failure per 100 years", kdpredict, "0.8 to 1.1", (0.6, 1.4), failure);
    cohort.fact("death per 100 years", kdpredict, "10 to 12", (8.5, 13.5), death);
    let kfre = "31 cohorts .88 to .90; United Kingdom .926";
    cohort.auroc(5, kfre, "0.88 to 0.93", (0.84, 0.95), &ckd);
    let alberta = "Alberta, stage 4, mean age 77";
    let g4 = |s: &Subject| (15.0..30.0).contains(&s.egfr);
    let (failure, death) = ((5.0, Event::KidneyFailure), (5.0, Event::Death));
    cohort.by(failure, "G4: kidney failure by 5 years", alberta, [0.18, 0.07], &g4);
    cohort.by(death, "G4: death by 5 years", alberta, [0.53, 0.10], &g4);
    cohort.facts
}

fn referral(mut cohort: Cohort) -> Vec<Fact> {
    let acr = cohort.acr_mean();
    let centre = "KFRE 2016, centre of 31 cohorts";
    cohort.fact("uACR, geometric mean, mg/g", centre, "170", (110.0, 260.0), acr);
    cohort.mean("eGFR", centre, "36.1", (30.0, 42.0), &|s| s.egfr);
    let source = "referred in Japan and Taiwan";
    let stages = [
        ("stage 3", 30.0..60.0, [0.065, 0.035], [0.095, 0.05]),
        ("stage 4", 15.0..30.0, [0.278, 0.08], [0.112, 0.06]),
        ("stage 5", 0.0..15.0, [0.791, 0.10], [0.165, 0.08]),
    ];
    for (stage, range, failed, died) in stages {
        let of_stage = |s: &Subject| range.contains(&s.egfr);
        let what = format!("{stage}: kidney failure by 3 years");
        cohort.by((3.0, Event::KidneyFailure), &what, source, failed, &of_stage);
        let what = format!("{stage}: death by 3 years");
        cohort.by((3.0, Event::Death), &what, source, died, &of_stage);
    }
    let kfre = "KFRE 2011 validation .84, 31 cohorts .88";
    cohort.auroc(5, kfre, "0.84 to 0.90", (0.81, 0.92), &|s| s.egfr < 60.0);
    let stage_3_or_4 = |s: &Subject| (15.0..60.0).contains(&s.egfr);
    let published = "CKD 3 and 4, n = 770";
    let (mean, spread) = cohort.slope(&stage_3_or_4);
    cohort.fact("slope, mean a year", published, "-2.8 (men), -1.7 (women)", (-3.4, -1.2), mean);
    cohort.fact("slope, spread", published, "4.0 (men), 3.2 (women)", (2.2, 4.3), spread);
    let declining = |s: &Subject| s.patient.latent.slope < -1.0;
    let taiwan = "Taiwan, n = 4600";
    cohort.share("losing more than 1 a year", taiwan, "0.624", (0.50, 0.75), &declining);
    let by_stage = "steeper with albuminuria (GCKD)";
    let a1 = |s: &Subject| s.patient.latent.uacr_mg_g < 30.0;
    let a3 = |s: &Subject| 300.0 < s.patient.latent.uacr_mg_g;
    let (slope, _) = cohort.slope(&a1);
    cohort.fact("slope, A1", by_stage, "near -0.5", (-1.2, 0.2), slope);
    let (slope, _) = cohort.slope(&|s| !a1(s) && !a3(s));
    cohort.fact("slope, A2", by_stage, "between", (-2.3, -0.7), slope);
    let (slope, _) = cohort.slope(&a3);
    cohort.fact("slope, A3", by_stage, "-3 to -5", (-5.5, -2.5), slope);
    cohort.facts
}

fn advanced(mut cohort: Cohort) -> Vec<Fact> {
    let salford = "Salford, advanced; EQUAL and SRR .74 to .80";
    let all = |_: &Subject| true;
    cohort.auroc(2, salford, "0.796", (0.72, 0.87), &all);
    cohort.auroc(5, salford, "0.773", (0.72, 0.87), &all);
    let nephrotest = "NephroTest, GFR under 20";
    let low = |s: &Subject| s.egfr < 20.0;
    let codes = [
        (ObservationCode::Haemoglobin, "anaemia (under 11 g/dL)", 0.41, true, 11.0),
        (ObservationCode::Phosphate, "phosphate over 4.5 mg/dL", 0.30, false, 4.5),
        (ObservationCode::Bicarbonate, "acidosis (under 22 mEq/L)", 0.39, true, 22.0),
        (ObservationCode::Potassium, "potassium over 5 mmol/L", 0.42, false, 5.0),
    ];
    for (code, what, target, is_below, limit) in codes {
        let of = |s: &Subject| {
            latest(&s.patient, code).map(|v| if is_below { v < limit } else { limit < v })
        };
        let measured = cohort.count(&|s| low(s) && of(s).is_some());
        let share = cohort.count(&|s| low(s) && of(s) == Some(true)) / measured;
        let bounds = (target - 0.15, target + 0.15);
        cohort.fact(what, nephrotest, &format!("{target:.2}"), bounds, share);
    }
    cohort.facts
}

fn mixed(mut cohort: Cohort) -> Vec<Fact> {
    let prognosis = "CKD-PC 2011";
    let below_45 = |s: &&Subject| s.egfr < 45.0;
    for (event, name, targets) in [
        (
            Event::KidneyFailure,
            "kidney failure",
            [("6.24 (4.84 to 8.05)", 4.4, 8.5), ("3.04 (2.27 to 4.08)", 2.1, 4.1)],
        ),
        (Event::Death, "death", [("1.47", 1.1, 1.9), ("1.40", 1.1, 1.7)]),
    ] {
        let known: Vec<(&Subject, f64)> = cohort
            .subjects
            .iter()
            .filter(below_45)
            .filter_map(|subject| Some((subject, subject.acr?)))
            .collect();
        let rows: Vec<[f64; 4]> = known
            .iter()
            .map(|(s, acr)| {
                let male = f64::from(u8::from(s.patient.sex == shared::patient::Sex::Male));
                [
                    (f64::from(s.patient.age_years) - 70.0) / 10.0,
                    male,
                    (45.0 - s.egfr) / 15.0,
                    (acr / 30.0).ln() / 8_f64.ln(),
                ]
            })
            .collect();
        let outcomes: Vec<Outcome> = known.iter().map(|(s, _)| s.patient.outcome).collect();
        let [_, _, by_egfr, by_acr] = hazard_ratios(&rows, &outcomes, event);
        for (per, (published, low, high), simulated) in [
            ("15 less eGFR under 45", targets[0], by_egfr),
            ("8 times the uACR", targets[1], by_acr),
        ] {
            let what = format!("{name}: hazard ratio per {per}");
            cohort.fact(&what, prognosis, published, (low, high), simulated);
        }
    }
    let kfre = "31 cohorts";
    cohort.auroc(2, kfre, "0.90", (0.88, 0.96), &|s| s.egfr < 60.0);
    cohort.auroc(5, kfre, "0.88", (0.86, 0.94), &|s| s.egfr < 60.0);
    cohort.facts
}

/// The latest value of a code, in its canonical unit.
fn latest(patient: &SimulatedPatient, code: ObservationCode) -> Option<f64> {
    let seen = patient.observations.iter().rev().find(|seen| seen.code == code)?;
    to_canonical(code, seen.value, seen.unit).ok()
}

impl Subject {
    fn new(patient: SimulatedPatient) -> Option<Self> {
        let creatinine = CreatinineMgDl::new(latest(&patient, ObservationCode::Creatinine)?)?;
        let egfr = ckd_epi_2021_creatinine(creatinine, patient.age_years, patient.sex)?.get();
        let from_protein = || {
            let pcr = PcrMgG::new(latest(&patient, ObservationCode::Upcr)?)?;
            let SimulatedPatient { sex, diabetes, hypertension, .. } = &patient;
            Some(acr_from_pcr(pcr, *sex, *diabetes, *hypertension).get())
        };
        let acr = latest(&patient, ObservationCode::Uacr).or_else(from_protein);
        Some(Self { patient, egfr, acr })
    }

    fn kfre(&self, years: u8) -> Option<f64> {
        let (egfr, acr) = (Egfr::new(self.egfr)?, AcrMgG::new(self.acr?)?);
        let SimulatedPatient { age_years, sex, .. } = self.patient;
        let variables = FourVariables::new(age_years, sex, egfr, acr).ok()?;
        let risks = kfre::four(&variables, KfreRegion::NorthAmerica);
        Some(if years == 2 { risks.risk_2y } else { risks.risk_5y })
    }
}

type Of<'a> = &'a dyn Fn(&Subject) -> bool;

impl Cohort {
    fn new(population: Population, name: &'static str, patients: usize, seed: u64) -> Self {
        let spec = CohortSpec { patients, seed, population, futures: 0 };
        let subjects = simulate(&spec).filter_map(Subject::new).collect();
        Self { name, subjects, facts: Vec::new() }
    }

    fn fact(
        &mut self,
        what: &str,
        source: &str,
        published: &str,
        bounds: (f64, f64),
        simulated: f64,
    ) {
        self.facts.push(Fact {
            population: self.name.to_owned(),
            what: what.to_owned(),
            published: format!("{published} ({source})"),
            low: bounds.0,
            high: bounds.1,
            simulated,
        });
    }

    fn count(&self, of: Of<'_>) -> f64 {
        self.subjects.iter().filter(|subject| of(subject)).count() as f64
    }

    fn mean(
        &mut self,
        what: &str,
        source: &str,
        published: &str,
        bounds: (f64, f64),
        value: &dyn Fn(&Subject) -> f64,
    ) {
        let total: f64 = self.subjects.iter().map(value).sum();
        self.fact(what, source, published, bounds, total / self.subjects.len() as f64);
    }

    fn share(&mut self, what: &str, source: &str, published: &str, bounds: (f64, f64), of: Of<'_>) {
        let share = self.count(of) / self.subjects.len() as f64;
        self.fact(what, source, published, bounds, share);
    }

    fn acr_quantile(&self, share: f64) -> f64 {
        let mut values: Vec<f64> = self.subjects.iter().filter_map(|subject| subject.acr).collect();
        values.sort_by(f64::total_cmp);
        values.get((values.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
    }

    fn acr_mean(&self) -> f64 {
        let logs: Vec<f64> =
            self.subjects.iter().filter_map(|subject| subject.acr).map(f64::ln).collect();
        (logs.iter().sum::<f64>() / logs.len() as f64).exp()
    }

    /// Events of kidney failure and of death before it, per 100 years of follow-up.
    fn per_100_years(&self) -> (f64, f64) {
        let years: f64 = self.subjects.iter().map(|s| s.patient.outcome.years).sum();
        let per = |event| self.count(&|s| s.patient.outcome.event == event) / years * 100.0;
        (per(Event::KidneyFailure), per(Event::Death))
    }

    /// Mean and spread of the latent slope.
    fn slope(&self, of: Of<'_>) -> (f64, f64) {
        let slopes: Vec<f64> =
            self.subjects.iter().filter(|s| of(s)).map(|s| s.patient.latent.slope).collect();
        let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
        let variance = slopes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / slopes.len() as f64;
        (mean, variance.sqrt())
    }

    /// KFRE's AUROC among those it speaks of.
    fn auroc(&mut self, years: u8, source: &str, published: &str, bounds: (f64, f64), of: Of<'_>) {
        let known: Vec<(f64, Outcome)> = self
            .subjects
            .iter()
            .filter(|subject| of(subject))
            .filter_map(|subject| Some((subject.kfre(years)?, subject.patient.outcome)))
            .collect();
        let (risks, outcomes): (Vec<f64>, Vec<Outcome>) = known.into_iter().unzip();
        let auroc = auroc(&risks, &label(&outcomes, f64::from(years))).unwrap_or(f64::NAN);
        let what = format!("KFRE, 4 variables: C-statistic at {years} years");
        self.fact(&what, source, published, bounds, auroc);
    }

    /// Share with an event within some years.
    fn by(
        &mut self,
        (years, event): (f64, Event),
        what: &str,
        source: &str,
        [target, within]: [f64; 2],
        of: Of<'_>,
    ) {
        let outcomes: Vec<Outcome> =
            self.subjects.iter().filter(|s| of(s)).map(|s| s.patient.outcome).collect();
        let labels = label(&outcomes, years);
        let total: f64 = labels.iter().map(|labelled| labelled.weight).sum();
        let with_event: f64 = outcomes
            .iter()
            .zip(&labels)
            .filter(|(outcome, _)| outcome.event == event && outcome.years <= years)
            .map(|(_, labelled)| labelled.weight)
            .sum();
        let bounds = (target - within, target + within);
        self.fact(what, source, &format!("{target:.3}"), bounds, with_event / total);
    }
}
