//! Measured quantities with their unit in the type: an equation that wants mg/g cannot be given
//! mg/mmol, nor systolic for diastolic. A quantity is finite and more than 0; it costs what an
//! `f64` costs.

use super::units::{
    CALCIUM_MG_DL_PER_MMOL_L, CREATININE_UMOL_L_PER_MG_DL, PHOSPHATE_MG_DL_PER_MMOL_L,
    RATIO_MG_G_PER_MG_MMOL,
};
use crate::observation::ObservationCode;

/// A quantity that the record keeps under a code, in the code's canonical unit.
pub trait Quantity: Copy {
    /// The code it is recorded under.
    const CODE: ObservationCode;

    /// From a number in the canonical unit; `None` unless it is finite and more than 0.
    fn of(value: f64) -> Option<Self>;
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident $(, $code:ident)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
        pub struct $name(f64);

        impl $name {
            /// From a number in the type's unit; `None` unless it is finite and more than 0.
            pub const fn new(value: f64) -> Option<Self> {
                if value.is_finite() && 0.0 < value { Some(Self(value)) } else { None }
            }

            /// The number, in the type's unit.
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        $(impl Quantity for $name {
            const CODE: ObservationCode = ObservationCode::$code;

            fn of(value: f64) -> Option<Self> {
                Self::new(value)
            }
        })?
    };
}

quantity!(
    /// Creatinine in serum or plasma, mg/dL.
    CreatinineMgDl,
    Creatinine
);
quantity!(
    /// Cystatin C in serum or plasma, mg/L.
    CystatinCMgL,
    CystatinC
);
quantity!(
    /// Estimated glomerular filtration rate, mL/min/1.73 m².
    Egfr,
    Egfr
);
quantity!(
    /// Urine albumin-to-creatinine ratio, mg/g.
    AcrMgG,
    Uacr
);
quantity!(
    /// Urine protein-to-creatinine ratio, mg/g.
    PcrMgG,
    Upcr
);
quantity!(
    /// Albumin in serum or plasma, g/dL.
    AlbuminGDl,
    Albumin
);
quantity!(
    /// Inorganic phosphate in serum or plasma, mg/dL.
    PhosphateMgDl,
    Phosphate
);
quantity!(
    /// Bicarbonate (or total CO2) in serum or plasma, mmol/L, which is mEq/L.
    BicarbonateMmolL,
    Bicarbonate
);
quantity!(
    /// Total calcium in serum or plasma, mg/dL.
    CalciumMgDl,
    Calcium
);
quantity!(
    /// Systolic blood pressure, mmHg.
    SystolicMmHg,
    SystolicBp
);
quantity!(
    /// Diastolic blood pressure, mmHg.
    DiastolicMmHg,
    DiastolicBp
);
quantity!(
    /// Protein excreted in urine, g/day.
    ProteinuriaGDay
);

impl CreatinineMgDl {
    /// From µmol/L.
    pub const fn from_umol_l(value: f64) -> Option<Self> {
        Self::new(value / CREATININE_UMOL_L_PER_MG_DL)
    }

    /// In µmol/L.
    pub const fn umol_l(self) -> f64 {
        self.0 * CREATININE_UMOL_L_PER_MG_DL
    }

    /// What an equation solved for creatinine gives; a number too large or small stays a number.
    pub(super) const fn computed(value: f64) -> Self {
        Self(value.clamp(f64::MIN_POSITIVE, f64::MAX))
    }
}

impl Egfr {
    /// What an equation gives; a number too large or small stays a number.
    pub(super) const fn computed(value: f64) -> Self {
        Self(value.clamp(f64::MIN_POSITIVE, f64::MAX))
    }
}

impl AcrMgG {
    /// From mg/mmol (× 8.84).
    pub const fn from_mg_mmol(value: f64) -> Option<Self> {
        Self::new(value * RATIO_MG_G_PER_MG_MMOL)
    }

    /// In mg/mmol.
    pub const fn mg_mmol(self) -> f64 {
        self.0 / RATIO_MG_G_PER_MG_MMOL
    }

    /// What an equation gives; a number too large or small stays a number.
    pub(super) const fn computed(value: f64) -> Self {
        Self(value.clamp(f64::MIN_POSITIVE, f64::MAX))
    }
}

impl PcrMgG {
    /// From mg/mmol (× 8.84).
    pub const fn from_mg_mmol(value: f64) -> Option<Self> {
        Self::new(value * RATIO_MG_G_PER_MG_MMOL)
    }
}

impl AlbuminGDl {
    /// From g/L.
    pub const fn from_g_l(value: f64) -> Option<Self> {
        Self::new(value / 10.0)
    }
}

impl PhosphateMgDl {
    /// From mmol/L.
    pub const fn from_mmol_l(value: f64) -> Option<Self> {
        Self::new(value * PHOSPHATE_MG_DL_PER_MMOL_L)
    }
}

impl CalciumMgDl {
    /// From mmol/L.
    pub const fn from_mmol_l(value: f64) -> Option<Self> {
        Self::new(value * CALCIUM_MG_DL_PER_MMOL_L)
    }
}

impl ProteinuriaGDay {
    /// From a urine PCR, taking an excretion of 1 g of creatinine a day: the usual approximation.
    pub const fn from_pcr(pcr: PcrMgG) -> Option<Self> {
        Self::new(pcr.0 / 1000.0)
    }
}
