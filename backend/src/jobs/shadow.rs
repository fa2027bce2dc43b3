//! The shadow: another network on the same frozen inputs, stored apart and never shown.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::Context;
use futures::FutureExt;
use shared::prediction::{PredictionInputs, PredictionResult, RiskCategory};
use sqlx::PgPool;

use super::predict::{Done, compute_together};
use crate::{clock::Clock, db, db::models::ShadowAnswer, models::Release};

/// How long a shadow may keep a worker from its next batch.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the shadow on what has just been answered. It reports nothing to its caller: a shadow that
/// fails, panics or takes too long is written down as failed, and work goes on.
pub async fn run(db: &PgPool, clock: &Clock, shadow: &Release, shown: &str, done: Vec<Done>) {
    if done.is_empty() || shadow.version() == shown {
        return;
    }
    let watched = AssertUnwindSafe(record(db, clock, shadow, shown, &done)).catch_unwind();
    let error = match watched.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it panicked".to_owned(),
    };
    tracing::warn!(version = shadow.version(), error, "the shadow's answers are lost");
}

async fn record(
    db: &PgPool,
    clock: &Clock,
    shadow: &Release,
    shown: &str,
    done: &[Done],
) -> anyhow::Result<()> {
    let inputs: Vec<PredictionInputs> = done.iter().map(|done| done.inputs.clone()).collect();
    let computed = compute_together(shadow, Arc::new(inputs));
    let computed = tokio::time::timeout(PATIENCE, computed).await;
    let results = match computed.context("it took too long").flatten() {
        Ok(results) => results.into_iter().map(Some).collect(),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(version = shadow.version(), error, "the shadow failed");
            vec![None; done.len()]
        }
    };
    let answers: Vec<ShadowAnswer> = done
        .iter()
        .zip(&results)
        .map(|(done, result)| ShadowAnswer {
            prediction_id: done.answer.id,
            shown: headline(&done.answer.result),
            shadow: result.as_ref().map(headline),
        })
        .collect();
    let mut connection = db.acquire().await?;
    let now = clock.now();
    db::models::insert_shadow(&mut connection, shadow.version(), shown, &answers, now).await?;
    Ok(())
}

/// The network's own 2- and 5-year risk, and the category that came of everything.
fn headline(result: &PredictionResult) -> (f64, f64, RiskCategory) {
    let of_year = |year| {
        let risk = result.risk.iter().find(|risk| risk.year == year);
        risk.map_or(0.0, |risk| risk.probability)
    };
    (of_year(2), of_year(5), result.category)
}
