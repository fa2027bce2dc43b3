//! Counts under ε-differential privacy (Dwork and others, Calibrating noise to sensitivity in private
//! data analysis, TCC 2006), by the discrete Laplace mechanism of the `opendp` crate.
//!
//! A question divides people into groups, so that one person more or less changes one count by one:
//! noise of scale 1/ε makes any answer at most e^ε times as likely with that person as without. The
//! costs of several answers add up, which is why there is a budget.

use std::collections::BTreeMap;

use anyhow::anyhow;
use opendp::{
    domains::{AtomDomain, VectorDomain},
    measurements::make_laplace,
    measures::MaxDivergence,
    metrics::L1Distance,
};
use serde_json::{Value, json};
use shared::{
    phrase,
    privacy::{LEAST_EPSILON, MOST_EPSILON, MOST_PRIVATE_FIELDS, PrivateCount, PrivateQuestion},
    sentence,
    summary::SummaryField,
};

use super::question::StoredCount;
use crate::{error::Result, input::Faults};

/// A private question whose words are all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The fields, ascending, with the values that are wanted of each, ascending.
    fields: Vec<Chosen>,
    /// What it costs, in thousandths of ε.
    pub thousandths: i32,
    published_in: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    field: SummaryField,
    is_group: bool,
    wanted: Vec<u8>,
}

impl Asked {
    /// Reads a question, or says everything that is wrong with it.
    pub fn new(question: &PrivateQuestion, published_in: i32) -> Result<Self> {
        let mut faults = Faults::default();
        let thousandths = thousandths(question.epsilon, &mut faults);
        let mut groups = question.group_by.clone();
        groups.sort_unstable();
        groups.dedup();
        if groups.len() < question.group_by.len() {
            faults.add("/group_by", phrase!("must name each field once"));
        }
        let mut fields = Vec::new();
        for field in SummaryField::ALL {
            let (is_group, filter) = (groups.contains(&field), question.filters.get(&field));
            if is_group || filter.is_some() {
                let wanted = wanted(field, filter, published_in, &mut faults);
                fields.push(Chosen { field, is_group, wanted });
            }
        }
        if MOST_PRIVATE_FIELDS < fields.len() {
            let message = sentence!(
                "at most {MOST_PRIVATE_FIELDS} fields can be combined, as groups and filters together; these are {named}",
                named = fields.len()
            );
            faults.add("/group_by", message);
        }
        faults.refuse()?;
        Ok(Self { fields, thousandths, published_in })
    }

    /// What the question costs.
    pub fn epsilon(&self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }

    /// The question in one way of writing it: the same question is known by it.
    pub fn question(&self) -> Value {
        let groups = self.fields.iter().filter(|one| one.is_group).map(|one| one.field);
        let of_all = |one: &&Chosen| one.wanted.len() < one.field.values(self.published_in).len();
        let filters: BTreeMap<SummaryField, Vec<String>> = self
            .fields
            .iter()
            .filter(of_all)
            .map(|one| (one.field, one.wanted.iter().map(|value| self.name(one, *value)).collect()))
            .collect();
        json!({ "group_by": groups.collect::<Vec<_>>(), "filters": filters })
    }

    /// The places of the fields among all, counted from 1; 0 where there are fewer.
    pub fn places(&self) -> [i32; MOST_PRIVATE_FIELDS] {
        std::array::from_fn(|place| self.fields.get(place).map_or(0, |one| one.field as i32 + 1))
    }

    /// Of every group the true count, groups without people included, in their order.
    pub fn sums(&self, counted: &[StoredCount]) -> Vec<i64> {
        let mut sums = vec![0; self.groups().map(|one| one.wanted.len()).product()];
        for StoredCount { values, people } in counted {
            if let Some(place) = self.place(values) {
                sums[place] += people;
            }
        }
        sums
    }

