//! Released networks: which one has which role, what the shadow said, what the inputs looked like.

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    id::{PredictionId, UserId},
    model::{DifferenceQuantile, DriftWeek, HorizonComparison, ModelComparison},
    prediction::RiskCategory,
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// A role that a released network can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ModelRole {
    /// It answers.
    Active,
    /// It runs unseen.
    Shadow,
}

/// Which versions were given a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The one that answers; nobody has chosen while it is absent.
    pub active: Option<String>,
    /// The one that runs unseen.
    pub shadow: Option<String>,
}

/// Who has which role now.
pub async fn roles(db: impl PgExecutor<'_>) -> sqlx::Result<Roles> {
    let rows = sqlx::query!(r#"select role as "role: ModelRole", version from model_roles"#)
        .fetch_all(db)
        .await?;
    let mut roles = Roles::default();
    for row in rows {
        match row.role {
            ModelRole::Active => roles.active = Some(row.version),
            ModelRole::Shadow => roles.shadow = Some(row.version),
        }
    }
    Ok(roles)
}

/// Who has which role, nobody else changing it until this transaction ends.
pub async fn roles_for_update(db: &mut PgConnection) -> sqlx::Result<Roles> {
    // There may be no row to lock yet.
    sqlx::query!("lock table model_roles in share row exclusive mode").execute(&mut *db).await?;
    roles(db).await
}

/// Gives a version a role in place of the one that had it.
pub async fn give(
    db: &mut PgConnection,
    role: ModelRole,
    version: &str,
    by: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into model_roles (role, version, chosen_at, chosen_by)
        values ($1, $2, $3, $4)
        on conflict (role) do update
        set version = excluded.version, chosen_at = excluded.chosen_at,
            chosen_by = excluded.chosen_by",
        role as ModelRole,
        version,
        now,
        by as UserId,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the role of shadow from whichever version has it.
pub async fn clear_shadow(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("delete from model_roles where role = 'shadow'").execute(db).await?;
    Ok(())
}

/// What a shadow said beside one shown prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShadowAnswer {
    /// The prediction that was shown.
    pub prediction_id: PredictionId,
    /// The network's 2- and 5-year risk and the category that were shown.
    pub shown: (f64, f64, RiskCategory),
    /// The same of the shadow; `None` when it failed.
    pub shadow: Option<(f64, f64, RiskCategory)>,
}

/// Stores what a shadow said, apart from what is shown.
pub async fn insert_shadow(
    db: &mut PgConnection,
    version: &str,
    shown_version: &str,
    answers: &[ShadowAnswer],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = answers.iter().map(|answer| answer.prediction_id.0).collect();
    let shown_2y: Vec<f64> = answers.iter().map(|answer| answer.shown.0).collect();
    let shown_5y: Vec<f64> = answers.iter().map(|answer| answer.shown.1).collect();
    let shown: Vec<RiskCategory> = answers.iter().map(|answer| answer.shown.2).collect();
    let risk_2y: Vec<Option<f64>> = answers.iter().map(|a| a.shadow.map(|s| s.0)).collect();
    let risk_5y: Vec<Option<f64>> = answers.iter().map(|a| a.shadow.map(|s| s.1)).collect();
    let category: Vec<Option<RiskCategory>> =
        answers.iter().map(|a| a.shadow.map(|s| s.2)).collect();
    sqlx::query!(
        "insert into shadow_predictions
            (model_version, shown_version, made_at, prediction_id, shown_risk_2y, shown_risk_5y,
             shown_category, risk_2y, risk_5y, category)
        select $1, $2, $3, answers.*
        from unnest($4::uuid[], $5::float8[], $6::float8[], $7::text[], $8::float8[],
            $9::float8[], $10::text[]) as answers
        on conflict (model_version, prediction_id) do nothing",
        version,
        shown_version,
        now,
        &ids,
        &shown_2y,
        &shown_5y,
        shown as _,
        risk_2y as _,
        risk_5y as _,
        category as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The quantiles of the differences that a comparison shows.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Shadow beside shown, over a window of time.
pub async fn compare(
    db: impl PgExecutor<'_>,
    version: &str,
    against: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<ModelComparison> {
    let found = sqlx::query!(
        r#"select count(category) as "both!", count(*) - count(category) as "failed!",
            avg((category <> shown_category)::integer)::float8 as category_change,
            avg(shown_risk_2y) filter (where category is not null) as shown_2y,
            avg(risk_2y) as risk_2y,
            corr(shown_risk_2y, risk_2y) as correlation_2y,
            percentile_cont($5::float8[]) within group (order by risk_2y - shown_risk_2y)
                as "quantiles_2y: Vec<Option<f64>>",
            avg(shown_risk_5y) filter (where category is not null) as shown_5y,
            avg(risk_5y) as risk_5y,
            corr(shown_risk_5y, risk_5y) as correlation_5y,
            percentile_cont($5::float8[]) within group (order by risk_5y - shown_risk_5y)
                as "quantiles_5y: Vec<Option<f64>>"
        from shadow_predictions
        where model_version = $1 and shown_version = $2 and $3 <= made_at and made_at < $4"#,
        version,
        against,
        from,
        to,
        &QUANTILES[..],
    )
    .fetch_one(db)
    .await?;
    let horizon = |years, shown: Option<f64>, shadow: Option<f64>, correlation, quantiles| {
        HorizonComparison {
            years,
            mean_shown: shown,
            mean_shadow: shadow,
            mean_difference: shown.zip(shadow).map(|(shown, shadow)| shadow - shown),
            correlation,
            quantiles: differences(quantiles),
        }
    };
    Ok(ModelComparison {
        version: version.to_owned(),
        against: against.to_owned(),
        from,
        to,
        predictions: found.both,
        failures: found.failed,
        category_change: found.category_change,
        horizons: vec![
            horizon(2, found.shown_2y, found.risk_2y, found.correlation_2y, found.quantiles_2y),
            horizon(5, found.shown_5y, found.risk_5y, found.correlation_5y, found.quantiles_5y),
        ],
    })
}

fn differences(quantiles: Option<Vec<Option<f64>>>) -> Vec<DifferenceQuantile> {
    let pairs = QUANTILES.into_iter().zip(quantiles.unwrap_or_default());
    pairs
        .filter_map(|(share, difference)| {
            Some(DifferenceQuantile { share, difference: difference? })
        })
        .collect()
}

/// Adds the inputs of predictions, counted into the bins of a reference distribution, to a week.
pub async fn count_inputs(
    db: &mut PgConnection,
    version: &str,
    reference: &[u8],
    week: NaiveDate,
    predictions: i64,
    counts: &[i64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into model_input_weeks (model_version, reference, week, predictions, counts)
        values ($1, $2, $3, $4, $5)
        on conflict (model_version, reference, week) do update
        set predictions = model_input_weeks.predictions + excluded.predictions,
            counts = (
                select array_agg(had + new order by place)
                from unnest(model_input_weeks.counts, excluded.counts) with ordinality
                    as bins (had, new, place)
            )",
        version,
        reference,
        week,
        predictions,
        counts,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A week's predictions and the counts of their inputs.
#[derive(Clone, Debug)]
pub struct CountedWeek {
    /// The week.
    pub week: DriftWeek,
    /// The counts, in the order of the reference distribution's bins.
    pub counts: Vec<i64>,
}

/// The weeks since one, oldest first; those without predictions are left out.
pub async fn input_weeks(
    db: impl PgExecutor<'_>,
    version: &str,
    reference: &[u8],
    since: NaiveDate,
) -> sqlx::Result<Vec<CountedWeek>> {
    let rows = sqlx::query!(
        "select week, predictions, counts
        from model_input_weeks
        where model_version = $1 and reference = $2 and $3 <= week
        order by week",
        version,
        reference,
        since,
    )
    .fetch_all(db)
    .await?;
    let week = |starts_on, predictions| DriftWeek { starts_on, predictions };
    let counted = rows
        .into_iter()
        .map(|row| CountedWeek { week: week(row.week, row.predictions), counts: row.counts });
    Ok(counted.collect())
}
