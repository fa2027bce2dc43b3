//! Where a process tells traces.

use clap::Args;
use url::Url;

use crate::telemetry::traces::Traces;

/// Where a process tells traces.
#[derive(Args, Clone, Debug)]
pub struct TracesConfig {
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// `http://127.0.0.1:4318`. Without it, nothing is traced.
    #[arg(long, env = "NEPHROCAST_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<Url>,
    /// The share of traces that is told, from 0 to 1.
    #[arg(long, env = "NEPHROCAST_OTLP_SHARE", default_value_t = 1.0, value_parser = share)]
    pub otlp_share: f64,
}

impl TracesConfig {
    /// Begins to tell traces, if there is somebody to tell them to.
    pub fn start(&self, service: &'static str) -> anyhow::Result<Option<Traces>> {
        let tell = |collector| Traces::to(collector, self.otlp_share, service);
        self.otlp_endpoint.as_ref().map(tell).transpose()
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}
