//! k-anonymity of the rows that researchers can take away (Sweeney, Int J Uncertain Fuzziness
//! 2002;10:557): nobody stands out among fewer than k by what others may know of them.
//!
//! What others may know (sex, age, year, cause, diabetes) is made coarser for everybody alike, as
//! little as possible; people who still stand out are left out.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use shared::{phrase, sentence, summary::SummaryField};

/// Fields by which an outsider may know somebody.
pub const QUASI_IDENTIFIERS: [SummaryField; 5] = [
    SummaryField::Sex,
    SummaryField::AgeBand,
    SummaryField::Cause,
    SummaryField::Diabetes,
    SummaryField::Year,
];

/// How coarse each quasi-identifier can become: 0 is as it is, the last is not told at all.
const COARSEST: [u8; 5] = [1, 3, 1, 1, 3];
/// Coarsening may spare this share of people from being left out; beyond it, it must.
const LEFT_OUT_AT_MOST: f64 = 0.05;

/// The values of somebody's quasi-identifiers.
pub type Class = [u8; 5];

/// How many people have which values.
#[derive(Clone, Debug, Default)]
pub struct Classes(HashMap<Class, u32>);

/// What was done so that at least `k` people share each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anonymisation {
    /// The size that every class has at least.
    pub k: u32,
    /// How coarse each quasi-identifier is.
    pub levels: Class,
    /// Classes of fewer people, who are left out.
    pub small: Vec<Class>,
    /// How many people are in the rows.
    pub kept: u32,
    /// How many are left out.
    pub left_out: u32,
}

impl Classes {
    /// Counts somebody with these values of all fields.
    pub fn add(&mut self, values: &[u8]) {
        *self.0.entry(class(values)).or_default() += 1;
    }

    /// The least that has to be done.
    pub fn anonymise(&self, k: u32) -> Anonymisation {
        let all: u32 = self.0.values().sum();
        let tries = levels().map(|levels| self.with(levels, k));
        let bearable =
            |one: &Anonymisation| f64::from(one.left_out) <= LEFT_OUT_AT_MOST * f64::from(all);
        let cost = |one: &Anonymisation| {
            let steps: u32 = one.levels.iter().map(|level| u32::from(*level)).sum();
            (!bearable(one), if bearable(one) { steps } else { 0 }, one.left_out)
        };
        tries.min_by_key(cost).expect("there are levels to try")
    }

    fn with(&self, levels: Class, k: u32) -> Anonymisation {
        let mut merged: HashMap<Class, u32> = HashMap::new();
        for (class, people) in &self.0 {
            *merged.entry(coarse(*class, levels)).or_default() += people;
        }
        let mut small: Vec<Class> =
            merged.iter().filter(|(_, people)| **people < k).map(|(class, _)| *class).collect();
        small.sort_unstable();
        let left_out = small.iter().map(|class| merged[class]).sum();
        let kept = merged.values().sum::<u32>() - left_out;
        Anonymisation { k, levels, small, kept, left_out }
    }
}

/// What a row says, once it is anonymised.
#[derive(Debug)]
pub struct Filter<'a> {
    levels: Class,
    small: HashSet<&'a Class>,
}

impl<'a> Filter<'a> {
    /// The filter for what was decided.
    pub fn new(decided: &'a Anonymisation) -> Self {
        Self { levels: decided.levels, small: decided.small.iter().collect() }
    }

    /// The coarse class of somebody; `None` for whoever is left out.
    pub fn class(&self, values: &[u8]) -> Option<Class> {
        let class = coarse(class(values), self.levels);
        (!self.small.contains(&class)).then_some(class)
    }
}

fn class(values: &[u8]) -> Class {
    QUASI_IDENTIFIERS.map(|field| values[field as usize])
}

/// Every combination of levels.
fn levels() -> impl Iterator<Item = Class> {
    let count: usize = COARSEST.iter().map(|most| usize::from(*most) + 1).product();
    (0..count).map(|mut number| {
        COARSEST.map(|most| {
            let level = number % (usize::from(most) + 1);
            number /= usize::from(most) + 1;
            u8::try_from(level).expect("there are few levels")
        })
    })
}

