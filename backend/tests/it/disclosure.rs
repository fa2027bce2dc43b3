//! Attacks on what is published, by somebody who reads all of it and knows the method, but not the
//! secret. Each attack is first shown to succeed where the protection is missing.

use std::collections::{BTreeMap, BTreeSet};

use backend::summaries::{
    disclosure::Rules,
    lattice::Lattice,
    publication::{Gathered, PublishedCell, lattice},
    question::{Question, StoredCell, SummaryQuery},
    row::{FIELDS, Row},
};
use shared::summary::{MOST_FIELDS, Publication, ROUNDED_TO, SummaryField};

use crate::support::start;

pub const MINIMUM: u32 = 10;
pub const RULES: Rules = Rules { minimum: MINIMUM, secret: [42; 32] };

/// A small, repeatable source of chance (`SplitMix64`).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A value below `size`; low ones are common, high ones rare.
    pub fn skewed(&mut self, size: usize) -> u8 {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (share * share * size as f64) as u8
    }
}

pub fn people(sizes: &[usize], count: usize, seed: u64) -> Vec<Row> {
    let mut chance = Chance(seed);
    let person = |_| {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&chance.next().to_be_bytes());
        let mut values = [0; FIELDS];
        for (value, size) in values.iter_mut().zip(sizes) {
            *value = chance.skewed(*size);
        }
        let measures = [Some(50.0), Some(40.0), None, None, None, None, None, None, None];
        let (kidney_failure, died) =
            (chance.next().is_multiple_of(5), chance.next().is_multiple_of(7));
        Row { key, values, kidney_failure, died, measures }
    };
    (0..count).map(person).collect()
}

pub fn gathered(lattice: &Lattice, people: &[Row]) -> Gathered {
    let mut gathered = Gathered::new(lattice.clone());
    for row in people {
        gathered.add(row);
    }
    gathered
}

/// The true counts of all cells.
pub fn counted(lattice: &Lattice, people: &[Row]) -> Vec<u32> {
    let mut counts = vec![0; lattice.cells()];
    for row in people {
        lattice.cells_of(&row.values).for_each(|cell| counts[cell] += 1);
    }
    counts
}

/// What is published, by the number of the cell.
pub fn by_cell(lattice: &Lattice, cells: &[PublishedCell]) -> BTreeMap<usize, u32> {
    let mut numbers = BTreeMap::new();
    for table in lattice.tables() {
        for (cell, values) in lattice.values(table) {
            let is_this = |one: &&PublishedCell| one.fields == table.fields && one.values == values;
            if let Some(found) = cells.iter().find(is_this) {
                numbers.insert(cell, found.figures.people.cast_unsigned());
            }
        }
    }
    numbers
}

#[test]
fn no_two_nested_questions_differ_by_few_people() {
    let sizes = [2, 5, 4, 3, 3];
    let lattice = Lattice::new(sizes.to_vec(), 3, &[]);
    let lines = lattice.lines();
    let (mut pairs, mut naive) = (0, 0);
    for seed in 0..40 {
        let people = people(&sizes, 60 * (1 + seed as usize % 12), seed);
        let truth = counted(&lattice, &people);
        let shown = by_cell(&lattice, &gathered(&lattice, &people).publish(&RULES));
        for line in &lines {
            for child in line.children() {
                let between = truth[line.margin] - truth[child];
                if !(1..MINIMUM).contains(&between) {
                    continue;
                }
                naive += usize::from(MINIMUM <= truth[child]);
                assert!(
                    !(shown.contains_key(&line.margin) && shown.contains_key(&child)),
                    "{between} people lie between two answers"
                );
            }
            pairs += 1;
        }
    }
    assert!(10_000 < pairs && 50 < naive, "{pairs} pairs, of which {naive} would tell");
}

#[test]
fn one_person_more_or_less_is_not_seen_by_whoever_knows_all_others() {
    // The attacker knows everybody but one, and so the counts without that one and with; the count
    // that is shown must be about as likely in both cases, whatever it is.
    let mut ratios = Vec::new();
    // Where rounding alone would decide.
    for people in [22_u32, 32, 117, 122] {
        let chances = |people: u32| {
            let mut chances: BTreeMap<u32, f64> = BTreeMap::new();
            for key in 0..40_000 {
                *chances.entry(RULES.count(people, key * 7 + u64::from(people))).or_default() +=
                    1.0;
            }
            chances
        };
        let (without, with) = (chances(people), chances(people + 1));
        for (shown, chance) in &with {
            let other = without.get(shown).copied().unwrap_or_default();
            ratios.push(chance / (other + 1.0));
        }
    }
    let decided = ratios.iter().filter(|ratio| 20.0 < **ratio).count();
    assert_eq!(decided, 0, "{ratios:?}");
}

