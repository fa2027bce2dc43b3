//! Demo data: four accounts with a well-known password and two hundred fictional patients, made
//! by the same simulator as `model simulate`, with predictions computed as a worker does.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use model::cohort::{self, CohortSpec, Population, SimulatedPatient};
use serde_json::json;
use shared::{
    access::Role,
    biopsy::Biopsy,
    clinical::{self, Plausibility, egfr::ckd_epi_2021_creatinine, quantity::CreatinineMgDl},
    id::{BiopsyId, ObservationId, PatientId, PredictionId, TherapyId, UserId},
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
    patient::Patient,
    prediction::KfreRegion,
    therapy::Therapy,
    user::User,
};
use sqlx::{PgConnection, PgPool};

use crate::{
    auth::password,
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event},
        predictions::{Priority, Requested},
    },
    derived,
    jobs::{
        predict::{Engine, LEASE},
        summarise,
    },
    models::Releases,
};

/// Why seeding is refused outside demo mode.
pub const DEMO_ONLY: &str =
    "the demo accounts have a well-known password: set NEPHROCAST_DEMO=true to make them";
/// The demo accounts' password.
const PASSWORD: &str = "nephrocast-demo";
/// How many patients.
const PATIENTS: usize = 200;
/// The seed of the demo's cohort; not the one that the network was trained on.
const SEED: u64 = 20_000;
/// The shortest history of a demo patient, months.
const SHORTEST: f64 = 24.0;

/// The demo's accounts.
const ACCOUNTS: [(&str, &str, Role); 4] = [
    ("admin@example.org", "Demo Administrator", Role::Administrator),
    ("clinician@example.org", "Demo Clinician", Role::Clinician),
    ("researcher@example.org", "Demo Researcher", Role::Researcher),
    ("patient@example.org", "Demo Patient", Role::Patient),
];

/// Names that nobody bears: given names of stars, family names of instruments and tests.
const GIVEN_FEMALE: [&str; 20] = [
    "Adhara",
    "Alcyone",
    "Bellatrix",
    "Capella",
    "Carina",
    "Celaeno",
    "Electra",
    "Errai",
    "Gemma",
    "Izar",
    "Lesath",
    "Maia",
    "Merope",
    "Mira",
    "Nashira",
    "Polaris",
    "Spica",
    "Talitha",
    "Vega",
    "Zaniah",
];
const GIVEN_MALE: [&str; 20] = [
    "Achernar",
    "Albireo",
    "Aldebaran",
    "Algol",
    "Altair",
    "Antares",
    "Arcturus",
    "Atlas",
    "Canopus",
    "Castor",
    "Deneb",
    "Fomalhaut",
    "Hamal",
    "Mizar",
    "Phact",
    "Pollux",
    "Procyon",
    "Rigel",
    "Sirius",
    "Thuban",
];
const FAMILY: [&str; 20] = [
    "Beakerley",
    "Burettson",
    "Centrifugo",
    "Cuvetta",
    "Demopoulou",
    "Dipstickson",
    "Examplová",
    "Fictional",
    "Filterman",
    "Glomerulus",
    "Madeupson",
    "Mockingham",
    "Nephronova",
    "Pipettini",
    "Placeholder",
    "Refractos",
    "Sampleton",
    "Testarossa",
    "Titrator",
    "Vialette",
];

/// Fills an empty database; one that holds accounts already is left as it is.
pub async fn run(db: &PgPool, clock: &Clock, releases: Arc<Releases>) -> anyhow::Result<()> {
    let mut tx = db.begin().await?;
    if db::users::any(&mut *tx).await? {
        tracing::info!("the database holds accounts already; nothing is added");
        return Ok(());
    }
    let now = clock.now();
    let clinician = UserId(clock.new_id());
    let hash = password::hash(PASSWORD.as_bytes())?;
    let region = show_risk(&mut tx, now).await?;
    let mut linked = None;
    for (number, simulated) in storied().take(PATIENTS).enumerate() {
        let record = Record { number, simulated, clinician, now, clock };
        // The patient's account is linked to the first in moderate disease: a story to read.
        let is_linked = linked.is_none() && record.is_moderate();
        if number == 0 {
            add_account(&mut tx, clinician, ACCOUNTS[1], None, &hash, now).await?;
        }
        let id = record.add(&mut tx, is_linked).await?;
        if is_linked {
            linked = Some(id);
        }
        request(&mut tx, &record, id, region).await?;
    }
    for account in [ACCOUNTS[0], ACCOUNTS[2], ACCOUNTS[3]] {
        let patient = linked.filter(|_| account.2 == Role::Patient);
        add_account(&mut tx, UserId(clock.new_id()), account, patient, &hash, now).await?;
    }
    tx.commit().await?;
    let done = Engine::new(db.clone(), clock.clone(), releases, LEASE).drain().await?;
    summarise::publish(db, clock).await?;
    tracing::info!(patients = PATIENTS, predictions = done, "demo data added");
    Ok(())
}

