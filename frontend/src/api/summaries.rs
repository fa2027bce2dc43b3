//! Summaries for researchers.

use shared::summary::{CohortSummary, ExportReport, RiskDistribution};

use super::{Call, Result, download, query, request};

/// The parameters of a question: names and values.
pub type Asked = Vec<(&'static str, String)>;

/// The address below `/api/v1` that answers.
pub fn address(of: &str, asked: &Asked) -> String {
    let asked: Vec<_> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
    format!("/summaries/{of}{}", query(&asked))
}

/// Counts and figures of groups.
pub async fn cohort(asked: &Asked) -> Result<CohortSummary> {
    request(Call::get(address("cohort", asked))).await
}

/// Histograms of the 5-year risk.
pub async fn risk(asked: &Asked) -> Result<RiskDistribution> {
    request(Call::get(address("risk-distribution", asked))).await
}

/// What was done to exported rows.
pub async fn report() -> Result<ExportReport> {
    request(Call::get("/summaries/export-report")).await
}

/// Saves all rows as a file.
pub async fn export(format: &'static str) -> Result<()> {
    let call = Call::get(address("export", &vec![("format", format.to_owned())]));
    download(&call, &format!("nephrocast-rows.{format}")).await
}
