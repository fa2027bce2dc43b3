//! Reference values computed with other people's software (`tests/vectors/`).

use serde_json::Value;
use shared::{
    clinical::{
        albuminuria::acr_from_pcr,
        egfr,
        igan::{self, Inputs},
        kfre::{self, Chemistry, Comorbidities, FourVariables, Risks},
        quantity::{
            AcrMgG, AlbuminGDl, BicarbonateMmolL, CalciumMgDl, CreatinineMgDl, CystatinCMgL,
            DiastolicMmHg, Egfr, PcrMgG, PhosphateMgDl, ProteinuriaGDay, SystolicMmHg,
        },
    },
    patient::Sex,
    prediction::KfreRegion,
};

#[track_caller]
fn close(actual: f64, expected: f64, relative: f64, absolute: f64, what: &str) {
    let tolerance = (expected.abs() * relative).max(absolute);
    assert!((actual - expected).abs() <= tolerance, "{what}: {actual} instead of {expected}");
}

fn rows(csv: &str) -> Vec<Vec<String>> {
    csv.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn sex(male: f64) -> Sex {
    if male == 0.0 { Sex::Female } else { Sex::Male }
}

fn four_variables(age: f64, sex: Sex, egfr: f64, acr_mg_g: f64) -> FourVariables {
    let (egfr, acr) = (Egfr::new(egfr).unwrap(), AcrMgG::new(acr_mg_g).unwrap());
    FourVariables::new(age as u32, sex, egfr, acr).unwrap()
}

fn chemistry(albumin: f64, phosphate: f64, bicarbonate: f64, calcium: f64) -> Chemistry {
    Chemistry {
        albumin: AlbuminGDl::new(albumin).unwrap(),
        phosphate: PhosphateMgDl::new(phosphate).unwrap(),
        bicarbonate: BicarbonateMmolL::new(bicarbonate).unwrap(),
        calcium: CalciumMgDl::new(calcium).unwrap(),
    }
}

fn region(name: &str) -> KfreRegion {
    match name {
        "NA" => KfreRegion::NorthAmerica,
        "nonNA" => KfreRegion::Other,
        "UK" => KfreRegion::UnitedKingdom,
        _ => panic!("unknown region {name}"),
    }
}

#[test]
fn kfre_equals_the_published_packages() {
    let rows = rows(include_str!("../vectors/kfre.csv"));
    assert_eq!(rows.len(), 724);
    for row in rows {
        let number = |index: usize| row[index].parse::<f64>().unwrap();
        let four = four_variables(number(1), sex(number(2)), number(3), number(4));
        let region = region(&row[11]);
        let risks = match row[0].as_str() {
            "kfre4" => kfre::four(&four, region),
            "kfre6" => {
                let comorbidities =
                    Comorbidities { diabetes: number(5) == 1.0, hypertension: number(6) == 1.0 };
                kfre::six(&four, comorbidities, region).unwrap()
            }
            "kfre8" => {
                let chemistry = chemistry(number(7), number(8), number(9), number(10));
                kfre::eight(&four, &chemistry, region).unwrap()
            }
            other => panic!("unknown form {other}"),
        };
        let Risks { risk_2y, risk_5y } = risks;
        let actual = if row[12] == "2" { risk_2y } else { risk_5y };
        // The file has twelve decimals.
        close(actual, number(13), 1e-9, 1e-12, &row.join(","));
    }
}

#[test]
fn acr_from_pcr_equals_the_published_package() {
    let rows = rows(include_str!("../vectors/upcr_to_uacr.csv"));
    assert_eq!(rows.len(), 64);
    for row in rows {
        let sex = if row[0] == "Female" { Sex::Female } else { Sex::Male };
        let pcr = PcrMgG::new(row[3].parse().unwrap()).unwrap();
        let actual = acr_from_pcr(pcr, sex, row[1] == "1", row[2] == "1").get();
        close(actual, row[4].parse().unwrap(), 1e-9, 1e-10, &row.join(","));
    }
}

fn tables() -> Value {
    serde_json::from_str(include_str!("../vectors/clinical.json")).unwrap()
}

#[track_caller]
fn each(table: &str, mut check: impl FnMut(&dyn Fn(&str) -> f64, &Value)) {
    let tables = tables();
    let rows = tables[table].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        check(&|key| row[key].as_f64().unwrap(), row);
    }
}

