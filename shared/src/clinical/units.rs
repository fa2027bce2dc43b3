//! Codes, units and plausible ranges: one definition of each.

use std::fmt;

use crate::{observation::ObservationCode, settings::Units};

/// µmol/L of creatinine in one mg/dL.
pub const CREATININE_UMOL_L_PER_MG_DL: f64 = 88.4;
/// mg/g in one mg/mmol of a ratio to creatinine.
pub const RATIO_MG_G_PER_MG_MMOL: f64 = 8.84;
/// mg/dL of phosphate in one mmol/L.
pub const PHOSPHATE_MG_DL_PER_MMOL_L: f64 = 3.097;
/// mg/dL of calcium in one mmol/L.
pub const CALCIUM_MG_DL_PER_MMOL_L: f64 = 4.008;
/// g/dL of haemoglobin in one mmol/L (monomer).
const HAEMOGLOBIN_G_DL_PER_MMOL_L: f64 = 1.6114;
/// kg in one avoirdupois pound, by definition.
const KG_PER_POUND: f64 = 0.45359237;
/// cm in one inch, by definition.
const CM_PER_INCH: f64 = 2.54;
/// mmHg in one kPa.
const MMHG_PER_KPA: f64 = 7.500_615_8;

/// g/dL of albumin in one µmol/L (66.5 kDa).
const ALBUMIN_G_DL_PER_UMOL_L: f64 = 6.65e-3;

/// How a unit turns into the canonical one: `canonical = value × factor + offset`.
struct Unit {
    name: &'static str,
    factor: f64,
    offset: f64,
}

const fn unit(name: &'static str, factor: f64) -> Unit {
    Unit { name, factor, offset: 0.0 }
}

/// NGSP % = 0.09148 × IFCC mmol/mol + 2.152 (NGSP master equation).
const HBA1C: [Unit; 2] =
    [unit("%", 1.0), Unit { name: "mmol/mol", factor: 0.09148, offset: 2.152 }];
const CREATININE: [Unit; 4] = [
    unit("mg/dL", 1.0),
    unit("umol/L", 1.0 / CREATININE_UMOL_L_PER_MG_DL),
    unit("mmol/L", 1000.0 / CREATININE_UMOL_L_PER_MG_DL),
    unit("mg/L", 0.1),
];
const EGFR: [Unit; 1] = [unit("mL/min/{1.73_m2}", 1.0)];
const CYSTATIN_C: [Unit; 2] = [unit("mg/L", 1.0), unit("mg/dL", 10.0)];
const RATIO: [Unit; 5] = [
    unit("mg/g{creat}", 1.0),
    unit("mg/mmol{creat}", RATIO_MG_G_PER_MG_MMOL),
    unit("g/mol{creat}", RATIO_MG_G_PER_MG_MMOL),
    unit("g/g{creat}", 1000.0),
    unit("ug/mg{creat}", 1.0),
];
const ALBUMIN: [Unit; 3] =
    [unit("g/dL", 1.0), unit("g/L", 0.1), unit("umol/L", ALBUMIN_G_DL_PER_UMOL_L)];
const PHOSPHATE: [Unit; 2] = [unit("mg/dL", 1.0), unit("mmol/L", PHOSPHATE_MG_DL_PER_MMOL_L)];
const CALCIUM: [Unit; 3] = [
    unit("mg/dL", 1.0),
    unit("mmol/L", CALCIUM_MG_DL_PER_MMOL_L),
    unit("meq/L", CALCIUM_MG_DL_PER_MMOL_L / 2.0),
];
const MONOVALENT: [Unit; 2] = [unit("mmol/L", 1.0), unit("meq/L", 1.0)];
const HAEMOGLOBIN: [Unit; 3] =
    [unit("g/dL", 1.0), unit("g/L", 0.1), unit("mmol/L", HAEMOGLOBIN_G_DL_PER_MMOL_L)];
const PRESSURE: [Unit; 2] = [unit("mm[Hg]", 1.0), unit("kPa", MMHG_PER_KPA)];
const WEIGHT: [Unit; 3] = [unit("kg", 1.0), unit("g", 0.001), unit("[lb_av]", KG_PER_POUND)];
const HEIGHT: [Unit; 3] = [unit("cm", 1.0), unit("m", 100.0), unit("[in_i]", CM_PER_INCH)];

