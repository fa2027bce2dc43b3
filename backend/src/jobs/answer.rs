//! From frozen inputs to whole answers: the published equations and the network, side by side.

use anyhow::{Context, anyhow, ensure};
use model::predictor::{Forecast, Predictor};
use shared::{
    clinical::assessment::assess,
    prediction::{PredictionInputs, PredictionResult},
    problem::FieldProblem,
};

/// The answers to inputs that are in scope, in the same order. It computes for a while: call it
/// off the async threads.
pub fn answers(
    predictor: &Predictor,
    inputs: &[PredictionInputs],
) -> anyhow::Result<Vec<PredictionResult>> {
    let forecasts = predictor.predict(inputs).context("the network does not answer")?;
    ensure!(forecasts.len() == inputs.len(), "the network answered for some inputs only");
    inputs.iter().zip(forecasts).map(|(inputs, forecast)| answer(inputs, forecast)).collect()
}

fn answer(inputs: &PredictionInputs, forecast: Forecast) -> anyhow::Result<PredictionResult> {
    let assessment = assess(inputs, &forecast.risk).map_err(out_of_scope)?;
    let mut contributions = forecast.contributions;
    contributions.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    let result = PredictionResult {
        kfre: assessment.kfre,
        risk: forecast.risk,
        category: assessment.category,
        category_source: assessment.category_source,
        contributions,
        reference_risk_5y: forecast.reference_risk_5y,
        igan: assessment.igan,
        kdigo: assessment.kdigo,
        advice: assessment.advice,
        warnings: assessment.warnings,
    };
    check(&result)?;
    Ok(result)
}

fn out_of_scope(reasons: Vec<FieldProblem>) -> anyhow::Error {
    let reasons: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
    anyhow!("the inputs are out of scope: {}", reasons.join("; "))
}

/// Refuses what is no probability, before it can be stored as an answer.
fn check(result: &PredictionResult) -> anyhow::Result<()> {
    let unit = 0.0..=1.0;
    let years: Vec<u8> = result.risk.iter().map(|risk| risk.year).collect();
    ensure!(years == [1, 2, 3, 4, 5], "the network answered for the years {years:?}");
    for risk in &result.risk {
        let is_sound = [risk.lower, risk.probability, risk.upper].iter().all(|p| unit.contains(p));
        ensure!(is_sound, "the network's risk within {} years is no probability", risk.year);
    }
    if let Some(kfre) = &result.kfre {
        let is_sound = unit.contains(&kfre.risk_2y) && unit.contains(&kfre.risk_5y);
        ensure!(is_sound, "KFRE's risk is no probability");
    }
    ensure!(unit.contains(&result.reference_risk_5y), "the reference risk is no probability");
    let is_finite = result.contributions.iter().all(|contribution| contribution.effect.is_finite());
    ensure!(is_finite, "a contribution is no number");
    Ok(())
}