/// The table has four decimals.
const FOUR_DECIMALS: f64 = 5.1e-5;

#[test]
fn egfr_from_creatinine_equals_the_table() {
    each("egfr_cr", |number, row| {
        let sex = if row["sex"] == "F" { Sex::Female } else { Sex::Male };
        let (creatinine, age) = (number("scr_mgdl"), number("age") as u32);
        let what = row.to_string();
        let creatinine = CreatinineMgDl::new(creatinine).unwrap();
        let value = egfr::ckd_epi_2021_creatinine(creatinine, age, sex).unwrap();
        close(value.get(), number("egfr21"), 0.0, FOUR_DECIMALS, &what);
        let back = egfr::creatinine_for_egfr(value, age, sex).unwrap();
        close(back.get(), creatinine.get(), 1e-12, 0.0, &what);
        let value = egfr::ckd_epi_2009_creatinine(creatinine, age, sex).unwrap();
        close(value.get(), number("egfr09"), 0.0, FOUR_DECIMALS, &what);
        let value = egfr::ekfc_2021(creatinine, age, sex).unwrap();
        close(value.get(), number("ekfc"), 0.0, FOUR_DECIMALS, &what);
        let molar = CreatinineMgDl::from_umol_l(number("scr_umol")).unwrap();
        close(molar.get(), creatinine.get(), 1e-12, 0.0, &what);
    });
}

/// Creatinine (mg/dL), cystatin C (mg/L), age, sex, and what an independent reference in Python
/// gives to ten digits: CKD-EPI 2021 by creatinine and by both, 2012 by cystatin C and by both,
/// 2009, EKFC.
const EGFR_REFERENCE: [(f64, f64, u32, Sex, [f64; 6]); 8] = [
    (
        0.6,
        0.7,
        18,
        Sex::Female,
        [
            133.3475057151,
            130.8596406006,
            123.2746069480,
            130.5638004139,
            133.0696018217,
            111.5069617551,
        ],
    ),
    (
        0.6,
        0.7,
        25,
        Sex::Male,
        [
            137.3860745443,
            135.5176341321,
            128.6095098586,
            136.1785350389,
            139.7409954082,
            122.9066855998,
        ],
    ),
    (
        0.7,
        0.8,
        40,
        Sex::Female,
        [
            112.0543067988,
            111.1930542421,
            105.5944494668,
            107.0485466316,
            108.3769264832,
            107.3669578106,
        ],
    ),
    (
        0.9,
        0.8,
        40,
        Sex::Male,
        [
            110.7255996036,
            115.4652692026,
            113.2987655224,
            110.4732163381,
            106.4606350523,
            107.4907221023,
        ],
    ),
    (
        1.3,
        1.4,
        41,
        Sex::Female,
        [52.9801484589, 51.1735031147, 50.0202548425, 49.3205340799, 50.9157442557, 52.8268202297],
    ),
    (
        2.0,
        1.9,
        70,
        Sex::Male,
        [35.2429967290, 33.9328932789, 31.8510718149, 31.8004533925, 32.8397949306, 32.3447282047],
    ),
    (
        6.5,
        4.0,
        95,
        Sex::Female,
        [5.4890192750, 7.6286759849, 9.9924627465, 6.7799351211, 4.9780216367, 4.9650192155],
    ),
    (
        12.0,
        5.5,
        60,
        Sex::Male,
        [4.3681888405, 5.8229805456, 8.0819060479, 5.3497013880, 4.0375981229, 4.7052677823],
    ),
];

#[test]
fn egfr_equals_the_reference_to_a_billionth() {
    for (creatinine, cystatin, age, sex, expected) in EGFR_REFERENCE {
        let what = format!("{creatinine} {cystatin} {age} {sex:?}");
        let creatinine = CreatinineMgDl::new(creatinine).unwrap();
        let cystatin = CystatinCMgL::new(cystatin).unwrap();
        let actual = [
            egfr::ckd_epi_2021_creatinine(creatinine, age, sex),
            egfr::ckd_epi_2021_creatinine_cystatin_c(creatinine, cystatin, age, sex),
            egfr::ckd_epi_2012_cystatin_c(cystatin, age, sex),
            egfr::ckd_epi_2012_creatinine_cystatin_c(creatinine, cystatin, age, sex),
            egfr::ckd_epi_2009_creatinine(creatinine, age, sex),
            egfr::ekfc_2021(creatinine, age, sex),
        ];
        for (actual, expected) in actual.into_iter().zip(expected) {
            close(actual.unwrap().get(), expected, 1e-9, 0.0, &what);
        }
    }
}

