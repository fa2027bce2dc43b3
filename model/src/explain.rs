//! Why: how much each input moves the 5-year risk away from a reference patient's.
//!
//! Shapley values, estimated by two orders of the inputs, one the reverse of the other: in each
//! the inputs change one by one from the reference's to the patient's own, and an input's effect
//! is what its step changed. The steps of an order add up to the difference, so their mean does.

use shared::prediction::Contribution;

use crate::{
    calibration::Course,
    features::{Input, Patient},
    predictor::{PredictError, Predictor},
};

/// A patient's course, what each input contributes to its last year's risk, and the reference's.
/// All rows of a patient, about forty, go through the network together.
pub fn explain(
    predictor: &Predictor,
    patient: &Patient,
) -> Result<(Course, Vec<Contribution>, f64), PredictError> {
    let walks = Walks::new(patient);
    let courses = predictor.courses(&walks.rows)?;
    let risks: Vec<f64> = courses.iter().map(|course| course[course.len() - 1].0).collect();
    let (contributions, reference) = walks.contributions(&risks);
    Ok((courses[courses.len() - 1], contributions, reference))
}

/// A patient's two walks from the reference to themselves.
struct Walks {
    /// The inputs in which the patient differs from the reference.
    inputs: Vec<Input>,
    /// Reference, then the forward walk's steps (the last is the patient), then the reverse
    /// walk's steps without its last, then the patient as they are.
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
        rows.push(patient.clone());
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
