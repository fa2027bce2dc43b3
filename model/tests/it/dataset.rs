use std::fs;

use model::{
    cohort::{CohortSpec, Population, simulate},
    dataset::{read_examples, read_patients, write},
};
use shared::{clinical::assessment::latest, observation::ObservationCode, patient::RenalDisease};

use crate::support::Folder;

fn read(name: &str, patients: &str) -> model::dataset::Reading {
    let folder = Folder::new(name);
    let file = folder.0.join("patients.csv");
    fs::write(&file, patients).unwrap();
    read_patients(&file, None).unwrap()
}

#[test]
fn a_cohort_that_is_written_is_read_back() {
    let folder = Folder::new("cohort");
    let spec = CohortSpec { patients: 60, seed: 4, population: Population::Referral, futures: 10 };
    write(&folder.0, simulate(&spec), true).unwrap();
    let examples = read_examples(&folder.0).unwrap();
    assert_eq!(examples.len(), 60);
    for (patient, example) in simulate(&spec).zip(examples) {
        let inputs = &example.record.inputs;
        assert_eq!(inputs.age_years, patient.age_years);
        assert_eq!(inputs.sex, patient.sex);
        assert_eq!(inputs.smoker, patient.smoker);
        assert_eq!(inputs.renal_disease, patient.renal_disease);
        assert_eq!(example.outcome.event, patient.outcome.event);
        assert_eq!(example.truth, Some((patient.true_risk_2y, patient.true_risk_5y)));
        let creatinines =
            patient.observations.iter().filter(|seen| seen.code == ObservationCode::Creatinine);
        // Each brings the eGFR that it means.
        assert_eq!(inputs.values.len(), patient.observations.len() + creatinines.count());
    }
}

#[test]
fn blank_is_unknown_and_todays_values_are_converted() {
    let reading = read(
        "blank",
        "id,age,sex,creatinine_umol_l,upcr_mg_g,diabetes,renal_disease\na,60,female,190,,,\nb,50,MALE,,700,1,polycystic\n",
    );
    assert_eq!(reading.faults, []);
    let [a, b] = &reading.records[..] else { panic!("two rows") };
    assert_eq!(a.inputs.diabetes, None);
    assert_eq!(a.inputs.renal_disease, RenalDisease::Unknown);
    let creatinine = latest(&a.inputs, ObservationCode::Creatinine).unwrap();
    assert!((creatinine.value - 190.0 / 88.42).abs() < 0.01, "{}", creatinine.value);
    let egfr = latest(&a.inputs, ObservationCode::Egfr).unwrap().value;
    assert!((25.0..32.0).contains(&egfr), "{egfr}");
    assert_eq!(b.inputs.diabetes, Some(true));
    assert_eq!(latest(&b.inputs, ObservationCode::Upcr).unwrap().value, 700.0);
}

#[test]
fn a_faulty_line_is_named_and_the_others_are_read() {
    let reading = read(
        "faults",
        "id,age,sex,egfr\n1,60,female,28\n2,sixty,female,28\n3,60,,28\n4,60,male,9000\n1,60,male,30\n5,60,male\n6,61,male,30\n",
    );
    let ids: Vec<&str> = reading.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["1", "6"]);
    let named: Vec<(u64, Option<&str>)> =
        reading.faults.iter().map(|fault| (fault.line, fault.column.as_deref())).collect();
    assert_eq!(
        named,
        [(3, Some("age")), (4, Some("sex")), (5, Some("egfr")), (6, Some("id")), (7, None)]
    );
}

#[test]
fn a_misspelt_column_is_refused() {
    let folder = Folder::new("header");
    let file = folder.0.join("patients.csv");
    fs::write(&file, "id,age,sex,egrf\n1,60,female,28\n").unwrap();
    let refused = read_patients(&file, None).unwrap_err().to_string();
    assert!(refused.contains("unknown column, egrf"), "{refused}");
    fs::write(&file, "id,age,egfr\n1,60,28\n").unwrap();
    let refused = read_patients(&file, None).unwrap_err().to_string();
    assert!(refused.contains("lacks the column sex"), "{refused}");
}