#[test]
fn egfr_with_cystatin_c_equals_the_table() {
    each("egfr_cys", |number, row| {
        let sex = if row["sex"] == "F" { Sex::Female } else { Sex::Male };
        let age = number("age") as u32;
        let creatinine = CreatinineMgDl::new(number("scr")).unwrap();
        let cystatin = CystatinCMgL::new(number("cys")).unwrap();
        let both = egfr::ckd_epi_2021_creatinine_cystatin_c(creatinine, cystatin, age, sex);
        close(both.unwrap().get(), number("crcys21"), 0.0, FOUR_DECIMALS, &row.to_string());
        let alone = egfr::ckd_epi_2012_cystatin_c(cystatin, age, sex);
        close(alone.unwrap().get(), number("cys12"), 0.0, FOUR_DECIMALS, &row.to_string());
    });
}

#[track_caller]
fn percent(risks: Risks, number: &dyn Fn(&str) -> f64, region: &str) {
    close(risks.risk_2y * 100.0, number(&format!("{region}2")), 0.0, FOUR_DECIMALS, region);
    close(risks.risk_5y * 100.0, number(&format!("{region}5")), 0.0, FOUR_DECIMALS, region);
}

#[test]
fn kfre_equals_the_tables() {
    let mut checked = 0;
    each("kfre4", |number, _| {
        // The row of the centres has a sex of 0.5642, which no person has.
        if number("male").fract() != 0.0 {
            return;
        }
        let v =
            four_variables(number("age"), sex(number("male")), number("egfr"), number("acr_mg_g"));
        for name in ["NA", "nonNA", "UK"] {
            percent(kfre::four(&v, region(name)), number, name);
        }
        checked += 1;
    });
    assert_eq!(checked, 7);
    each("kfre6", |number, _| {
        let v = four_variables(number("age"), sex(number("male")), number("egfr"), number("acr"));
        let c = Comorbidities { diabetes: number("dm") == 1.0, hypertension: number("htn") == 1.0 };
        for name in ["NA", "nonNA"] {
            percent(kfre::six(&v, c, region(name)).unwrap(), number, name);
        }
    });
    each("kfre8", |number, _| {
        let v = four_variables(number("age"), sex(number("male")), number("egfr"), number("acr"));
        let c = chemistry(number("alb"), number("phos"), number("bic"), number("ca"));
        for name in ["NA", "nonNA"] {
            percent(kfre::eight(&v, &c, region(name)).unwrap(), number, name);
        }
    });
}

/// Cases published by a hospital's renal software for the United Kingdom, which divides ACR in
/// mg/mmol by 0.113; rounded to a tenth of a percent.
#[test]
fn kfre_equals_the_united_kingdoms_cases() {
    let cases = [
        (Sex::Female, 85.0, 40.1, 10.2, 17.5, 49.9),
        (Sex::Male, 80.0, 40.1, 21.2, 7.8, 25.2),
        (Sex::Female, 80.0, 40.1, 21.2, 6.1, 20.3),
        (Sex::Female, 73.0, 40.1, 21.2, 7.1, 23.2),
        (Sex::Male, 73.0, 40.0, 40.0, 1.2, 4.1),
        (Sex::Female, 73.0, 50.0, 21.0, 8.0, 25.8),
        (Sex::Male, 50.0, 30.0, 40.0, 1.7, 5.9),
        (Sex::Female, 50.0, 30.9, 30.9, 3.6, 12.4),
        (Sex::Female, 80.0, 140.2, 20.1, 11.8, 36.3),
    ];
    for (sex, age, acr_mg_mmol, egfr, risk_2y, risk_5y) in cases {
        let v = four_variables(age, sex, egfr, acr_mg_mmol / 0.113);
        let risks = kfre::four(&v, KfreRegion::UnitedKingdom);
        close(risks.risk_2y * 100.0, risk_2y, 0.0, 0.0501, "2 years");
        close(risks.risk_5y * 100.0, risk_5y, 0.0, 0.0501, "5 years");
    }
}