/// The class with each value replaced by the first of those that it is merged with.
fn coarse(class: Class, levels: Class) -> Class {
    std::array::from_fn(|place| {
        let (value, level) = (class[place], levels[place]);
        if level == COARSEST[place] {
            return 0;
        }
        let width = merged(QUASI_IDENTIFIERS[place], level);
        // The first band of ages and the years before the single ones stay by themselves.
        let alone = u8::from(width != 1);
        if value < alone { value } else { (value - alone) / width * width + alone }
    })
}

/// How many neighbouring values are merged at a level.
const fn merged(field: SummaryField, level: u8) -> u8 {
    match (field, level) {
        (SummaryField::AgeBand | SummaryField::Year, 1) => 2,
        (SummaryField::AgeBand, 2) => 4,
        (SummaryField::Year, 2) => 5,
        _ => 1,
    }
}

/// What a coarse value is called.
pub fn name(place: usize, value: u8, levels: Class, published_in: i32) -> String {
    let field = QUASI_IDENTIFIERS[place];
    if levels[place] == COARSEST[place] {
        return "any".to_owned();
    }
    let names = field.values(published_in);
    let width = merged(field, levels[place]);
    let same = |other: &u8| {
        let mut class = Class::default();
        class[place] = *other;
        coarse(class, levels)[place] == value
    };
    let last = u8::try_from(names.len()).unwrap_or(u8::MAX);
    let merged: Vec<&str> =
        (0..last).filter(same).map(|other| names[usize::from(other)].as_str()).collect();
    match merged[..] {
        [] => "any".to_owned(),
        [only] => only.to_owned(),
        _ if width == 1 => merged.join(" or "),
        [first, .., last] => format!("{first} to {last}"),
    }
}

/// How a quasi-identifier was made coarser, in words.
pub fn words(place: usize, levels: Class) -> String {
    let field = QUASI_IDENTIFIERS[place];
    if levels[place] == COARSEST[place] {
        return phrase!("not told").to_owned();
    }
    match merged(field, levels[place]) {
        1 => phrase!("as in the summaries").to_owned(),
        width => sentence!("{width} neighbouring values together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(number: u32) -> [u8; 9] {
        let pick = |stretch: u32, size: u32| (number / stretch % size) as u8;
        [pick(1, 2), pick(3, 9), 0, 0, pick(11, 6), pick(7, 3), 0, pick(5, 16), 0]
    }

    #[test]
    fn everybody_who_is_kept_is_among_k() {
        for people in [30_u32, 300, 3000, 30_000] {
            let mut classes = Classes::default();
            (0..people).for_each(|number| classes.add(&values(number)));
            let decided = classes.anonymise(10);
            assert_eq!(decided.kept + decided.left_out, people);
            assert!(decided.left_out * 20 <= people, "{people}: {decided:?}");
            let filter = Filter::new(&decided);
            let mut sizes: HashMap<Class, u32> = HashMap::new();
            let kept = (0..people).filter_map(|number| filter.class(&values(number)));
            kept.for_each(|class| *sizes.entry(class).or_default() += 1);
            assert!(sizes.values().all(|size| 10 <= *size));
            assert_eq!(sizes.values().sum::<u32>(), decided.kept);
        }
    }

    #[test]
    fn more_people_keep_more_detail() {
        let steps = |people: u32| {
            let mut classes = Classes::default();
            (0..people).for_each(|number| classes.add(&values(number)));
            classes.anonymise(10).levels.iter().sum::<u8>()
        };
        assert!(steps(100_000) < steps(3000) && steps(3000) <= steps(100));
    }

    #[test]
    fn fewer_than_k_people_have_no_rows() {
        let mut classes = Classes::default();
        (0..9).for_each(|_| classes.add(&values(1)));
        let decided = classes.anonymise(10);
        assert_eq!((decided.kept, decided.left_out), (0, 9));
        assert_eq!(Filter::new(&decided).class(&values(1)), None);
    }

    #[test]
    fn coarse_values_are_named_by_what_they_hold() {
        let levels = [0, 1, 1, 0, 2];
        assert_eq!(name(0, 1, levels, 2026), "male");
        assert_eq!(name(1, 0, levels, 2026), "0-17");
        assert_eq!(name(1, 1, levels, 2026), "18-29 to 30-39");
        assert_eq!(name(2, 0, levels, 2026), "any");
        assert_eq!(name(4, 1, levels, 2026), "2013 to 2017");
        assert_eq!(words(4, levels), "5 neighbouring values together");
    }
}
