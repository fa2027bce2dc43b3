//! Reference values computed with other people's software (`tests/vectors/`).

use serde_json::Value;
use shared::{
    clinical::{
        albuminuria::acr_from_pcr,
        egfr,
        igan::{self, Inputs},
        kfre::{self, Chemistry, Comorbidities, FourVariables, Risks},
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
        let four = FourVariables {
            age_years: number(1),
            sex: sex(number(2)),
            egfr: number(3),
            acr_mg_g: number(4),
        };
        let region = region(&row[11]);
        let risks = match row[0].as_str() {
            "kfre4" => kfre::four(&four, region),
            "kfre6" => {
                let comorbidities =
                    Comorbidities { diabetes: number(5) == 1.0, hypertension: number(6) == 1.0 };
                kfre::six(&four, comorbidities, region).unwrap()
            }
            "kfre8" => {
                let chemistry = Chemistry {
                    albumin_g_dl: number(7),
                    phosphate_mg_dl: number(8),
                    bicarbonate_meq_l: number(9),
                    calcium_mg_dl: number(10),
                };
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
        let pcr: f64 = row[3].parse().unwrap();
        let actual = acr_from_pcr(pcr, sex, row[1] == "1", row[2] == "1");
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

#[test]
fn egfr_from_creatinine_equals_the_table() {
    each("egfr_cr", |number, row| {
        let sex = if row["sex"] == "F" { Sex::Female } else { Sex::Male };
        let (creatinine, age) = (number("scr_mgdl"), number("age") as u32);
        let what = row.to_string();
        let value = egfr::ckd_epi_2021_creatinine(creatinine, age, sex).unwrap();
        close(value, number("egfr21"), 0.0, 5.1e-5, &what);
        let back = egfr::creatinine_for_egfr(value, age, sex).unwrap();
        close(back, creatinine, 1e-12, 0.0, &what);
        let value = egfr::ckd_epi_2009_creatinine(creatinine, age, sex).unwrap();
        close(value, number("egfr09"), 0.0, 5.1e-5, &what);
        let value = egfr::ekfc_2021(creatinine, age, sex).unwrap();
        close(value, number("ekfc"), 0.0, 5.1e-5, &what);
    });
}

#[test]
fn egfr_with_cystatin_c_equals_the_table() {
    each("egfr_cys", |number, row| {
        let sex = if row["sex"] == "F" { Sex::Female } else { Sex::Male };
        let (creatinine, cystatin, age) = (number("scr"), number("cys"), number("age") as u32);
        let both = egfr::ckd_epi_2021_creatinine_cystatin_c(creatinine, cystatin, age, sex);
        close(both.unwrap(), number("crcys21"), 0.0, 5.1e-5, &row.to_string());
        let alone = egfr::ckd_epi_2012_cystatin_c(cystatin, age, sex);
        close(alone.unwrap(), number("cys12"), 0.0, 5.1e-5, &row.to_string());
    });
}

#[track_caller]
fn percent(risks: Risks, number: &dyn Fn(&str) -> f64, region: &str) {
    close(risks.risk_2y * 100.0, number(&format!("{region}2")), 0.0, 5.1e-5, region);
    close(risks.risk_5y * 100.0, number(&format!("{region}5")), 0.0, 5.1e-5, region);
}

#[test]
fn kfre_equals_the_tables() {
    let mut checked = 0;
    each("kfre4", |number, _| {
        // The row of the centres has a sex of 0.5642, which no person has.
        if number("male").fract() != 0.0 {
            return;
        }
        let v = FourVariables {
            age_years: number("age"),
            sex: sex(number("male")),
            egfr: number("egfr"),
            acr_mg_g: number("acr_mg_g"),
        };
        for name in ["NA", "nonNA", "UK"] {
            percent(kfre::four(&v, region(name)), number, name);
        }
        checked += 1;
    });
    assert_eq!(checked, 7);
    each("kfre6", |number, _| {
        let v = FourVariables {
            age_years: number("age"),
            sex: sex(number("male")),
            egfr: number("egfr"),
            acr_mg_g: number("acr"),
        };
        let c = Comorbidities { diabetes: number("dm") == 1.0, hypertension: number("htn") == 1.0 };
        for name in ["NA", "nonNA"] {
            percent(kfre::six(&v, c, region(name)).unwrap(), number, name);
        }
    });
    each("kfre8", |number, _| {
        let v = FourVariables {
            age_years: number("age"),
            sex: sex(number("male")),
            egfr: number("egfr"),
            acr_mg_g: number("acr"),
        };
        let c = Chemistry {
            albumin_g_dl: number("alb"),
            phosphate_mg_dl: number("phos"),
            bicarbonate_meq_l: number("bic"),
            calcium_mg_dl: number("ca"),
        };
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
    for (sex, age_years, acr_mg_mmol, egfr, risk_2y, risk_5y) in cases {
        let v = FourVariables { age_years, sex, egfr, acr_mg_g: acr_mg_mmol / 0.113 };
        let risks = kfre::four(&v, KfreRegion::UnitedKingdom);
        close(risks.risk_2y * 100.0, risk_2y, 0.0, 0.0501, "2 years");
        close(risks.risk_5y * 100.0, risk_5y, 0.0, 0.0501, "5 years");
    }
}

/// It is what is published; nobody may "fix" it.
#[test]
fn only_the_8_variable_5_year_risk_is_higher_outside_north_america() {
    let v = FourVariables { age_years: 60.0, sex: Sex::Male, egfr: 30.0, acr_mg_g: 300.0 };
    let chemistry = Chemistry {
        albumin_g_dl: 4.0,
        phosphate_mg_dl: 3.9,
        bicarbonate_meq_l: 25.0,
        calcium_mg_dl: 9.4,
    };
    let (na, other) = (KfreRegion::NorthAmerica, KfreRegion::Other);
    let (four_na, four_other) = (kfre::four(&v, na), kfre::four(&v, other));
    assert!(four_other.risk_2y < four_na.risk_2y && four_other.risk_5y < four_na.risk_5y);
    let eight = |region| kfre::eight(&v, &chemistry, region).unwrap();
    assert!(eight(other).risk_2y < eight(na).risk_2y);
    assert!(eight(na).risk_5y < eight(other).risk_5y);
}

#[test]
fn the_igan_tool_equals_its_race_free_cases() {
    let case = |egfr, systolic, diastolic, proteinuria, age| Inputs {
        egfr,
        systolic_mmhg: systolic,
        diastolic_mmhg: diastolic,
        proteinuria_g_day: proteinuria,
        age_years: age,
        m: 1,
        e: 1,
        s: 1,
        t: 1,
        ras_inhibitor: true,
        immunosuppression: false,
    };
    let first = case(50.0, 150.0, 90.0, 1.2, 30.0);
    close(igan::risk_5y(&first) * 100.0, 49.6927, 0.0, 5.1e-5, "first");
    let second = Inputs { m: 0, e: 0, s: 0, t: 0, ..case(90.0, 120.0, 75.0, 0.5, 40.0) };
    close(igan::risk_5y(&second) * 100.0, 3.5701, 0.0, 5.1e-5, "second");
    let third =
        Inputs { e: 0, t: 2, immunosuppression: true, ..case(35.0, 145.0, 85.0, 3.0, 45.0) };
    close(igan::risk_5y(&third) * 100.0, 55.0243, 0.0, 5.1e-5, "third");
}