/// Simulated patients with a history of two years or more.
fn storied() -> impl Iterator<Item = SimulatedPatient> {
    let spec =
        CohortSpec { patients: usize::MAX, seed: SEED, population: Population::Mixed, futures: 0 };
    cohort::simulate(&spec).filter(|patient| {
        patient.observations.first().is_some_and(|first| SHORTEST <= first.months_before)
    })
}

/// The demo's patient sees their risk, so that there is something to see; the site's region.
async fn show_risk(tx: &mut PgConnection, now: DateTime<Utc>) -> anyhow::Result<KfreRegion> {
    let mut settings = db::settings::read_for_update(tx).await?;
    settings.version += 1;
    settings.patients_see_risk = true;
    db::settings::update(tx, &settings).await?;
    let changed = json!({ "patients_see_risk": { "from": false, "to": true } });
    let details = json!({ "demo": true, "changed": changed });
    let event = Event::new("settings.update").details(details);
    db::audit::record(tx, &Actor::default(), event, now).await?;
    Ok(settings.kfre_region)
}

async fn add_account(
    tx: &mut PgConnection,
    id: UserId,
    (email, display_name, role): (&str, &str, Role),
    patient_id: Option<PatientId>,
    hash: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let user = User {
        id,
        email: email.to_owned(),
        display_name: display_name.to_owned(),
        role,
        patient_id,
    };
    anyhow::ensure!(db::users::insert(tx, &user, hash, now).await?, "{email} is there already");
    let event = Event::new("user.create").object(id.0).details(json!({ "demo": true }));
    db::audit::record(tx, &Actor::default(), event, now).await?;
    Ok(())
}

/// Asks for a prediction, as the demo clinician; a worker's engine answers it.
async fn request(
    tx: &mut PgConnection,
    record: &Record<'_>,
    id: PatientId,
    region: KfreRegion,
) -> anyhow::Result<()> {
    let Some(patient) = db::patients::find(&mut *tx, id).await? else { return Ok(()) };
    let frozen = db::prediction_inputs::freeze(tx, &[patient], region, record.now).await?;
    let Some(inputs) = frozen.into_iter().next() else { return Ok(()) };
    if !clinical::assessment::missing_or_out_of_scope(&inputs).is_empty() {
        return Ok(());
    }
    let prediction = PredictionId(record.clock.new_id());
    let now = record.now;
    let requested = Requested {
        id: prediction,
        patient_id: id,
        requested_by: record.clinician,
        inputs,
        traceparent: None,
    };
    db::predictions::insert_many(tx, &[requested], Priority::Single, now).await?;
    let event = Event::new("prediction.request").object(prediction.0).patient(id);
    db::audit::record(tx, &record.actor(), event, now).await?;
    Ok(())
}

/// One fictional patient's record.
struct Record<'a> {
    number: usize,
    simulated: SimulatedPatient,
    clinician: UserId,
    now: DateTime<Utc>,
    clock: &'a Clock,
}