/// Every question that can be asked, one after another.
fn questions() -> Vec<SummaryQuery> {
    let fields = SummaryField::ALL;
    let mut questions = vec![SummaryQuery::default()];
    for (a, first) in fields.iter().enumerate() {
        for (b, second) in fields.iter().enumerate().skip(a) {
            for third in fields.iter().skip(b) {
                let group: BTreeSet<&str> = [first, second, third].map(|field| field.name()).into();
                let group = group.into_iter().collect::<Vec<_>>().join(",");
                let plain = SummaryQuery { group_by: Some(group), ..SummaryQuery::default() };
                questions.push(plain.clone());
                for value in SummaryField::Stage.values(2026) {
                    questions.push(SummaryQuery { stage: Some(value), ..plain.clone() });
                }
                for value in SummaryField::Cause.values(2026) {
                    questions.push(SummaryQuery { cause: Some(value), ..plain.clone() });
                }
            }
        }
    }
    questions
}

#[test]
fn thousands_of_questions_tell_no_more_than_the_publication() {
    let lattice = lattice(2026);
    let sizes: Vec<usize> =
        SummaryField::ALL.iter().map(|field| field.values(2026).len()).collect();
    let mut people = people(&sizes, 3000, 7);
    // Somebody like nobody else.
    people[0].values = [1, 8, 5, 2, 3, 0, 3, 0, 0];
    let cells = gathered(&lattice, &people).publish(&RULES);
    let publication = Publication {
        id: 1,
        published_at: start(),
        minimum_cell_size: MINIMUM.cast_signed(),
        rounded_to: ROUNDED_TO.cast_signed(),
    };
    let mut asked = 0;
    let mut told: BTreeMap<Vec<(String, String)>, i32> = BTreeMap::new();
    for query in questions() {
        let Ok(question) = Question::new(&query, MOST_FIELDS, 2026) else { continue };
        let fields = question.fields();
        let of_table = cells.iter().filter(|cell| cell.fields == fields);
        let stored = of_table
            .map(|cell| StoredCell { values: cell.values.clone(), figures: cell.figures.clone() });
        for group in question.cohort(publication.clone(), stored.collect()).groups {
            let shown = group.figures.people;
            assert!(MINIMUM.cast_signed() <= shown && shown % 5 == 0);
            let before = told.insert(group.group.into_iter().collect(), shown);
            assert!(before.is_none_or(|before| before == shown), "another answer the second time");
        }
        asked += 1;
    }
    assert!(1000 < asked, "{asked} questions");
    // No answer is about the one who is like nobody else, nor about fewer than the minimum.
    let truth = counted(&lattice, &people);
    let shown = by_cell(&lattice, &cells);
    assert!(shown.keys().all(|cell| MINIMUM <= truth[*cell]));
    let alone = lattice.cells_of(&people[0].values).filter(|cell| truth[*cell] < MINIMUM).count();
    assert!(10 < alone, "{alone} of their groups are small");
}

#[test]
fn the_same_people_have_the_same_count_in_every_table() {
    // Everybody is of one sex: the tables with sex repeat those without, and averaging them is void.
    let lattice = Lattice::new(vec![2, 4], 2, &[]);
    let mut people = people(&[2, 4], 400, 3);
    for row in &mut people {
        row.values[0] = 0;
    }
    let cells = gathered(&lattice, &people).publish(&RULES);
    let count = |fields: &[usize], values: &[u8]| {
        cells
            .iter()
            .find(|cell| cell.fields == fields && cell.values == values)
            .unwrap()
            .figures
            .clone()
    };
    for value in 0..3 {
        assert_eq!(count(&[1], &[value]), count(&[0, 1], &[0, value]));
    }
    assert_eq!(count(&[], &[]), count(&[0], &[0]));
}

#[test]
fn a_part_is_told_only_where_many_belong_to_it_and_many_do_not() {
    let lattice = Lattice::new(vec![2, 4, 3], 3, &[]);
    for seed in 0..20 {
        let mut people = people(&[2, 4, 3], 300, seed);
        // In one group everybody dies.
        people.iter_mut().filter(|row| row.values[1] == 0).for_each(|row| row.died = true);
        let truth = |cell: &PublishedCell, of: fn(&Row) -> bool| {
            let is_in = |row: &&Row| {
                cell.fields
                    .iter()
                    .zip(&cell.values)
                    .all(|(field, value)| row.values[*field] == *value)
            };
            people.iter().filter(is_in).filter(|row| of(row)).count()
        };
        for cell in gathered(&lattice, &people).publish(&RULES) {
            if cell.figures.deaths.is_some() {
                assert!(10 <= truth(&cell, |row| row.died) && 10 <= truth(&cell, |row| !row.died));
            }
            if cell.figures.kidney_failure.is_some() {
                assert!(10 <= truth(&cell, |row| row.kidney_failure));
            }
        }
    }
}
