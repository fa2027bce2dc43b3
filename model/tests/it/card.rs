use std::path::Path;

use shared::model::{ModelCard, SOURCE_ATTRIBUTES};

use crate::support::released;

fn released_card() -> ModelCard {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts/card.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_released_card_speaks_of_every_source_attribute() {
    assert_eq!(released_card().faults(), Vec::<String>::new());
}

#[test]
fn the_released_card_is_that_of_the_released_network() {
    let (card, predictor) = (released_card(), released());
    assert_eq!((card.name, card.version), {
        let model = predictor.version().clone();
        (model.name, model.version)
    });
}

#[test]
fn a_card_that_says_nothing_of_an_attribute_has_a_fault_for_each() {
    for wanted in &SOURCE_ATTRIBUTES {
        let mut without = released_card();
        without.attributes.retain(|given| given.key != wanted.key);
        assert!(without.faults()[0].contains(wanted.key), "{:?}", without.faults());

        let mut blank = released_card();
        for given in blank.attributes.iter_mut().filter(|given| given.key == wanted.key) {
            given.text = " \n".to_owned();
        }
        assert_eq!(blank.faults().len(), 1, "{}", wanted.key);
    }
}
