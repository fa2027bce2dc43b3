//! Why: how much each input moves the 5-year risk away from a reference patient's.
//!
//! Shapley values, estimated by two orders of the inputs, one the reverse of the other: in each
//! the inputs change one by one from the reference's to the patient's own, and an input's effect
//! is what its step changed. The steps of an order add up to the difference, so their mean does.

use shared::prediction::Contribution;

use crate::{
    calibration::Course,
    features::{Input, Patient},
    predictor::Predictor,
};

/// What the network says of a patient, and why.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The patient's course.
    pub course: Course,
    /// What each input contributes to its last year's risk.
    pub contributions: Vec<Contribution>,
    /// The reference's risk of that year.
    pub reference: f64,
}

/// Explains patients. All their rows, some ten to forty of each, go through the network together.
pub fn explain(predictor: &Predictor, patients: &[Patient]) -> Vec<Explained> {
    let mut rows = Vec::new();
    let walks: Vec<Walks> = patients.iter().map(|one| Walks::new(one, &mut rows)).collect();
    let mut whole = vec![false; rows.len()];
    let mut last = 0;
    for walks in &walks {
        last += walks.rows;
        whole[last - 1] = true;
    }
    let courses = predictor.courses_where(&rows, |row| whole[row]);
    let mut courses = courses.as_slice();
    let explained = walks.iter().map(|walks| {
        let (own, others) = courses.split_at(walks.rows);
        courses = others;
        walks.explain(own)
    });
    explained.collect()
}

/// A patient's two walks from the reference to themselves.
struct Walks {
    /// The inputs in which the patient differs from the reference.
    inputs: Vec<Input>,
    /// How many rows they are: the reference, the reverse walk's steps without its last, the forward
    /// walk's without its last, then the patient as they are, where both end. Facts come after what is
    /// measured, so that steps which leave the visits as they were follow each other.
    rows: usize,
}

impl Walks {
    /// Adds a patient's rows to those of others.
    fn new(patient: &Patient, rows: &mut Vec<Patient>) -> Self {
        let before = rows.len();
        let mut inputs = Input::all();
        inputs.retain(|input| patient.differs_in(*input));
        rows.push(patient.with_only(&|_| false));
        for count in 1..inputs.len() {
            let first = inputs.len() - count;
            rows.push(patient.with_only(&|own| inputs[first..].contains(&own)));
        }
        for count in 1..inputs.len() {
            rows.push(patient.with_only(&|own| inputs[..count].contains(&own)));
        }
        rows.push(patient.clone());
        Self { inputs, rows: rows.len() - before }
    }

    fn explain(&self, courses: &[Course]) -> Explained {
        let risks: Vec<f64> = courses.iter().map(|course| course[course.len() - 1].0).collect();
        Explained {
            course: courses[courses.len() - 1],
            contributions: self.contributions(&risks),
            reference: risks[0],
        }
    }

    /// The mean over both walks of what each step changed.
    fn contributions(&self, risks: &[f64]) -> Vec<Contribution> {
        let (count, last) = (self.inputs.len(), risks.len() - 1);
        let reverse = |steps: usize| if steps == count { risks[last] } else { risks[steps] };
        let forward = |steps: usize| if steps == 0 { risks[0] } else { risks[count - 1 + steps] };
        let contributions = self.inputs.iter().enumerate().map(|(index, input)| {
            let one_way = forward(index + 1) - forward(index);
            let other_way = reverse(count - index) - reverse(count - index - 1);
            let effect = f64::midpoint(one_way, other_way);
            Contribution { input: input.name().to_owned(), effect }
        });
        contributions.collect()
    }
}
