//! Why: how much each input moves the 5-year risk away from a reference patient's.
//!
//! Shapley values, estimated by two orders of the inputs, one the reverse of the other: in each
//! the inputs change one by one from the reference's to the patient's own, and an input's effect
//! is what its step changed. The steps of an order add up to the difference, so their mean does.

use shared::prediction::Contribution;

use crate::{
    features::{Input, Patient},
    predictor::{PredictError, Predictor},
};

/// Patients that are explained together; each takes about forty rows.
const CHUNK: usize = 64;

/// Contributions and the reference's 5-year risk, for each patient.
pub fn explain(
    predictor: &Predictor,
    patients: &[Patient],
) -> Result<Vec<(Vec<Contribution>, f64)>, PredictError> {
    let mut explained = Vec::with_capacity(patients.len());
    for chunk in patients.chunks(CHUNK) {
        let walks: Vec<Walks> = chunk.iter().map(Walks::new).collect();
        let rows: Vec<Patient> =
            walks.iter().flat_map(|walks| walks.rows.iter().cloned()).collect();
        let risks: Vec<f64> =
            predictor.courses(&rows)?.iter().map(|course| course[course.len() - 1].0).collect();
        let mut rest = risks.as_slice();
        for walks in walks {
            let (own, others) = rest.split_at(walks.rows.len());
            rest = others;
            explained.push(walks.contributions(own));
        }
    }
    Ok(explained)
}

/// A patient's two walks from the reference to themselves.
struct Walks {
    /// The inputs in which the patient differs from the reference.
    inputs: Vec<Input>,
    /// Reference, then the forward walk's steps (the last is the patient), then the reverse
    /// walk's steps without its last.
    rows: Vec<Patient>,
}

impl Walks {
    fn new(patient: &Patient) -> Self {
        let reference = patient.with_only(&|_| false);
        let inputs: Vec<Input> = Input::all()
            .into_iter()
            .filter(|input| patient.with_only(&|own| own == *input) != reference)
            .collect();
        let mut rows = vec![reference];
        for count in 1..=inputs.len() {
            rows.push(patient.with_only(&|own| inputs[..count].contains(&own)));
        }
        for count in 1..inputs.len() {
            let first = inputs.len() - count;
            rows.push(patient.with_only(&|own| inputs[first..].contains(&own)));
        }
        Self { inputs, rows }
    }

    /// The mean over both walks of what each step changed.
    fn contributions(&self, risks: &[f64]) -> (Vec<Contribution>, f64) {
        let count = self.inputs.len();
        let forward = |steps: usize| risks[steps];
        let reverse = |steps: usize| match steps {
            0 => risks[0],
            _ if steps == count => risks[count],
            _ => risks[count + steps],
        };
        let contributions = self.inputs.iter().enumerate().map(|(index, input)| {
            let one_way = forward(index + 1) - forward(index);
            let other_way = reverse(count - index) - reverse(count - index - 1);
            let effect = f64::midpoint(one_way, other_way);
            Contribution { input: input.name().to_owned(), effect }
        });
        (contributions.collect(), risks[0])
    }
}