/// It is what is published; nobody may "fix" it.
#[test]
fn only_the_8_variable_5_year_risk_is_higher_outside_north_america() {
    let v = four_variables(60.0, Sex::Male, 30.0, 300.0);
    let chemistry = chemistry(4.0, 3.9, 25.0, 9.4);
    let (na, other) = (KfreRegion::NorthAmerica, KfreRegion::Other);
    let (four_na, four_other) = (kfre::four(&v, na), kfre::four(&v, other));
    assert!(four_other.risk_2y < four_na.risk_2y && four_other.risk_5y < four_na.risk_5y);
    let eight = |region| kfre::eight(&v, &chemistry, region).unwrap();
    assert!(eight(other).risk_2y < eight(na).risk_2y);
    assert!(eight(na).risk_5y < eight(other).risk_5y);
}

fn igan_case(egfr: f64, pressure: (f64, f64), proteinuria: f64, age_years: u32) -> Inputs {
    Inputs {
        egfr: Egfr::new(egfr).unwrap(),
        systolic: SystolicMmHg::new(pressure.0).unwrap(),
        diastolic: DiastolicMmHg::new(pressure.1).unwrap(),
        proteinuria: ProteinuriaGDay::new(proteinuria).unwrap(),
        age_years,
        m: 1,
        e: 1,
        s: 1,
        t: 1,
        ras_inhibitor: true,
        immunosuppression: false,
    }
}

#[test]
fn the_igan_tool_equals_its_race_free_cases() {
    let percent = |v: &Inputs| igan::risk_5y(v).unwrap() * 100.0;
    let first = igan_case(50.0, (150.0, 90.0), 1.2, 30);
    close(percent(&first), 49.6927, 0.0, FOUR_DECIMALS, "first");
    let second = igan_case(90.0, (120.0, 75.0), 0.5, 40);
    let second = Inputs { m: 0, e: 0, s: 0, t: 0, ..second };
    close(percent(&second), 3.5701, 0.0, FOUR_DECIMALS, "second");
    let third = igan_case(35.0, (145.0, 85.0), 3.0, 45);
    let third = Inputs { e: 0, t: 2, immunosuppression: true, ..third };
    close(percent(&third), 55.0243, 0.0, FOUR_DECIMALS, "third");
}

/// Both pieces of the baseline survival, by the independent Python reference.
#[test]
fn the_igan_tool_equals_the_reference_in_every_month() {
    let v = igan_case(50.0, (150.0, 90.0), 1.2, 30);
    let cases = [
        (2.0, 0.002899951811),
        (3.0, 0.008721942122),
        (6.0, 0.026681637382),
        (9.0, 0.043852896238),
        (11.99, 0.059980297759),
        (12.0, 0.060236871393),
        (24.0, 0.177623053909),
        (36.0, 0.288431523581),
        (48.0, 0.394820190174),
        (60.0, 0.496927275213),
        (72.0, 0.591891020432),
        (80.0, 0.649806513585),
    ];
    for (months, expected) in cases {
        close(igan::risk(&v, months).unwrap(), expected, 1e-9, 0.0, &format!("{months} months"));
    }
}

#[test]
fn the_igan_tool_never_extrapolates() {
    let v = igan_case(50.0, (150.0, 90.0), 1.2, 30);
    for months in [-1.0, 1.9, 80.1, f64::NAN] {
        assert_eq!(igan::risk(&v, months), None, "{months} months");
    }
    assert_eq!(igan::risk_5y(&Inputs { t: 3, ..v }), None, "there is no T3");
    assert_eq!(igan::risk_5y(&Inputs { m: 2, ..v }), None, "there is no M2");
    assert_eq!(igan::risk_5y(&Inputs { age_years: 17, ..v }), None, "for adults");
    let swapped = igan_case(50.0, (90.0, 150.0), 1.2, 30);
    assert_eq!(igan::risk_5y(&swapped), None, "diastolic above systolic");
}
