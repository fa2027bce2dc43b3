//! KDIGO 2024 classification of chronic kidney disease and its heat map.

use chrono::{Months, NaiveDate};

use super::quantity::{AcrMgG, Egfr, PcrMgG};
use crate::prediction::{ACategory, GCategory, Kdigo, KdigoRisk};

/// The category of an eGFR. It is classified as the whole number that is shown, so that screen
/// and category never disagree: 59.5 is shown as 60 and is G2.
pub fn g_category(egfr: Egfr) -> GCategory {
    match egfr.get().round() {
        90.0.. => GCategory::G1,
        60.0.. => GCategory::G2,
        45.0.. => GCategory::G3a,
        30.0.. => GCategory::G3b,
        15.0.. => GCategory::G4,
        _ => GCategory::G5,
    }
}

/// The first eGFR of each category from G4 up to G1, as rounding divides them.
pub const EGFR_STEPS: [f64; 5] = [14.5, 29.5, 44.5, 59.5, 89.5];

/// The eGFRs of a category: from the first on, below the second, as rounding divides them.
pub const fn egfr_range(category: GCategory) -> (f64, Option<f64>) {
    let [g4, g3b, g3a, g2, g1] = EGFR_STEPS;
    match category {
        GCategory::G1 => (g1, None),
        GCategory::G2 => (g2, Some(g1)),
        GCategory::G3a => (g3a, Some(g2)),
        GCategory::G3b => (g3b, Some(g3a)),
        GCategory::G4 => (g4, Some(g3b)),
        GCategory::G5 => (0.0, Some(g4)),
    }
}

/// The category of a urine ACR, unrounded; exactly 30 and exactly 300 mg/g are A2.
pub const fn a_category(acr: AcrMgG) -> ACategory {
    match acr.get() {
        ..30.0 => ACategory::A1,
        30.0..=300.0 => ACategory::A2,
        _ => ACategory::A3,
    }
}

/// The category where only a urine PCR is known, by KDIGO's equivalents: A2 from 150 to 500 mg/g.
pub const fn a_category_of_pcr(pcr: PcrMgG) -> ACategory {
    match pcr.get() {
        ..150.0 => ACategory::A1,
        150.0..=500.0 => ACategory::A2,
        _ => ACategory::A3,
    }
}

/// The first ACR of each category from the second on, mg/g: exactly 300 is A2 still.
pub const ACR_STEPS: [f64; 2] = [30.0, 300.0_f64.next_up()];
/// The same of a PCR, by KDIGO's equivalents.
pub const PCR_STEPS: [f64; 2] = [150.0, 500.0_f64.next_up()];
/// The ACRs of a category: from the first on, below the second.
pub const fn acr_range(category: ACategory) -> (f64, Option<f64>) {
    range(ACR_STEPS, category)
}

/// The same of a PCR.
pub const fn pcr_range(category: ACategory) -> (f64, Option<f64>) {
    range(PCR_STEPS, category)
}

const fn range([a2, a3]: [f64; 2], category: ACategory) -> (f64, Option<f64>) {
    match category {
        ACategory::A1 => (0.0, Some(a2)),
        ACategory::A2 => (a2, Some(a3)),
        ACategory::A3 => (a3, None),
    }
}

/// What the heat map says to do in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look again next year.
    Screen,
    /// Care by the doctor who has the patient.
    Treat,
    /// The same, and nephrology.
    TreatAndRefer,
}

/// One cell of the heat map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its colour.
    pub risk: KdigoRisk,
    /// How often to monitor, times a year (4 is "4 or more").
    pub monitor_per_year: u8,
    /// What it says to do.
    pub action: Action,
}

/// The heat map (KDIGO 2024, in the ADA 2024 adaptation), rows G1 to G5, columns A1 to A3.
const HEAT_MAP: [[Cell; 3]; 6] = {
    use Action::{Screen, Treat, TreatAndRefer};
    use KdigoRisk::{High, Low, Moderate, VeryHigh};
    const fn cell(risk: KdigoRisk, monitor_per_year: u8, action: Action) -> Cell {
        Cell { risk, monitor_per_year, action }
    }
    [
        [cell(Low, 1, Screen), cell(Moderate, 1, Treat), cell(High, 3, TreatAndRefer)],
        [cell(Low, 1, Screen), cell(Moderate, 1, Treat), cell(High, 3, TreatAndRefer)],
        [cell(Moderate, 1, Treat), cell(High, 2, Treat), cell(VeryHigh, 3, TreatAndRefer)],
        [cell(High, 2, Treat), cell(VeryHigh, 3, TreatAndRefer), cell(VeryHigh, 3, TreatAndRefer)],
        [
            cell(VeryHigh, 3, TreatAndRefer),
            cell(VeryHigh, 3, TreatAndRefer),
            cell(VeryHigh, 4, TreatAndRefer),
        ],
        [
            cell(VeryHigh, 4, TreatAndRefer),
            cell(VeryHigh, 4, TreatAndRefer),
            cell(VeryHigh, 4, TreatAndRefer),
        ],
    ]
};

/// The heat map's cell of two categories.
pub const fn cell(g: GCategory, a: ACategory) -> Cell {
    HEAT_MAP[g as usize][a as usize]
}

/// The day by which eGFR and albuminuria are wanted again, from the days on which they were last
/// measured. Where albuminuria is unknown, by the lowest frequency that the eGFR allows.
pub fn monitoring_due(
    kdigo: Kdigo,
    egfr_on: NaiveDate,
    albuminuria_on: Option<NaiveDate>,
) -> Option<NaiveDate> {
    let times = cell(kdigo.g, kdigo.a.unwrap_or(ACategory::A1)).monitor_per_year;
    let older = albuminuria_on.map_or(egfr_on, |on| on.min(egfr_on));
    older.checked_add_months(Months::new(12 / u32::from(times)))
}

/// The category of an eGFR beside that of albuminuria, where it is known.
pub fn kdigo(egfr: Egfr, a: Option<ACategory>) -> Kdigo {
    let g = g_category(egfr);
    Kdigo { g, a, risk: a.map(|a| cell(g, a).risk), a_from_pcr: false }
}

/// The same from what was measured of albuminuria: the ACR, else the PCR by its equivalents.
pub fn kdigo_of(egfr: Egfr, acr: Option<AcrMgG>, pcr: Option<PcrMgG>) -> Kdigo {
    let a = acr.map(a_category).or(pcr.map(a_category_of_pcr));
    Kdigo { a_from_pcr: acr.is_none() && pcr.is_some(), ..kdigo(egfr, a) }
}
