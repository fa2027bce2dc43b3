use model::evaluate::{ALL, EVERYONE, Evaluation, KFRE_4, KFRE_8, View, evaluate};

use crate::{support::released, train::examples};

fn auroc(evaluation: &Evaluation, voice: &str, base: &str, group: &str, years: u8) -> f64 {
    evaluation.find(voice, base, group, years).unwrap().auroc.unwrap()
}

/// On patients it has not seen: no worse than KFRE where both speak, and not better than the
/// true risk, which would be leakage.
#[test]
fn the_released_network_ranks_between_kfre_and_the_truth() {
    let examples = examples("ranks", 4000, 99, 400);
    let evaluation = evaluate(&released(), &examples, View::default()).unwrap();
    for years in [2, 5] {
        for (voice, base) in [("kfre4", KFRE_4), ("kfre8", KFRE_8)] {
            let network = auroc(&evaluation, "network", base, EVERYONE, years);
            let kfre = auroc(&evaluation, voice, base, EVERYONE, years);
            assert!(kfre < network, "{base}, {years} years: {network} is not above {kfre}");
        }
        let truth = auroc(&evaluation, "truth", ALL, EVERYONE, years);
        let network = auroc(&evaluation, "network", ALL, EVERYONE, years);
        assert!(network < truth, "{years} years: {network} is above {truth}");
    }
    let (two, five) = evaluation.coverage.unwrap();
    assert!((0.86..0.94).contains(&two) && (0.86..0.94).contains(&five), "{two} {five}");
}

/// The single row of a hospital's table, with KFRE's variables and nothing else.
#[test]
fn the_released_network_is_not_under_kfre_on_a_single_row() {
    let examples = examples("rows", 6000, 98, 0);
    let view = View { single_visit: true, kfre_variables_only: true, half_missing: false };
    let evaluation = evaluate(&released(), &examples, view).unwrap();
    assert!(evaluation.find("kfre8", KFRE_8, EVERYONE, 2).is_none(), "four variables only");
    for years in [2, 5] {
        let network = auroc(&evaluation, "network", KFRE_4, EVERYONE, years);
        let kfre = auroc(&evaluation, "kfre4", KFRE_4, EVERYONE, years);
        assert!(kfre - 0.002 < network, "{years} years: {network} is under {kfre}");
        let advanced = evaluation.find("network", ALL, "advanced (eGFR under 30)", years).unwrap();
        let off = advanced.predicted - advanced.observed;
        assert!(off.abs() < 0.05, "{years} years: mean risk is off by {off}");
    }
}

#[test]
fn a_view_shows_less() {
    let examples = examples("views", 1200, 97, 0);
    let predictor = released();
    let half = View { half_missing: true, ..View::default() };
    let spoken = |view: View| {
        let evaluation = evaluate(&predictor, &examples, view).unwrap();
        evaluation.find("network", KFRE_8, EVERYONE, 5).map_or(0, |row| row.patients)
    };
    assert!(spoken(half) < spoken(View::default()));
    let whole = evaluate(&predictor, &examples, View::default()).unwrap();
    let single = View { single_visit: true, ..View::default() };
    let single = evaluate(&predictor, &examples, single).unwrap();
    assert_eq!(whole.patients, single.patients);
    assert_ne!(
        auroc(&whole, "network", ALL, EVERYONE, 5),
        auroc(&single, "network", ALL, EVERYONE, 5)
    );
    // Subgroups are those of the whole record, whatever is shown.
    let fourth_stage =
        |evaluation: &Evaluation| evaluation.find("network", ALL, "G4", 5).unwrap().patients;
    assert_eq!(fourth_stage(&whole), fourth_stage(&single));
}
