//! Categories as badges: a word or a code always, the colour only beside it.

use leptos::prelude::*;
use shared::prediction::{Kdigo, KdigoRisk, RiskCategory, RiskSource};

use crate::language::t;

/// The class that colours a KDIGO risk.
pub fn kdigo_class(risk: Option<KdigoRisk>) -> &'static str {
    match risk {
        Some(KdigoRisk::Low) => "kdigo kdigo-low",
        Some(KdigoRisk::Moderate) => "kdigo kdigo-moderate",
        Some(KdigoRisk::High) => "kdigo kdigo-high",
        Some(KdigoRisk::VeryHigh) => "kdigo kdigo-very-high",
        None => "kdigo kdigo-unknown",
    }
}

/// A KDIGO risk's name, for people.
pub fn kdigo_risk_label(risk: KdigoRisk) -> &'static str {
    match risk {
        KdigoRisk::Low => t("low risk"),
        KdigoRisk::Moderate => t("moderately increased risk"),
        KdigoRisk::High => t("high risk"),
        KdigoRisk::VeryHigh => t("very high risk"),
    }
}

/// The class that colours a category of predicted risk.
pub const fn category_class(category: RiskCategory) -> &'static str {
    match category {
        RiskCategory::Low => "badge risk-low",
        RiskCategory::Moderate => "badge risk-moderate",
        RiskCategory::High => "badge risk-high",
        RiskCategory::VeryHigh => "badge risk-very-high",
    }
}

/// The name of a voice, for people.
pub fn source_label(source: RiskSource) -> &'static str {
    match source {
        RiskSource::Kfre => "KFRE",
        RiskSource::Network => t("Network"),
    }
}

/// A cell of the KDIGO heat map: `G4 A3`.
#[component]
pub fn KdigoBadge(
    /// The categories.
    kdigo: Kdigo,
) -> impl IntoView {
    let meaning = kdigo.risk.map_or(t("albuminuria unknown"), kdigo_risk_label);
    view! {
        <span class=kdigo_class(kdigo.risk) title=meaning>
            {kdigo.g.label()} " " {kdigo.albuminuria()}
            <span class="visually-hidden">", KDIGO " {meaning}</span>
        </span>
    }
}

/// A category of predicted risk.
#[component]
pub fn RiskBadge(
    /// The category.
    category: RiskCategory,
) -> impl IntoView {
    view! { <span class=category_class(category)>{t(category.label())}</span> }
}