/// What people and laboratories write instead of UCUM, folded (lower case, no spaces, no braces).
const SPELLINGS: [(&str, &str); 41] = [
    ("µmol/l", "umol/L"),
    ("μmol/l", "umol/L"),
    ("mcmol/l", "umol/L"),
    ("mg%", "mg/dL"),
    ("mg/100ml", "mg/dL"),
    ("mmhg", "mm[Hg]"),
    ("ml/min", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m²", "mL/min/{1.73_m2}"),
    ("ml/min/1.73_m2", "mL/min/{1.73_m2}"),
    ("ml/min/1,73m2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m^2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73m*2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73.m2", "mL/min/{1.73_m2}"),
    ("ml/min/1.73sqm", "mL/min/{1.73_m2}"),
    ("ml/min/1,73m²", "mL/min/{1.73_m2}"),
    ("mg/g", "mg/g{creat}"),
    ("mg/gcrea", "mg/g{creat}"),
    ("mg/gcreatinine", "mg/g{creat}"),
    ("mg/gkreatinin", "mg/g{creat}"),
    ("mg/gcr", "mg/g{creat}"),
    ("mg/mmol", "mg/mmol{creat}"),
    ("mg/mmolcr", "mg/mmol{creat}"),
    ("mg/mmolcrea", "mg/mmol{creat}"),
    ("mg/mmolcreatinine", "mg/mmol{creat}"),
    ("mg/mmolkreatinin", "mg/mmol{creat}"),
    ("g/mol", "g/mol{creat}"),
    ("g/g", "g/g{creat}"),
    ("mg/mg", "g/g{creat}"),
    ("mg/mgcreat", "g/g{creat}"),
    ("ug/mg", "ug/mg{creat}"),
    ("µg/mg", "ug/mg{creat}"),
    ("mcg/mg", "ug/mg{creat}"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("in", "[in_i]"),
    ("percent", "%"),
    ("%hb", "%"),
    ("mmol/molhb", "mmol/mol"),
    ("g%", "g/dL"),
    ("g/100ml", "g/dL"),
];

impl ObservationCode {
    /// Every code.
    pub const ALL: [Self; 16] = [
        Self::Creatinine,
        Self::Egfr,
        Self::CystatinC,
        Self::Uacr,
        Self::Upcr,
        Self::Albumin,
        Self::Phosphate,
        Self::Calcium,
        Self::Bicarbonate,
        Self::Potassium,
        Self::Haemoglobin,
        Self::HbA1c,
        Self::SystolicBp,
        Self::DiastolicBp,
        Self::Weight,
        Self::Height,
    ];

    /// The code's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creatinine => "creatinine",
            Self::Egfr => "egfr",
            Self::CystatinC => "cystatin_c",
            Self::Uacr => "uacr",
            Self::Upcr => "upcr",
            Self::Albumin => "albumin",
            Self::Phosphate => "phosphate",
            Self::Calcium => "calcium",
            Self::Bicarbonate => "bicarbonate",
            Self::Potassium => "potassium",
            Self::Haemoglobin => "haemoglobin",
            Self::HbA1c => "hba1c",
            Self::SystolicBp => "systolic_bp",
            Self::DiastolicBp => "diastolic_bp",
            Self::Weight => "weight",
            Self::Height => "height",
        }
    }

    /// The quantity's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Creatinine => phrase!("Creatinine"),
            Self::Egfr => phrase!("eGFR"),
            Self::CystatinC => phrase!("Cystatin C"),
            Self::Uacr => phrase!("Urine albumin/creatinine (uACR)"),
            Self::Upcr => phrase!("Urine protein/creatinine (uPCR)"),
            Self::Albumin => phrase!("Albumin"),
            Self::Phosphate => phrase!("Phosphate"),
            Self::Calcium => phrase!("Calcium"),
            Self::Bicarbonate => phrase!("Bicarbonate"),
            Self::Potassium => phrase!("Potassium"),
            Self::Haemoglobin => phrase!("Haemoglobin"),
            Self::HbA1c => phrase!("HbA1c"),
            Self::SystolicBp => phrase!("Systolic blood pressure"),
            Self::DiastolicBp => phrase!("Diastolic blood pressure"),
            Self::Weight => phrase!("Weight"),
            Self::Height => phrase!("Height"),
        }
    }

    /// The UCUM unit that values are kept in.
    pub fn canonical_unit(self) -> &'static str {
        self.conversions()[0].name
    }

    /// The UCUM unit that values are shown in under a system of units: SI where laboratories
    /// report the quantity in it, the canonical one otherwise.
    pub fn unit_in(self, units: Units) -> &'static str {
        match (units, self) {
            (Units::Si, Self::Creatinine) => "umol/L",
            (Units::Si, Self::Uacr | Self::Upcr) => "mg/mmol{creat}",
            (Units::Si, Self::Albumin | Self::Haemoglobin) => "g/L",
            (Units::Si, Self::Phosphate | Self::Calcium) => "mmol/L",
            (Units::Si, Self::HbA1c) => "mmol/mol",
            _ => self.canonical_unit(),
        }
    }

    /// The units accepted, canonical first, in UCUM; common other spellings are understood too.
    pub fn units(self) -> Vec<&'static str> {
        self.conversions().iter().map(|unit| unit.name).collect()
    }

    /// The UCUM unit of the quantity that a laboratory's way of writing it means.
    pub fn unit_named(self, spelling: &str) -> Option<&'static str> {
        self.unit(spelling).map(|unit| unit.name)
    }

    /// The quantity's main LOINC code, in its canonical unit.
    pub const fn loinc(self) -> &'static str {
        match self {
            Self::Creatinine => "2160-0",
            Self::Egfr => "98979-8",
            Self::CystatinC => "33863-2",
            Self::Uacr => "9318-7",
            Self::Upcr => "2890-2",
            Self::Albumin => "1751-7",
            Self::Phosphate => "2777-1",
            Self::Calcium => "17861-6",
            Self::Bicarbonate => "1963-8",
            Self::Potassium => "2823-3",
            Self::Haemoglobin => "718-7",
            Self::HbA1c => "4548-4",
            Self::SystolicBp => "8480-6",
            Self::DiastolicBp => "8462-4",
            Self::Weight => "29463-7",
            Self::Height => "8302-2",
        }
    }

    /// A code from its name on the wire or from a LOINC code. Where LOINC tells mass from molar
    /// codes, the unit given with the value decides.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(code) = Self::ALL.into_iter().find(|code| code.as_str() == text) {
            return Some(code);
        }
        Some(match text {
            "2160-0" | "14682-9" => Self::Creatinine,
            "98979-8" | "98980-6" | "62238-1" | "88293-6" | "94677-2" | "50210-4" | "33914-3"
            | "48642-3" | "48643-1" | "69405-9" | "77147-7" | "50044-7" | "70969-1" => Self::Egfr,
            "33863-2" => Self::CystatinC,
            "9318-7" | "14959-1" | "32294-1" | "14585-4" | "13705-9" | "14958-3" | "44292-1"
            | "30000-4" | "30001-2" | "59159-4" | "76401-9" | "77253-3" | "77254-1" | "89998-9" => {
                Self::Uacr
            }
            "2890-2" | "34366-5" | "13801-6" => Self::Upcr,
            "1751-7" => Self::Albumin,
            "2777-1" | "14879-1" => Self::Phosphate,
            "17861-6" | "2000-8" => Self::Calcium,
            "1963-8" | "2028-9" => Self::Bicarbonate,
            "2823-3" | "6298-4" => Self::Potassium,
            "718-7" => Self::Haemoglobin,
            "4548-4" | "59261-8" => Self::HbA1c,
            "8480-6" => Self::SystolicBp,
            "8462-4" => Self::DiastolicBp,
            "29463-7" => Self::Weight,
            "8302-2" => Self::Height,
            _ => return None,
        })
    }

    /// Like [`Self::parse`], with the reason when the text is no code: for a LOINC code that is
    /// near one and must not be mistaken for it, what to send instead.
    pub fn parse_or_reason(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            near_code(text.trim()).map_or_else(
                || {
                    let known = Self::ALL.map(Self::as_str).join(", ");
                    format!("is not a code that is known here: {known}, or a LOINC code")
                },
                str::to_owned,
            )
        })
    }

    const fn conversions(self) -> &'static [Unit] {
        match self {
            Self::Creatinine => &CREATININE,
            Self::Egfr => &EGFR,
            Self::CystatinC => &CYSTATIN_C,
            Self::Uacr | Self::Upcr => &RATIO,
            Self::Albumin => &ALBUMIN,
            Self::Phosphate => &PHOSPHATE,
            Self::Calcium => &CALCIUM,
            Self::Bicarbonate | Self::Potassium => &MONOVALENT,
            Self::Haemoglobin => &HAEMOGLOBIN,
            Self::HbA1c => &HBA1C,
            Self::SystolicBp | Self::DiastolicBp => &PRESSURE,
            Self::Weight => &WEIGHT,
            Self::Height => &HEIGHT,
        }
    }

    fn unit(self, name: &str) -> Option<&'static Unit> {
        let fold = |text: &str| text.replace([' ', '{', '}'], "").to_ascii_lowercase();
        let folded = fold(name);
        let spelled = SPELLINGS.iter().find(|(other, _)| *other == folded);
        let wanted = spelled.map_or(folded, |(_, ucum)| fold(ucum));
        self.conversions().iter().find(|unit| fold(unit.name) == wanted)
    }
}

