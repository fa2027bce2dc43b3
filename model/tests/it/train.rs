use std::ops::ControlFlow;

use model::{
    checkpoint::CHECKPOINTS,
    cohort::{CohortSpec, Population, simulate},
    dataset::{Example, read_examples, write},
    train::{Progress, TrainError, TrainSpec, Trained, train},
};
use shared::prediction::ModelVersion;

use crate::support::Folder;

pub fn examples(name: &str, patients: usize, seed: u64, futures: usize) -> Vec<Example> {
    let folder = Folder::new(name);
    let spec = CohortSpec { patients, seed, population: Population::Mixed, futures };
    write(&folder.0, simulate(&spec), 0 < futures).unwrap();
    read_examples(&folder.0).unwrap()
}

fn spec(seed: u64) -> TrainSpec {
    TrainSpec { members: 2, epochs: 3, seed, ..TrainSpec::default() }
}

fn version() -> ModelVersion {
    ModelVersion { name: "test".to_owned(), version: "0".to_owned() }
}

fn fit(examples: &[Example], seed: u64) -> Result<Trained, TrainError> {
    let go_on = |_: &Progress| ControlFlow::Continue(());
    train(examples, &spec(seed), version(), "a test".to_owned(), None, &go_on)
}

#[test]
fn the_same_data_and_seed_give_the_same_weights() {
    let examples = examples("same", 1200, 1, 0);
    let first = fit(&examples, 1).unwrap().bytes().unwrap();
    assert_eq!(first, fit(&examples, 1).unwrap().bytes().unwrap());
    assert_ne!(first, fit(&examples, 2).unwrap().bytes().unwrap());
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_weights() {
    let folder = Folder::new("interrupted");
    let checkpoints = folder.0.join(CHECKPOINTS);
    let examples = examples("interrupted-data", 1200, 1, 0);
    let run = |seed: u64, on_progress: &(dyn Fn(&Progress) -> ControlFlow<()> + Sync)| {
        let trained_on = "a test".to_owned();
        train(&examples, &spec(seed), version(), trained_on, Some(&checkpoints), on_progress)
    };
    // The power fails after each pass in turn; one more pass is done every time.
    let stop = |_: &Progress| ControlFlow::Break(());
    assert!(matches!(run(1, &stop), Err(TrainError::Stopped)));
    assert!(matches!(run(1, &stop), Err(TrainError::Stopped)));
    let first_pass = std::sync::Mutex::new(usize::MAX);
    let note = |progress: &Progress| {
        let mut first = first_pass.lock().unwrap();
        *first = progress.epoch.min(*first);
        ControlFlow::Continue(())
    };
    let resumed = run(1, &note).unwrap();
    assert_eq!(*first_pass.lock().unwrap(), 2, "two passes were done before");
    assert_eq!(resumed.bytes().unwrap(), fit(&examples, 1).unwrap().bytes().unwrap());
    assert!(!checkpoints.exists(), "a finished training leaves none");
}

#[test]
fn a_checkpoint_of_another_training_is_not_gone_on_with() {
    let folder = Folder::new("other-training");
    let checkpoints = folder.0.join(CHECKPOINTS);
    let examples = examples("other-training-data", 1200, 1, 0);
    let run = |seed: u64, flow: ControlFlow<()>| {
        let trained_on = "a test".to_owned();
        let spec = spec(seed);
        train(&examples, &spec, version(), trained_on, Some(&checkpoints), &move |_| flow)
    };
    assert!(matches!(run(1, ControlFlow::Break(())), Err(TrainError::Stopped)));
    let other = run(2, ControlFlow::Continue(())).unwrap();
    assert_eq!(other.bytes().unwrap(), fit(&examples, 2).unwrap().bytes().unwrap());
}

#[test]
fn a_broken_checkpoint_is_named() {
    let folder = Folder::new("broken-checkpoint");
    std::fs::write(folder.0.join("member-0.safetensors"), b"nonsense").unwrap();
    let examples = examples("broken-checkpoint-data", 1200, 1, 0);
    let go_on = |_: &Progress| ControlFlow::Continue(());
    let trained_on = "a test".to_owned();
    let refused =
        train(&examples, &spec(1), version(), trained_on, Some(&folder.0), &go_on).unwrap_err();
    assert!(refused.to_string().contains("member-0.safetensors"), "{refused}");
}

#[test]
fn too_few_patients_are_refused() {
    let examples = examples("few", 50, 1, 0);
    assert!(matches!(fit(&examples, 1), Err(TrainError::TooFew(50))));
}
