//! Whose risk came over a threshold of the guidelines: kept with each finished prediction.

use chrono::{DateTime, Utc};
use shared::{clinical::assessment::is_over, id::PatientId, prediction::Threshold};
use sqlx::PgConnection;
use uuid::Uuid;

/// The risks within 2 and 5 years of a patient's latest prediction and of the one before.
#[derive(Clone, Copy, Debug)]
pub struct RiskChange {
    /// The patient.
    pub patient_id: PatientId,
    /// Before.
    pub before: (f64, f64),
    /// Now.
    pub after: (f64, f64),
}

/// Writes down who crossed a threshold upwards, and takes out who crossed it downwards.
pub async fn keep(
    db: &mut PgConnection,
    changes: &[RiskChange],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (mut over, mut under) = (Vec::new(), Vec::new());
    for change in changes {
        for threshold in Threshold::ALL {
            let is_over = |(risk_2y, risk_5y)| is_over(threshold, risk_2y, risk_5y);
            match (is_over(change.before), is_over(change.after)) {
                (false, true) => over.push((change, threshold)),
                (true, false) => under.push((change, threshold)),
                _ => {}
            }
        }
    }
    insert(db, &over, now).await?;
    delete(db, &under).await
}

async fn insert(
    db: &mut PgConnection,
    crossed: &[(&RiskChange, Threshold)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    if crossed.is_empty() {
        return Ok(());
    }
    let of = |(risk_2y, risk_5y), threshold: Threshold| {
        if threshold.years() == 2 { risk_2y } else { risk_5y }
    };
    let patients: Vec<Uuid> = crossed.iter().map(|(change, _)| change.patient_id.0).collect();
    let thresholds: Vec<Threshold> = crossed.iter().map(|(_, threshold)| *threshold).collect();
    let before: Vec<f64> = crossed.iter().map(|(change, t)| of(change.before, *t)).collect();
    let after: Vec<f64> = crossed.iter().map(|(change, t)| of(change.after, *t)).collect();
    sqlx::query!(
        "insert into threshold_crossings
            (patient_id, threshold, crossed_at, risk_before, risk_after)
        select patient, threshold, $5, before, after
        from unnest($1::uuid[], $2::text[], $3::float8[], $4::float8[])
            as crossed (patient, threshold, before, after)
        on conflict (patient_id, threshold) do update
        set crossed_at = excluded.crossed_at, risk_before = excluded.risk_before,
            risk_after = excluded.risk_after",
        &patients,
        thresholds as _,
        &before,
        &after,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn delete(db: &mut PgConnection, crossed: &[(&RiskChange, Threshold)]) -> sqlx::Result<()> {
    if crossed.is_empty() {
        return Ok(());
    }
    let patients: Vec<Uuid> = crossed.iter().map(|(change, _)| change.patient_id.0).collect();
    let thresholds: Vec<Threshold> = crossed.iter().map(|(_, threshold)| *threshold).collect();
    sqlx::query!(
        "delete from threshold_crossings
        using unnest($1::uuid[], $2::text[]) as crossed (patient, threshold)
        where patient_id = patient and threshold_crossings.threshold = crossed.threshold",
        &patients,
        thresholds as _,
    )
    .execute(db)
    .await?;
    Ok(())
}
