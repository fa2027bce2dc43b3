use model::cohort::{
    CohortSpec, Population,
    check::{Fact, check},
    patient, simulate,
};

fn spec(seed: u64, population: Population) -> CohortSpec {
    CohortSpec { patients: 400, seed, population, futures: 20 }
}

#[test]
fn a_patient_depends_on_seed_and_index_alone() {
    let spec = spec(7, Population::Mixed);
    let third = simulate(&spec).nth(2).unwrap();
    let again = patient(&spec, 2);
    assert_eq!(format!("{third:?}"), format!("{again:?}"));
    let other = patient(&CohortSpec { seed: 8, ..spec }, 2);
    assert_ne!(format!("{third:?}"), format!("{other:?}"));
}

#[test]
fn advanced_care_fails_more_often_than_primary_care() {
    let mean = |population| {
        let spec = spec(3, population);
        simulate(&spec).map(|patient| patient.true_risk_5y).sum::<f64>() / spec.patients as f64
    };
    let (primary, referral, advanced) =
        (mean(Population::PrimaryCare), mean(Population::Referral), mean(Population::Advanced));
    assert!(primary < referral && referral < advanced, "{primary} {referral} {advanced}");
}

#[test]
fn everything_measured_is_plausible_in_its_unit() {
    use shared::clinical::{Plausibility, plausibility, to_canonical};
    for patient in simulate(&spec(5, Population::Mixed)) {
        assert!(!patient.observations.is_empty());
        for seen in &patient.observations {
            let value = to_canonical(seen.code, seen.value, seen.unit).unwrap();
            let plausible = plausibility(seen.code, value);
            assert!(!matches!(plausible, Plausibility::Implausible { .. }), "{seen:?}");
        }
    }
}

/// A small cohort has some noise: a fact counts as kept within a tenth of its bounds' width more.
#[test]
fn the_published_facts_are_met() {
    let missed: Vec<Fact> = check(6000, 11)
        .into_iter()
        .filter(|fact| {
            let slack = 0.1 * (fact.high - fact.low);
            !(fact.low - slack..=fact.high + slack).contains(&fact.simulated)
        })
        .collect();
    assert_eq!(missed, []);
}
