//! What predictions rest on: everything on the records that counts, frozen when they are asked for.

use std::collections::HashMap;

use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Serialize, Serializer};
use shared::{
    clinical,
    id::PatientId,
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    patient::{Patient, RenalDisease, Sex},
    prediction::{BiopsyInput, InputValue, KfreRegion, PredictionInputs},
    therapy::TherapyKind,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// How many years of values a prediction rests on.
const YEARS: u32 = 5;
/// The most values it rests on; the newest count.
const MOST_VALUES: i64 = 4000;

/// Everything that predictions of these patients rest on, as their records stand in this
/// transaction; in the order of the patients.
pub async fn freeze(
    db: &mut PgConnection,
    patients: &[Patient],
    region: KfreRegion,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<PredictionInputs>> {
    let ids: Vec<Uuid> = patients.iter().map(|patient| patient.id.0).collect();
    let as_of = now.date_naive();
    let mut found = on_record(db, &ids, now).await?;
    let frozen = patients.iter().map(|patient| {
        let OnRecord { therapies, biopsy, outcomes, values } =
            found.remove(&patient.id).unwrap_or_default();
        PredictionInputs {
            as_of,
            age_years: clinical::age_on(patient.birth_date, as_of).unwrap_or(0),
            sex: patient.sex,
            diabetes: patient.diabetes,
            hypertension: patient.hypertension,
            cardiovascular_disease: patient.cardiovascular_disease,
            heart_failure: patient.heart_failure,
            smoker: patient.smoker,
            renal_disease: patient.renal_disease,
            region,
            therapies,
            biopsy,
            outcomes,
            values,
        }
    });
    Ok(frozen.collect())
}

/// What counts of everything that is recorded about a patient.
#[derive(Debug, Default)]
struct OnRecord {
    therapies: Vec<TherapyKind>,
    biopsy: Option<BiopsyInput>,
    outcomes: Vec<OutcomeKind>,
    values: Vec<InputValue>,
}

async fn on_record(
    db: &mut PgConnection,
    patients: &[Uuid],
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<PatientId, OnRecord>> {
    let since = now.checked_sub_months(Months::new(12 * YEARS)).unwrap_or(now);
    let found = sqlx::query!(
        r#"select patient as "patient!: PatientId",
            coalesce(therapies.kinds, '{}') as "therapies!: Vec<TherapyKind>",
            performed_on as "performed_on?", m as "m?", e as "e?", s as "s?", t as "t?", c as "c?",
            coalesce(outcomes.kinds, '{}') as "outcomes!: Vec<OutcomeKind>",
            codes as "codes!: Vec<ObservationCode>", numbers as "numbers!", units as "units!",
            times as "times!", methods as "methods!: Vec<ObservationMethod>"
        from unnest($1::uuid[]) as patient
        left join (
            select patient_id, array_agg(distinct kind order by kind) as kinds
            from therapies
            where patient_id = any($1) and deleted_at is null
                and started_on <= $2 and (ended_on is null or $2 <= ended_on)
            group by patient_id
        ) as therapies on therapies.patient_id = patient
        left join (
            select distinct on (patient_id) patient_id, performed_on, m, e, s, t, c
            from biopsies
            where patient_id = any($1) and deleted_at is null and performed_on <= $2
            order by patient_id, performed_on desc, created_at desc
        ) as biopsies on biopsies.patient_id = patient
        left join (
            select patient_id, array_agg(distinct kind order by kind) as kinds
            from outcomes
            where patient_id = any($1) and occurred_on <= $2
            group by patient_id
        ) as outcomes on outcomes.patient_id = patient
        cross join lateral (
            select coalesce(array_agg(code), '{}') as codes,
                coalesce(array_agg(value), '{}') as numbers,
                coalesce(array_agg(unit), '{}') as units,
                coalesce(array_agg(effective_at), '{}') as times,
                coalesce(array_agg(method), '{}') as methods
            from (
                select code, value, unit, effective_at, method
                from observations
                where patient_id = patient and status = 'final'
                    and $3 <= effective_at and effective_at <= $4
                order by effective_at desc, id desc
                limit $5
            ) as newest
        ) as together"#,
        patients,
        now.date_naive(),
        since,
        now,
        MOST_VALUES,
    )
    .fetch_all(db)
    .await?;
    // The table's checks keep every score between 0 and 2.
    let score = |score: Option<i16>| score.and_then(|score| u8::try_from(score).ok());
    let records = found.into_iter().map(|row| {
        let whens = row.times.into_iter().zip(row.methods);
        let values = row.codes.into_iter().zip(row.numbers).zip(row.units).zip(whens);
        // They come from the newest on.
        let values = values.rev().map(|(((code, value), unit), (effective_at, method))| {
            InputValue { code, value, unit, effective_at, method }
        });
        let biopsy = row.performed_on.map(|performed_on| BiopsyInput {
            performed_on,
            m: score(row.m),
            e: score(row.e),
            s: score(row.s),
            t: score(row.t),
            c: score(row.c),
        });
        let (therapies, outcomes) = (row.therapies, row.outcomes);
        (row.patient, OnRecord { therapies, biopsy, outcomes, values: values.collect() })
    });
    Ok(records.collect())
}

/// Inputs as they are stored: a value is a row without the names of its fields, which would be more than a third of
/// what PostgreSQL has to read of them. Either is read as [`PredictionInputs`], so older predictions need no change, and
/// the release before reads newer ones. A field of a value may only be added as the last one, and with a default.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a>(pub &'a PredictionInputs);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields::serialize(self.0, serializer)
    }
}

/// Those of [`PredictionInputs`], all of them.
#[derive(Serialize)]
#[serde(remote = "PredictionInputs")]
struct Fields {
    as_of: NaiveDate,
    age_years: u32,
    sex: Sex,
    diabetes: Option<bool>,
    hypertension: Option<bool>,
    cardiovascular_disease: Option<bool>,
    heart_failure: Option<bool>,
    smoker: Option<bool>,
    renal_disease: RenalDisease,
    region: KfreRegion,
    therapies: Vec<TherapyKind>,
    biopsy: Option<BiopsyInput>,
    outcomes: Vec<OutcomeKind>,
    #[serde(serialize_with = "as_rows")]
    values: Vec<InputValue>,
}

fn as_rows<S: Serializer>(values: &[InputValue], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(
        |InputValue { code, value, unit, effective_at, method }| {
            (code, value, unit, effective_at, method)
        },
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_stored_is_read_as_what_it_was() {
        let value = |code, number, unit, at| {
            json!({ "code": code, "value": number, "unit": unit, "effective_at": at,
                "method": "reported" })
        };
        let inputs = json!({
            "as_of": "2026-06-01", "age_years": 60, "sex": "female", "diabetes": true,
            "hypertension": false, "cardiovascular_disease": null, "heart_failure": true,
            "smoker": false, "renal_disease": "glomerular", "region": "united_kingdom",
            "therapies": ["mra", "ras_inhibitor"],
            "biopsy": { "performed_on": "2025-01-01", "m": 1, "e": null, "s": 0, "t": 2,
                "c": null },
            "outcomes": ["dialysis"],
            "values": [
                value("potassium", 4.9, "mmol/L", "2026-05-30T12:00:00.123456Z"),
                value("egfr", 28.000_000_000_000_004, "mL/min/{1.73_m2}", "2026-05-31T00:00:00Z"),
            ],
        });
        let inputs: PredictionInputs = serde_json::from_value(inputs).unwrap();
        let stored = serde_json::to_string(&Stored(&inputs)).unwrap();
        assert_eq!(serde_json::from_str::<PredictionInputs>(&stored).unwrap(), inputs);
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let row = json!(["potassium", 4.9, "mmol/L", "2026-05-30T12:00:00.123456Z", "reported"]);
        assert_eq!(stored["values"][0], row);
        // Whatever else there is has its name, as in what is answered, and nothing is left out.
        let mut answered = serde_json::to_value(&inputs).unwrap();
        answered["values"] = stored["values"].clone();
        assert_eq!(answered, stored);
    }
}