/// What to send instead of a LOINC code that is near a known one.
fn near_code(loinc: &str) -> Option<&'static str> {
    Some(match loinc {
        "1755-8" | "2889-4" => {
            phrase!(
                "is an amount in 24-hour urine, which is not converted; send the ratio to creatinine \
             (uacr or upcr)"
            )
        }
        "14957-5" | "2888-6" => {
            phrase!(
                "is a concentration in urine, which varies with its dilution; send the ratio to \
             creatinine (uacr or upcr)"
            )
        }
        "2161-8" => phrase!("is creatinine in urine; send the ratio (uacr or upcr)"),
        "85354-9" => phrase!("is a panel; send systolic_bp and diastolic_bp"),
        "39156-5" => phrase!("is computed from weight and height; send these"),
        "8867-4" | "2731-8" | "14866-8" | "3094-0" | "22664-7" => {
            phrase!("is not kept: no equation here uses it")
        }
        _ => return None,
    })
}

/// A unit that the quantity is not reported in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitProblem {
    /// What was measured.
    pub code: ObservationCode,
    /// The unit that was given.
    pub unit: String,
}

impl fmt::Display for UnitProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ratio = matches!(self.code, ObservationCode::Uacr | ObservationCode::Upcr);
        if is_ratio && is_daily(&self.unit) {
            f.write_str("is an amount per day, which is not converted to a ratio; ")?;
        } else if is_ratio && is_concentration(&self.unit) {
            f.write_str("is a concentration, which needs the urine's creatinine; ")?;
        }
        let known = self.code.units().join(", ");
        write!(f, "is not a unit of {}; use one of: {known}", self.code.label())
    }
}

