//! Simulated patients, from published facts (see the model card for each and its source).
//!
//! A patient has a latent course of kidney function, month by month: a slope of their own, slow
//! fluctuation, acute dips, now and then a crash; two things can end it, kidney failure or death.
//! Visits see it irregularly and with noise. The true risk is that of many futures of the same
//! patient. Every patient is drawn from `(seed, index)` alone, so order and threads do not matter.

pub mod check;
mod course;
mod records;

use rand::{Rng, SeedableRng, rngs::StdRng};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use shared::{
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    prediction::BiopsyInput,
    therapy::TherapyKind,
};

use crate::dataset::Outcome;

/// Where the patients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Population {
    /// Half primary care, a third nephrology clinics, the rest early disease and advanced care.
    Mixed,
    /// Primary care: old, mostly G3, little albuminuria.
    PrimaryCare,
    /// Nephrology clinics: younger, more albuminuria.
    Referral,
    /// Advanced kidney care: G4 and G5.
    Advanced,
    /// Early disease: G1 and G2 with a marker of damage.
    Early,
}

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct CohortSpec {
    /// How many patients.
    pub patients: usize,
    /// The seed.
    pub seed: u64,
    /// Where they come from.
    pub population: Population,
    /// How many futures the true risk is counted on; 0 leaves it out.
    pub futures: usize,
}

/// One simulated patient.
#[derive(Clone, Debug)]
pub struct SimulatedPatient {
    /// Completed years of age today.
    pub age_years: u32,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// Diabetes mellitus.
    pub diabetes: bool,
    /// Arterial hypertension.
    pub hypertension: bool,
    /// Cardiovascular disease.
    pub cardiovascular_disease: bool,
    /// Heart failure.
    pub heart_failure: bool,
    /// Smokes now; `None` where nobody asked.
    pub smoker: Option<bool>,
    /// Primary renal disease.
    pub renal_disease: RenalDisease,
    /// Drugs in use, and since how many months.
    pub therapies: Vec<(TherapyKind, f64)>,
    /// A biopsy, and how many months ago.
    pub biopsy: Option<(BiopsyScores, f64)>,
    /// Everything measured, oldest first, in units that laboratories use.
    pub observations: Vec<SimulatedObservation>,
    /// What nobody knows of them, for the check against the published facts.
    pub latent: LatentState,
    /// How the next years went.
    pub outcome: Outcome,
    /// Share of futures with kidney failure within 2 years.
    pub true_risk_2y: f64,
    /// Share of futures with kidney failure within 5 years.
    pub true_risk_5y: f64,
}

/// The truth behind a record.
#[derive(Clone, Copy, Debug)]
pub struct LatentState {
    /// Kidney function today, mL/min/1.73 m².
    pub egfr: f64,
    /// uACR today, mg/g, without the noise of a day.
    pub uacr_mg_g: f64,
    /// Change of kidney function a year, acute injuries apart.
    pub slope: f64,
}

/// MEST-C scores without a date.
#[derive(Clone, Copy, Debug)]
pub struct BiopsyScores {
    /// Mesangial hypercellularity.
    pub m: u8,
    /// Endocapillary hypercellularity.
    pub e: u8,
    /// Segmental sclerosis.
    pub s: u8,
    /// Tubular atrophy and interstitial fibrosis.
    pub t: u8,
    /// Crescents; `None` where not scored.
    pub c: Option<u8>,
}

impl BiopsyScores {
    /// With its date.
    pub const fn on(self, performed_on: chrono::NaiveDate) -> BiopsyInput {
        let Self { m, e, s, t, c } = self;
        BiopsyInput { performed_on, m: Some(m), e: Some(e), s: Some(s), t: Some(t), c }
    }
}

/// One measured value.
#[derive(Clone, Debug)]
pub struct SimulatedObservation {
    /// How long ago, months.
    pub months_before: f64,
    /// What was measured.
    pub code: ObservationCode,
    /// The value, in `unit`.
    pub value: f64,
    /// A unit that laboratories use.
    pub unit: &'static str,
}

/// Patients that are drawn at a time, on all cores.
const CHUNK: usize = 512;

/// The patients of a cohort, in order.
pub fn simulate(spec: &CohortSpec) -> impl Iterator<Item = SimulatedPatient> + use<> {
    let spec = *spec;
    (0..spec.patients).step_by(CHUNK).flat_map(move |start| {
        let chunk = start..spec.patients.min(start + CHUNK);
        chunk.into_par_iter().map(|index| patient(&spec, index)).collect::<Vec<_>>()
    })
}

/// One patient of a cohort.
pub fn patient(spec: &CohortSpec, index: usize) -> SimulatedPatient {
    // SplitMix64's constant spreads neighbouring indices over the whole seed space.
    let mixed = spec.seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut rng = StdRng::seed_from_u64(mixed);
    let latent = course::Latent::draw(&mut rng, spec.population);
    let past = latent.past(&mut rng);
    let observations = records::observe(&latent, &past, &mut rng);
    let now = past.levels.last().copied().unwrap_or(latent.egfr);
    let outcome = latent.future(now, &mut rng).outcome(&mut rng);
    let (mut at_2y, mut at_5y) = (0_usize, 0_usize);
    for _ in 0..spec.futures {
        let end = latent.future(now, &mut rng);
        at_2y += usize::from(end.kidney_failure_by(2.0));
        at_5y += usize::from(end.kidney_failure_by(5.0));
    }
    let share = |count: usize| count as f64 / spec.futures.max(1) as f64;
    records::record(&latent, observations, outcome, (share(at_2y), share(at_5y)), &mut rng)
}

/// A standard normal number (Box–Muller).
fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// Whether something of this probability happens.
fn happens(rng: &mut StdRng, probability: f64) -> bool {
    rng.random::<f64>() < probability
}