    /// Counts with the names of their groups.
    pub fn named(&self, counts: &[i64]) -> Vec<PrivateCount> {
        let group = |(mut place, people): (usize, &i64)| {
            let mut group = BTreeMap::new();
            for one in self.groups().rev() {
                let value = one.wanted[place % one.wanted.len()];
                place /= one.wanted.len();
                group.insert(one.field.name().to_owned(), self.name(one, value));
            }
            PrivateCount { group, people: *people }
        };
        counts.iter().enumerate().map(group).collect()
    }

    fn groups(&self) -> impl DoubleEndedIterator<Item = &Chosen> {
        self.fields.iter().filter(|one| one.is_group)
    }

    /// The group of people with these values, one for each field; `None` if they are not wanted.
    fn place(&self, values: &[u8]) -> Option<usize> {
        let mut group = 0;
        for (one, value) in self.fields.iter().zip(values) {
            let place = one.wanted.iter().position(|wanted| wanted == value)?;
            if one.is_group {
                group = group * one.wanted.len() + place;
            }
        }
        Some(group)
    }

    fn name(&self, one: &Chosen, value: u8) -> String {
        one.field.values(self.published_in).swap_remove(usize::from(value))
    }
}

fn thousandths(epsilon: f64, faults: &mut Faults) -> i32 {
    let thousandths = (epsilon * 1000.0).round();
    if !(LEAST_EPSILON..=MOST_EPSILON).contains(&epsilon)
        || 1e-6 < (epsilon * 1000.0 - thousandths).abs()
    {
        let message = sentence!("must be {LEAST_EPSILON} to {MOST_EPSILON}, in thousandths");
        faults.add("/epsilon", message);
        return 0;
    }
    thousandths as i32
}

fn wanted(
    field: SummaryField,
    filter: Option<&Vec<String>>,
    published_in: i32,
    faults: &mut Faults,
) -> Vec<u8> {
    let known = field.values(published_in);
    let pointer = format!("/filters/{}", field.name());
    let is_wanted = |value: &String| filter.is_none_or(|filter| filter.contains(value));
    if filter.is_some_and(|filter| filter.iter().any(|value| !known.contains(value))) {
        faults.add(pointer, sentence!("must be some of {known}", known = known.join(", ")));
    } else if filter.is_some_and(Vec::is_empty) {
        faults.add(pointer, phrase!("must name a value, or be left out"));
    }
    let places = known.iter().enumerate().filter(|(_, value)| is_wanted(value));
    places.filter_map(|(place, _)| u8::try_from(place).ok()).collect()
}

/// Counts with noise, so that together they cost no more than this. It computes for a while: call
/// it off the async threads.
pub fn noisy(counts: &Vec<i64>, epsilon: f64) -> anyhow::Result<Vec<i64>> {
    // OpenDP rounds the cost up: the next wider noise is where it stays below.
    let scale = (1.0 / epsilon).next_up();
    let domain = VectorDomain::new(AtomDomain::<i64>::default());
    let mechanism =
        make_laplace::<_, _, MaxDivergence>(domain, L1Distance::<i64>::default(), scale, None)
            .map_err(|error| anyhow!("no mechanism of scale {scale}: {error}"))?;
    let cost = mechanism.map(&1).map_err(|error| anyhow!("no cost: {error}"))?;
    anyhow::ensure!(cost <= epsilon, "the answer would cost {cost}, not {epsilon}");
    mechanism.invoke(counts).map_err(|error| anyhow!("no noise: {error}"))
}