impl std::error::Error for UnitProblem {}

/// Whether a unit is of what 24-hour urine holds.
fn is_daily(unit: &str) -> bool {
    let unit = unit.to_ascii_lowercase().replace(' ', "");
    unit.contains("24") || ["/d", "/day", "/die", "/tag"].iter().any(|day| unit.ends_with(day))
}

fn is_concentration(unit: &str) -> bool {
    let unit = unit.to_ascii_lowercase().replace(' ', "");
    ["/l", "/dl", "/ml"].iter().any(|volume| unit.ends_with(volume))
}

/// A value in the code's canonical unit.
pub fn to_canonical(code: ObservationCode, value: f64, unit: &str) -> Result<f64, UnitProblem> {
    match code.unit(unit) {
        Some(unit) => Ok(value * unit.factor + unit.offset),
        None => Err(UnitProblem { code, unit: unit.to_owned() }),
    }
}

/// A canonical value in another unit, for display.
pub fn from_canonical(code: ObservationCode, value: f64, unit: &str) -> Result<f64, UnitProblem> {
    match code.unit(unit) {
        Some(unit) => Ok((value - unit.offset) / unit.factor),
        None => Err(UnitProblem { code, unit: unit.to_owned() }),
    }
}

/// A canonical value as a system of units shows it, with that unit.
pub fn shown_in(units: Units, code: ObservationCode, canonical: f64) -> (f64, &'static str) {
    let unit = code.unit_in(units);
    // Were the unit not the code's, the value would stay what it is, in the unit that it is in.
    from_canonical(code, canonical, unit)
        .map_or((canonical, code.canonical_unit()), |value| (value, unit))
}

