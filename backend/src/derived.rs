//! Values computed from other values: eGFR by CKD-EPI 2021 from each creatinine of an adult.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    clinical::{
        Plausibility, age_on, egfr::ckd_epi_2021_creatinine, plausibility, quantity::CreatinineMgDl,
    },
    id::{ObservationId, UserId},
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
    patient::{Patient, Sex},
};
use sqlx::{PgConnection, PgPool};

use crate::{clock::Clock, db};

/// The eGFR that a creatinine gives by CKD-EPI 2021 (Inker et al., N Engl J Med
/// 2021;385:1737); `None` for another quantity, and before the patient's 18th birthday.
pub fn egfr(
    from: &Observation,
    birth_date: NaiveDate,
    sex: Sex,
    id: ObservationId,
) -> Option<Observation> {
    let creatinine: CreatinineMgDl = from.quantity()?;
    let age = age_on(birth_date, from.effective_at.date_naive())?;
    let value = ckd_epi_2021_creatinine(creatinine, age, sex)?.get();
    let unit = ObservationCode::Egfr.canonical_unit().to_owned();
    Some(Observation {
        id,
        patient_id: from.patient_id,
        code: ObservationCode::Egfr,
        value,
        unit: unit.clone(),
        value_as_given: value,
        unit_as_given: unit,
        effective_at: from.effective_at,
        method: ObservationMethod::CkdEpi2021Creatinine,
        derived_from: Some(from.id),
        supersedes: None,
        status: ObservationStatus::Final,
        status_reason: None,
        warning: warning(ObservationCode::Egfr, value),
        note: None,
        recorded_by: from.recorded_by,
        recorded_at: from.recorded_at,
    })
}

/// Why a value that is kept deserves a second look, if it does.
pub fn warning(code: ObservationCode, value: f64) -> Option<String> {
    match plausibility(code, value) {
        Plausibility::Plausible => None,
        unusual => Some(unusual.to_string()),
    }
}

/// How many records are caught up with in one transaction.
const AT_ONCE: i64 = 1000;

/// Works out what follows from the values of records for which nobody has yet: those from before
/// the columns that keep it.
pub async fn catch_up(db: &PgPool) -> sqlx::Result<()> {
    let mut last = None;
    loop {
        let mut tx = db.begin().await?;
        let ids = db::worklist::lock_underived(&mut tx, last, AT_ONCE).await?;
        let Some(id) = ids.last() else { return Ok(()) };
        last = Some(*id);
        db::worklist::refresh(&mut tx, &ids, None).await?;
        tx.commit().await?;
    }
}

/// Computes every eGFR of the record anew, for another date of birth or another sex. What changes
/// becomes `corrected`, with a new row in its place; a computed value that somebody voided stays
/// voided. Answers how many changed.
pub async fn recompute(
    db: &mut PgConnection,
    patient: &Patient,
    reason: &str,
    by: UserId,
    clock: &Clock,
) -> sqlx::Result<usize> {
    let now: DateTime<Utc> = clock.now();
    let creatinines = db::observations::creatinines(&mut *db, patient.id).await?;
    let computed = db::observations::computed(&mut *db, patient.id).await?;
    let before: HashMap<_, _> =
        computed.iter().filter_map(|value| Some((value.derived_from?, value))).collect();
    let (mut outdated, mut new) = (Vec::new(), Vec::new());
    let mut changed = 0;
    for creatinine in &creatinines {
        let old = before.get(&creatinine.id);
        if old.is_some_and(|old| old.status == ObservationStatus::Voided) {
            continue;
        }
        let id = ObservationId(clock.new_id());
        let fresh = egfr(creatinine, patient.birth_date, patient.sex, id);
        if old.map(|old| old.value) == fresh.as_ref().map(|fresh| fresh.value) {
            continue;
        }
        changed += 1;
        outdated.extend(old.map(|old| old.id));
        new.extend(fresh.map(|fresh| Observation {
            supersedes: old.map(|old| old.id),
            recorded_by: by,
            recorded_at: now,
            ..fresh
        }));
    }
    db::observations::mark(db, &outdated, ObservationStatus::Corrected, reason).await?;
    db::observations::insert_many(db, &new).await?;
    db::worklist::refresh(db, &[patient.id], Some(now)).await?;
    Ok(changed)
}