/// 19 of 20 noises are at most this.
pub fn margin(epsilon: f64) -> i64 {
    (20.0_f64.ln() / epsilon).ceil() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn question(value: Value) -> PrivateQuestion {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_question_is_known_however_it_is_written() {
        let one = question(json!({ "group_by": ["stage", "sex"], "epsilon": 0.1,
            "filters": { "stage": ["G5", "G4", "G4"], "diabetes": ["yes", "no", "unknown"] } }));
        let other = question(json!({ "group_by": ["sex", "stage"], "epsilon": 0.1,
            "filters": { "diabetes": ["no", "yes", "unknown"], "stage": ["G4", "G5"] } }));
        let [one, other] = [one, other].map(|one| Asked::new(&one, 2026).unwrap());
        assert_eq!(one.question(), other.question());
        assert_eq!(
            one.question(),
            json!({ "group_by": ["sex", "stage"], "filters": { "stage": ["G4", "G5"] } })
        );
        assert_eq!((one.thousandths, one.places()), (100, [1, 3, 6, 0]));
    }

    #[test]
    fn every_group_is_answered_and_filters_add_up() {
        let asked = question(json!({ "group_by": ["sex"], "epsilon": 1.0,
            "filters": { "stage": ["G4", "G5"] } }));
        let asked = Asked::new(&asked, 2026).unwrap();
        let count = |sex, stage, people| StoredCount { values: vec![sex, stage], people };
        let counted = [count(1, 4, 7), count(1, 5, 5), count(1, 3, 100)];
        assert_eq!(asked.sums(&counted), [0, 12]);
        let named = asked.named(&[0, 12]);
        assert_eq!((named[0].group["sex"].as_str(), named[0].people), ("female", 0));
        assert_eq!((named[1].group["sex"].as_str(), named[1].people), ("male", 12));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = question(json!({ "epsilon": 0.0005,
            "group_by": ["sex", "sex", "stage", "cause", "year"],
            "filters": { "diabetes": [], "risk_category": ["terrible"] } }));
        let Err(Error::Invalid(faults)) = Asked::new(&wrong, 2026) else { panic!("it is wrong") };
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let expected =
            ["/epsilon", "/group_by", "/filters/diabetes", "/filters/risk_category", "/group_by"];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn every_price_buys_noise_that_costs_no_more() {
        for thousandths in 10..=1000 {
            noisy(&vec![0], f64::from(thousandths) / 1000.0).unwrap();
        }
    }

    #[test]
    fn noise_is_as_wide_as_its_cost_says() {
        let epsilon = 0.5;
        // Every limit here is at least six standard errors away from what is expected.
        let noise = noisy(&vec![0; 4000], epsilon).unwrap();
        let mean = noise.iter().sum::<i64>() as f64 / 4000.0;
        assert!(mean.abs() < 0.27, "{mean}");
        // The discrete Laplace distribution's mean distance from 0 is 1 / sinh ε.
        let distance = noise.iter().map(|one| one.abs()).sum::<i64>() as f64 / 4000.0;
        assert!((distance - 1.0 / epsilon.sinh()).abs() < 0.2, "{distance}");
        let within = noise.iter().filter(|one| one.abs() <= margin(epsilon)).count();
        assert!(3775 <= within, "{within}");
    }

    #[test]
    fn one_person_changes_how_likely_an_answer_is_by_no_more_than_was_paid() {
        let epsilon = 1.0;
        let chances = |people: i64| {
            let mut chances: BTreeMap<i64, f64> = BTreeMap::new();
            for shown in noisy(&vec![people; 200_000], epsilon).unwrap() {
                *chances.entry(shown).or_default() += 1.0;
            }
            chances
        };
        let (without, with) = (chances(20), chances(21));
        let mut compared = 0;
        for (shown, with) in &with {
            let without = without.get(shown).copied().unwrap_or(0.0);
            // Counted from 2,500 upwards, a ratio is within 14 % of what it would be if drawn for
            // ever: that is six times its standard error, so chance alone does not fail this.
            if with.min(without) < 2500.0 {
                continue;
            }
            let limit = epsilon.exp() * 1.14;
            let ratio = with / without;
            assert!((1.0 / limit..limit).contains(&ratio), "{shown}: {ratio}");
            compared += 1;
        }
        assert!(4 < compared, "{compared}");
    }
}
