//! The published equations, as they are computed here.

use leptos::prelude::*;
use shared::phrase;

use super::Section;
use crate::language::t;

struct Formula {
    title: &'static str,
    /// As it is computed.
    equation: &'static str,
    /// What the letters stand for, and when it holds.
    words: &'static str,
    source: &'static str,
}

const FORMULAS: [Formula; 7] = [
    Formula {
        title: phrase!("eGFR from creatinine: CKD-EPI 2021"),
        equation: "142 × min(Scr/κ, 1)^α × max(Scr/κ, 1)^−1.200 × 0.9938^age × 1.012 (women)",
        words: phrase!(
            "Scr is serum creatinine in mg/dL; κ is 0.7 and α −0.241 for women, 0.9 and −0.302 for men. Adults only, without race."
        ),
        source: "Inker LA et al. N Engl J Med 2021;385:1737–1749.",
    },
    Formula {
        title: phrase!("Kidney failure: KFRE, 4 variables"),
        equation: "risk = 1 − S0^exp(−0.2201 (age/10 − 7.036) + 0.2467 (male − 0.5642) − 0.5567 (eGFR/5 − 7.222) + 0.4510 (ln ACR − 5.137))",
        words: phrase!(
            "ACR in mg/g; male is 1, female 0. S0 within 2 and 5 years: 0.9750 and 0.9240 in North America, 0.9832 and 0.9365 elsewhere, 0.9878 and 0.9570 in the United Kingdom. For adults with an eGFR under 60, before dialysis or transplant."
        ),
        source: "Tangri N et al. JAMA 2011;305:1553–1559; JAMA 2016;315:164–174. Major RW et al. PLoS Med 2019;16:e1002955.",
    },
    Formula {
        title: phrase!("Kidney failure: KFRE, 8 variables"),
        equation: "risk = 1 − S0^exp(−0.1992 (age/10 − 7.036) + 0.1602 (male − 0.5642) − 0.4919 (eGFR/5 − 7.222) + 0.3364 (ln ACR − 5.137) − 0.3441 (albumin − 3.997) + 0.2604 (phosphate − 3.916) − 0.07354 (bicarbonate − 25.57) − 0.2228 (calcium − 9.355))",
        words: phrase!(
            "Albumin in g/dL, phosphate and calcium in mg/dL, bicarbonate in mmol/L. S0 within 2 and 5 years: 0.9780 and 0.9301 in North America, 0.9827 and 0.9245 elsewhere. Used when all four are known."
        ),
        source: "Tangri N et al. JAMA 2016;315:164–174.",
    },
    Formula {
        title: phrase!("Albuminuria from proteinuria"),
        equation: "ACR = exp(5.2659 + 0.2934 ln min(PCR/50, 1) + 1.5643 ln max(min(PCR/500, 1), 0.1) + 1.1109 ln max(PCR/500, 1) − 0.0773 female + 0.0797 diabetes + 0.1265 hypertension)",
        words: phrase!(
            "Both in mg/g. Used only where albumin was not measured, and marked as estimated."
        ),
        source: "Sumida K et al. Ann Intern Med 2020;173:426–435.",
    },
    Formula {
        title: phrase!("Slope of eGFR"),
        equation: "least-squares line through the steady values, with its 95 % interval",
        words: phrase!(
            "Three values or more over 90 days or more; values suspected of acute kidney injury are left out. The band ahead is where nine of ten new values would lie if the course went on as it was; it widens with the distance, and no date can be read from it."
        ),
        source: "NICE guideline NG203, 2021. KDIGO 2012, Kidney Int Suppl 2013;3:1–150.",
    },
    Formula {
        title: phrase!("Suspected acute kidney injury"),
        equation: "creatinine up by 0.3 mg/dL within 48 hours or to 1.5 times within 7 days; eGFR down by 35 % within 180 days and not confirmed",
        words: phrase!("Only suspected: the amount of urine is not recorded here."),
        source: "KDIGO 2012, Kidney Int Suppl 2012;2:1–138. Yeh HC et al. 2019.",
    },
    Formula {
        title: phrase!("IgA nephropathy after a biopsy (experimental)"),
        equation: "1 − S0(t)^exp(LP), LP from √eGFR, mean arterial pressure, ln proteinuria, M, E, S, T, age, RAS inhibitor and immunosuppression",
        words: phrase!(
            "A fall of eGFR by 50 % or kidney failure within 5 years, from one to two years after the biopsy on. The coefficients come from a secondary source."
        ),
        source: "Barbour SJ et al. Kidney Int 2022;102:160–172. Scores: Trimarchi H et al. Kidney Int 2017;91:1014–1021.",
    },
];

/// The section of the page.
#[component]
pub fn Formulas() -> impl IntoView {
    let formulas = FORMULAS.map(|Formula { title, equation, words, source }| {
        view! {
            <div class="formula">
                <h3>{t(title)}</h3>
                <p class="equation" translate="no">{equation}</p>
                <p>{t(words)}</p>
                <p class="fine">{source}</p>
            </div>
        }
    });
    view! {
        <Section id="formulas" title=t("Formulas and their sources")>{formulas}</Section>
    }
}
