//! KDIGO 2024 classification of chronic kidney disease and its heat map.

use crate::prediction::{ACategory, GCategory, Kdigo, KdigoRisk};

/// The category of an eGFR in mL/min/1.73 m². It is classified as the whole number that is shown,
/// so that screen and category never disagree.
pub fn g_category(egfr: f64) -> GCategory {
    match egfr.round() {
        90.0.. => GCategory::G1,
        60.0.. => GCategory::G2,
        45.0.. => GCategory::G3a,
        30.0.. => GCategory::G3b,
        15.0.. => GCategory::G4,
        _ => GCategory::G5,
    }
}

/// The category of a urine ACR in mg/g; exactly 30 and exactly 300 are A2.
pub fn a_category(acr_mg_g: f64) -> ACategory {
    if acr_mg_g < 30.0 {
        ACategory::A1
    } else if acr_mg_g <= 300.0 {
        ACategory::A2
    } else {
        ACategory::A3
    }
}

/// One cell of the heat map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its colour.
    pub risk: KdigoRisk,
    /// How often to monitor, times a year (4 is "4 or more").
    pub monitor_per_year: u8,
    /// Whether the figure says to refer.
    pub refer: bool,
}

/// The heat map (KDIGO 2024, in the ADA 2024 adaptation), rows G1 to G5, columns A1 to A3.
const HEAT_MAP: [[Cell; 3]; 6] = {
    use KdigoRisk::{High, Low, Moderate, VeryHigh};
    const fn cell(risk: KdigoRisk, monitor_per_year: u8, refer: bool) -> Cell {
        Cell { risk, monitor_per_year, refer }
    }
    [
        [cell(Low, 1, false), cell(Moderate, 1, false), cell(High, 3, true)],
        [cell(Low, 1, false), cell(Moderate, 1, false), cell(High, 3, true)],
        [cell(Moderate, 1, false), cell(High, 2, false), cell(VeryHigh, 3, true)],
        [cell(High, 2, false), cell(VeryHigh, 3, true), cell(VeryHigh, 3, true)],
        [cell(VeryHigh, 3, true), cell(VeryHigh, 3, true), cell(VeryHigh, 4, true)],
        [cell(VeryHigh, 4, true), cell(VeryHigh, 4, true), cell(VeryHigh, 4, true)],
    ]
};

/// The heat map's cell of two categories.
pub const fn cell(g: GCategory, a: ACategory) -> Cell {
    HEAT_MAP[g as usize][a as usize]
}

/// The categories of an eGFR and, where it is known, a urine ACR in mg/g.
pub fn kdigo(egfr: f64, acr_mg_g: Option<f64>) -> Kdigo {
    let g = g_category(egfr);
    let a = acr_mg_g.map(a_category);
    Kdigo { g, a, risk: a.map(|a| cell(g, a).risk) }
}
