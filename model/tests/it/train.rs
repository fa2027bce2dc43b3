use model::{
    cohort::{CohortSpec, Population, simulate},
    dataset::{Example, read_examples, write},
    evaluate::evaluate,
    train::{TrainError, TrainSpec, Trained, train},
};
use shared::prediction::ModelVersion;

use crate::support::{Folder, released};

fn examples(name: &str, patients: usize, seed: u64, futures: usize) -> Vec<Example> {
    let folder = Folder::new(name);
    let spec = CohortSpec { patients, seed, population: Population::Mixed, futures };
    write(&folder.0, simulate(&spec), 0 < futures).unwrap();
    read_examples(&folder.0).unwrap()
}

fn fit(examples: &[Example], seed: u64) -> Result<Trained, TrainError> {
    let spec = TrainSpec { members: 2, epochs: 2, seed, ..TrainSpec::default() };
    let model = ModelVersion { name: "test".to_owned(), version: "0".to_owned() };
    train(examples, &spec, model, "a test".to_owned(), |_| {})
}

#[test]
fn the_same_data_and_seed_give_the_same_weights() {
    let examples = examples("same", 1200, 1, 0);
    let first = fit(&examples, 1).unwrap().bytes().unwrap();
    assert_eq!(first, fit(&examples, 1).unwrap().bytes().unwrap());
    assert_ne!(first, fit(&examples, 2).unwrap().bytes().unwrap());
}

#[test]
fn too_few_patients_are_refused() {
    let examples = examples("few", 50, 1, 0);
    assert!(matches!(fit(&examples, 1), Err(TrainError::TooFew(50))));
}

/// On patients it has not seen: no worse than KFRE where both speak, and not better than the
/// true risk, which would be leakage.
#[test]
fn the_released_network_ranks_between_kfre_and_the_truth() {
    let examples = examples("ranks", 4000, 99, 400);
    let evaluation = evaluate(&released(), &examples).unwrap();
    let auroc = |voice: &str, group: &str, years: u8| {
        let found = evaluation
            .rows
            .iter()
            .find(|row| row.voice == voice && row.group == group && row.years == years);
        found.unwrap().auroc.unwrap()
    };
    for years in [2, 5] {
        let network = auroc("network", "KFRE-4 applies", years);
        assert!(auroc("kfre4", "KFRE-4 applies", years) < network, "{years} years: {network}");
        let truth = auroc("truth", "all", years);
        assert!(auroc("network", "all", years) < truth, "{years} years: {truth}");
    }
}