impl Record<'_> {
    fn actor(&self) -> Actor {
        Actor { user_id: Some(self.clinician), role: Some(Role::Clinician), ..Actor::default() }
    }

    fn is_moderate(&self) -> bool {
        let is_egfr = |code| code == ObservationCode::Creatinine;
        let latest = self.simulated.observations.iter().rev().find(|seen| is_egfr(seen.code));
        let egfr = latest.and_then(|seen| {
            let mg_dl = clinical::to_canonical(seen.code, seen.value, seen.unit).ok()?;
            let creatinine = CreatinineMgDl::new(mg_dl)?;
            ckd_epi_2021_creatinine(creatinine, self.simulated.age_years, self.simulated.sex)
        });
        egfr.is_some_and(|egfr| (28.0..38.0).contains(&egfr.get()))
    }

    async fn add(&self, tx: &mut PgConnection, own_access: bool) -> anyhow::Result<PatientId> {
        let patient = self.patient(own_access)?;
        let id = patient.id;
        db::patients::insert(tx, &patient).await?;
        db::care_teams::insert(tx, id, self.clinician, Some(self.clinician), self.now).await?;
        let event = Event::new("patient.create").object(id.0).patient(id);
        db::audit::record(tx, &self.actor(), event.details(json!({ "demo": true })), self.now)
            .await?;
        let observations = self.observations(&patient)?;
        db::observations::insert_many(tx, &observations).await?;
        db::worklist::refresh(tx, &[id], Some(self.now)).await?;
        for (kind, months) in &self.simulated.therapies {
            let therapy = Therapy {
                id: TherapyId(self.clock.new_id()),
                version: 1,
                patient_id: id,
                kind: *kind,
                started_on: self.ago(*months).date_naive(),
                ended_on: None,
                note: None,
                created_at: self.now,
            };
            db::therapies::insert(tx, &therapy).await?;
        }
        if let Some((scores, months)) = &self.simulated.biopsy {
            let biopsy = Biopsy {
                id: BiopsyId(self.clock.new_id()),
                version: 1,
                patient_id: id,
                performed_on: self.ago(*months).date_naive(),
                diagnosis: "IgA nephropathy (fictional)".to_owned(),
                m: Some(scores.m),
                e: Some(scores.e),
                s: Some(scores.s),
                t: Some(scores.t),
                c: scores.c,
                created_at: self.now,
            };
            db::biopsies::insert(tx, &biopsy).await?;
        }
        Ok(id)
    }

    fn patient(&self, own_access: bool) -> anyhow::Result<Patient> {
        let SimulatedPatient { age_years, sex, .. } = self.simulated;
        let given = match sex {
            shared::patient::Sex::Female => GIVEN_FEMALE,
            shared::patient::Sex::Male => GIVEN_MALE,
        };
        // 20 × 20 pairs, all different: the family name moves on with each round of given names.
        let (round, place) = (self.number / 20, self.number % 20);
        Ok(Patient {
            id: PatientId(self.clock.new_id()),
            version: 1,
            mrn: format!("DEMO-{:04}", self.number + 1),
            given_name: given[place].to_owned(),
            family_name: FAMILY[(place * 7 + round) % 20].to_owned(),
            birth_date: birth_date(self.now.date_naive(), age_years, self.number)?,
            sex,
            diabetes: Some(self.simulated.diabetes),
            hypertension: Some(self.simulated.hypertension),
            cardiovascular_disease: Some(self.simulated.cardiovascular_disease),
            heart_failure: Some(self.simulated.heart_failure),
            smoker: self.simulated.smoker,
            renal_disease: self.simulated.renal_disease,
            own_access,
            archived_at: None,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    fn ago(&self, months: f64) -> DateTime<Utc> {
        self.now - TimeDelta::seconds((months * 30.4375 * 86_400.0) as i64)
    }

    /// Minutes after midnight at which the patient's samples are taken: from 7:00 to 9:40.
    const fn morning_minutes(&self) -> i64 {
        const TIMES: [i64; 9] = [420, 440, 460, 480, 500, 520, 540, 560, 580];
        TIMES[self.number % TIMES.len()]
    }

    /// Everything measured, each creatinine with its eGFR; all of one visit at one morning hour.
    fn observations(&self, patient: &Patient) -> anyhow::Result<Vec<Observation>> {
        let mut observations = Vec::new();
        for seen in &self.simulated.observations {
            let day = self.ago(seen.months_before).with_time(NaiveTime::MIN).single();
            let morning = day.unwrap_or(self.now) + TimeDelta::minutes(self.morning_minutes());
            // Today's visit was not in the future.
            let effective_at = morning.min(self.now.with_nanosecond(0).unwrap_or(self.now));
            let value = clinical::to_canonical(seen.code, seen.value, seen.unit)?;
            if matches!(clinical::plausibility(seen.code, value), Plausibility::Implausible { .. })
            {
                continue;
            }
            let observation = Observation {
                id: ObservationId(self.clock.new_id()),
                patient_id: patient.id,
                code: seen.code,
                value,
                unit: seen.code.canonical_unit().to_owned(),
                value_as_given: seen.value,
                unit_as_given: seen.unit.to_owned(),
                effective_at,
                method: ObservationMethod::Reported,
                derived_from: None,
                supersedes: None,
                status: ObservationStatus::Final,
                status_reason: None,
                warning: derived::warning(seen.code, value),
                note: None,
                recorded_by: self.clinician,
                recorded_at: self.now,
            };
            let id = ObservationId(self.clock.new_id());
            let computed = derived::egfr(&observation, patient.birth_date, patient.sex, id);
            observations.push(observation);
            observations.extend(computed);
        }
        Ok(observations)
    }
}

/// A day that makes the patient so old today; which one, the number says.
fn birth_date(today: NaiveDate, age_years: u32, number: usize) -> anyhow::Result<NaiveDate> {
    let birthday = today
        .checked_sub_months(chrono::Months::new(12 * age_years))
        .and_then(|day| day.checked_sub_days(Days::new((number * 37 % 364) as u64)));
    birthday.ok_or_else(|| anyhow::anyhow!("{age_years} years before {today} is no day"))
}