/// Whether a value can be, in the canonical unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Plausibility {
    /// Nothing odd about it.
    Plausible,
    /// Possible; worth a second look.
    Unusual(String),
    /// No living person has it: a wrong unit or a slip.
    Implausible {
        /// The lowest plausible value.
        low: f64,
        /// The highest plausible value.
        high: f64,
        /// The canonical unit.
        unit: &'static str,
        /// The unit that the value looks like, if it looks like one.
        hint: Option<&'static str>,
    },
}

impl fmt::Display for Plausibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plausible => f.write_str("is plausible"),
            Self::Unusual(why) => f.write_str(why),
            Self::Implausible { low, high, unit, hint } => {
                write!(f, "is not plausible: {low} to {high} {unit} is")?;
                if let Some(hint) = hint {
                    write!(f, "; it looks like {hint}")?;
                }
                Ok(())
            }
        }
    }
}

/// Hard range, usual range, canonical units (`clinical.md` 2.9; for codes that it does not list,
/// ranges that no reported survivor leaves).
const fn ranges(code: ObservationCode) -> ((f64, f64), (f64, f64)) {
    match code {
        ObservationCode::Creatinine => ((0.1, 30.0), (0.3, 15.0)),
        ObservationCode::Egfr => ((1.0, 250.0), (3.0, 150.0)),
        ObservationCode::CystatinC => ((0.1, 15.0), (0.4, 6.0)),
        ObservationCode::Uacr => ((0.1, 30_000.0), (0.1, 5_000.0)),
        ObservationCode::Upcr => ((1.0, 50_000.0), (1.0, 10_000.0)),
        ObservationCode::Albumin => ((0.5, 7.0), (2.0, 5.5)),
        ObservationCode::Phosphate => ((0.5, 20.0), (1.5, 9.0)),
        ObservationCode::Calcium => ((3.0, 20.0), (6.5, 12.0)),
        ObservationCode::Bicarbonate => ((3.0, 50.0), (12.0, 38.0)),
        ObservationCode::Potassium => ((1.5, 10.0), (2.5, 6.5)),
        ObservationCode::Haemoglobin => ((2.0, 25.0), (6.0, 18.0)),
        ObservationCode::HbA1c => ((2.5, 20.0), (4.0, 14.0)),
        ObservationCode::SystolicBp => ((40.0, 300.0), (80.0, 220.0)),
        ObservationCode::DiastolicBp => ((20.0, 200.0), (40.0, 130.0)),
        ObservationCode::Weight => ((20.0, 400.0), (35.0, 250.0)),
        ObservationCode::Height => ((80.0, 250.0), (130.0, 210.0)),
    }
}

/// Whether a value in the canonical unit can be.
pub fn plausibility(code: ObservationCode, value: f64) -> Plausibility {
    let ((low, high), (usual_low, usual_high)) = ranges(code);
    let unit = code.canonical_unit();
    let hint = other_unit(code, value);
    if !(low..=high).contains(&value) {
        return Plausibility::Implausible { low, high, unit, hint };
    }
    if (usual_low..=usual_high).contains(&value) {
        return Plausibility::Plausible;
    }
    let other = hint.map_or(String::new(), |hint| format!("; a value in {hint} looks like this"));
    let why = sentence!("is unusual: {usual_low} to {usual_high} {unit} is usual{other}");
    Plausibility::Unusual(why)
}

/// The unit that an odd value would be plausible in.
fn other_unit(code: ObservationCode, value: f64) -> Option<&'static str> {
    match code {
        ObservationCode::Creatinine if (20.0..=2_500.0).contains(&value) => Some("umol/L"),
        ObservationCode::Albumin if (10.0..=60.0).contains(&value) => Some("g/L"),
        ObservationCode::Phosphate if (0.3..1.5).contains(&value) => Some("mmol/L"),
        ObservationCode::Calcium if (1.0..=3.5).contains(&value) => Some("mmol/L"),
        ObservationCode::Haemoglobin if (40.0..=250.0).contains(&value) => Some("g/L"),
        ObservationCode::HbA1c if (20.0..=150.0).contains(&value) => Some("mmol/mol"),
        ObservationCode::Height if (0.8..=2.5).contains(&value) => Some("m"),
        _ => None,
    }
}
