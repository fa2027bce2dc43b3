//! Summaries for researchers.

use shared::{
    privacy::{PrivacyBudgets, PrivateCounts, PrivateQuestion},
    summary::{CohortSummary, ExportReport, ModelPerformance, RiskDistribution},
};

use super::{Call, Result, download, query, request, transport};

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

/// The same by calendar year.
pub async fn trends(asked: &Asked) -> Result<CohortSummary> {
    request(Call::get(address("trends", asked))).await
}

/// How told risks compare with what happened since.
pub async fn performance() -> Result<ModelPerformance> {
    request(Call::get("/summaries/model-performance")).await
}

/// Counts with noise, which cost something.
pub async fn count_privately(question: &PrivateQuestion) -> Result<PrivateCounts> {
    request(Call::post("/summaries/private-counts").json(question)).await
}

/// What private counts may still cost.
pub async fn budgets() -> Result<PrivacyBudgets> {
    request(Call::get("/summaries/privacy-budgets")).await
}

/// Saves figures as a file.
pub fn save_figures(csv: &str) -> Result<()> {
    transport::save_text(csv, "nephrocast-figures.csv").ok_or_else(transport::unreachable_server)
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
