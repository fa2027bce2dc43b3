//! Reconstruction by linear programming (Cohen, Nissim 2020): everything that is published, as
//! equations about how many people there are of each kind. Somebody who knows the method and how far
//! figures are perturbed, but not the secret, asks a kept solver what is certain of small groups.
//!
//! Each attack is first shown to succeed where small cells are withheld and nothing else is done.

use backend::summaries::{
    disclosure::MOST_NOISE,
    lattice::Lattice,
    performance::{End, Followed, Followers},
    publication::{Gathered, PublishedCell, lattice},
    row::{CALENDAR_YEAR, FIELDS, Facts, Row},
    trend::{Trend, YearFacts},
};
use chrono::NaiveDate;
use microlp::{ComparisonOp, Error, OptimizationDirection, Problem, SolveOutcome};
use shared::{
    id::PatientId,
    patient::{RenalDisease, Sex},
    prediction::RiskSource,
    summary::{ROUNDED_TO, SummaryField, VoicePerformance},
};
use uuid::Uuid;

use crate::disclosure::{Chance, MINIMUM, RULES, by_cell, counted, gathered, people};

/// What is known of some kinds of people: a sum, each kind with its weight.
struct Known {
    weights: Vec<(usize, f64)>,
    least: f64,
    most: f64,
}

impl Known {
    /// So many people are of these kinds.
    fn people(kinds: Vec<usize>, least: f64, most: f64) -> Self {
        Self { weights: kinds.into_iter().map(|kind| (kind, 1.0)).collect(), least, most }
    }

    /// A count that is published: perturbed, rounded, and of no fewer than the minimum.
    fn published(kinds: Vec<usize>, shown: i32) -> Self {
        let most = f64::from(ROUNDED_TO / 2) + MOST_NOISE as f64;
        let shown = f64::from(shown);
        Self::people(kinds, (shown - most).max(MINIMUM.into()), shown + most)
    }

    fn exactly(kinds: Vec<usize>, people: usize) -> Self {
        Self::people(kinds, people as f64, people as f64)
    }
}

/// What an attacker can say of people from all that is published: the least and the most that fit.
struct Attacker {
    kinds: usize,
    known: Vec<Known>,
}

impl Attacker {
    fn extreme(&self, wanted: &[usize], direction: OptimizationDirection) -> Option<f64> {
        let mut problem = Problem::new(direction);
        let is_wanted = |kind: usize| f64::from(u8::from(wanted.contains(&kind)));
        let people: Vec<_> = (0..self.kinds)
            .map(|kind| problem.add_var(is_wanted(kind), (0.0, f64::INFINITY)))
            .collect();
        for Known { weights, least, most } in &self.known {
            let sum: Vec<_> =
                weights.iter().map(|(kind, weight)| (people[*kind], *weight)).collect();
            if least == most {
                problem.add_constraint(sum.as_slice(), ComparisonOp::Eq, *least);
                continue;
            }
            if least.is_finite() {
                problem.add_constraint(sum.as_slice(), ComparisonOp::Ge, *least);
            }
            if most.is_finite() {
                problem.add_constraint(sum.as_slice(), ComparisonOp::Le, *most);
            }
        }
        match problem.solve() {
            Ok(SolveOutcome::Solution(solution)) => Some(solution.objective()),
            Err(Error::Unbounded) => Some(f64::INFINITY),
            Err(Error::Infeasible) => None,
            other => panic!("the attack takes too long: {other:?}"),
        }
    }

    /// `None` if nothing fits: the attacker took a figure to be less perturbed than it is.
    fn interval(&self, wanted: &[usize]) -> Option<(f64, f64)> {
        let least = self.extreme(wanted, OptimizationDirection::Minimize)?;
        Some((least, self.extreme(wanted, OptimizationDirection::Maximize)?))
    }

    /// Whether the number of people comes out.
    fn finds(&self, wanted: &[usize]) -> bool {
        self.interval(wanted).is_some_and(|(least, most)| most - least < 0.5)
    }

    /// Neither is it certain that somebody is there, nor that they are few.
    fn must_not_know(&self, wanted: &[usize], what: &str) {
        let Some((least, most)) = self.interval(wanted) else { return };
        assert!(least < 0.5, "{what}: {least} people are certain");
        assert!(f64::from(MINIMUM) <= most, "{what}: certainly no more than {most}");
    }
}

const fn is_small(people: usize) -> bool {
    0 < people && people < MINIMUM as usize
}

#[test]
fn no_withheld_cell_comes_out_of_all_published_tables_together() {
    let sizes = [2, 3, 4, 3];
    let lattice = Lattice::new(sizes.to_vec(), 3, &[]);
    let kinds = kinds_of_cells(&lattice, &sizes);
    let (mut attacked, mut found) = (0, 0);
    for seed in 0..4 {
        let people = people(&sizes, 500, seed);
        let truth = counted(&lattice, &people);
        let exact = (0..lattice.cells()).filter(|cell| MINIMUM <= truth[*cell]);
        let exact = exact.map(|cell| Known::exactly(kinds[cell].clone(), truth[cell] as usize));
        let naive = Attacker { kinds: sizes.iter().product(), known: exact.collect() };

        let shown = by_cell(&lattice, &gathered(&lattice, &people).publish(&RULES));
        let known = shown
            .iter()
            .map(|(cell, people)| Known::published(kinds[*cell].clone(), people.cast_signed()));
        let attacker = Attacker { kinds: naive.kinds, known: known.collect() };
        let targets = (0..lattice.cells()).filter(|cell| is_small(truth[*cell] as usize));
        for cell in targets.step_by(3) {
            found += usize::from(naive.finds(&kinds[cell]));
            attacker.must_not_know(&kinds[cell], &format!("cell {cell}"));
            attacked += 1;
        }
    }
    assert!(30 < attacked, "{attacked} cells attacked");
    assert!(3 < found, "the attack finds {found} where nothing protects");
}

/// For each cell the kinds of people in it, by what all fields together say.
fn kinds_of_cells(lattice: &Lattice, sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut kinds = vec![Vec::new(); lattice.cells()];
    for kind in 0..sizes.iter().product() {
        let (mut rest, mut values) = (kind, [0; FIELDS]);
        for (value, size) in values.iter_mut().zip(sizes) {
            *value = (rest % size) as u8;
            rest /= size;
        }
        lattice.cells_of(&values).for_each(|cell| kinds[cell].push(kind));
    }
    kinds
}

/// The years in which people are seen or not, as places among those of a trend.
const SEEN_IN: [u8; 3] = [11, 12, 13];
/// Not seen, and two stages: the place, and an eGFR.
const STATES: [Option<(u8, f64)>; 3] = [None, Some((2, 50.0)), Some((4, 20.0))];
const SEX: usize = SummaryField::Sex as usize;
const STAGE: usize = SummaryField::Stage as usize;
const DIABETES: usize = SummaryField::Diabetes as usize;

/// People by sex, diabetes, how they were in each of three years, and when they reached kidney failure:
/// before all years, or in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    sex: u8,
    diabetes: u8,
    states: [usize; 3],
    failed: Option<usize>,
}

impl Course {
    /// Every course in which nobody fails, or, where it is of end points, everybody is seen.
    fn all(of_end_points: bool) -> Vec<Self> {
        let mut all = Vec::new();
        for number in 0..108 {
            let (sex, diabetes) = ((number % 2) as u8, (number / 2 % 2) as u8);
            let states = [number / 4 % 3, number / 12 % 3, number / 36];
            let course = Self { sex, diabetes, states, failed: None };
            if !of_end_points {
                all.push(course);
            } else if states == [1; 3] {
                all.extend(
                    [None, Some(0), Some(1), Some(2), Some(3)]
                        .map(|failed| Self { failed, ..course }),
                );
            }
        }
        all
    }

    fn facts(self, number: u64) -> Facts {
        let seen: Vec<f64> = self.states.iter().filter_map(|one| Some(STATES[*one]?.1)).collect();
        let day = |year: i32| NaiveDate::from_ymd_opt(year, 3, 1);
        Facts {
            id: PatientId(Uuid::from_u128(number.into())),
            birth_date: day(1960).unwrap(),
            sex: if self.sex == 0 { Sex::Female } else { Sex::Male },
            renal_disease: RenalDisease::Unknown,
            diabetes: Some(self.diabetes == 0),
            egfr: seen.last().copied(),
            uacr: None,
            risk_5y: None,
            risk_category: None,
            first_egfr_at: None,
            last_value_at: None,
            egfr_slope: None,
            systolic_bp: None,
            haemoglobin: None,
            hba1c: None,
            kidney_failure_on: self.failed.and_then(|place| day([2001, 2024, 2025, 2026][place])),
            died_on: None,
            told_at: None,
            kfre_2y: None,
            kfre_5y: None,
            network_2y: None,
            network_5y: None,
        }
    }

    fn years(self, id: PatientId) -> Vec<YearFacts> {
        let state = |(place, state): (usize, &usize)| {
            let (_, egfr) = STATES[*state]?;
            let year = 2013 + i32::from(SEEN_IN[place]);
            let [uacr, systolic_bp, haemoglobin, hba1c] = [None; 4];
            let egfr = Some(egfr);
            Some(YearFacts { patient_id: id, year, egfr, uacr, systolic_bp, haemoglobin, hba1c })
        };
        self.states.iter().enumerate().filter_map(state).collect()
    }

    /// Whether somebody of this course is in a cell that is published.
    fn is_in(self, fields: &[usize], values: &[u8]) -> bool {
        let year =
            fields.iter().position(|field| *field == CALENDAR_YEAR).map(|place| values[place]);
        let stage = match year {
            Some(year) => SEEN_IN
                .iter()
                .position(|one| *one == year)
                .and_then(|place| STATES[self.states[place]]),
            None => self.states.iter().rev().find_map(|state| STATES[*state]),
        };
        let is_this = |(field, value): (&usize, &u8)| match *field {
            SEX => self.sex == *value,
            DIABETES => self.diabetes == *value,
            STAGE => stage.map_or(6, |(place, _)| place) == *value,
            _ => true,
        };
        (year.is_none() || stage.is_some()) && fields.iter().zip(values).all(is_this)
    }

    fn failed_in(self, fields: &[usize], values: &[u8]) -> bool {
        let year =
            fields.iter().position(|field| *field == CALENDAR_YEAR).map(|place| values[place]);
        let place = year.and_then(|year| SEEN_IN.iter().position(|one| *one == year));
        self.failed
            .is_some_and(|failed| year.is_none() || place.map(|place| place + 1) == Some(failed))
    }
}

/// A publication with its trends, of people of these courses.
fn published(people: &[Course]) -> Vec<PublishedCell> {
    let today = "2026-11-01".parse().unwrap();
    let mut everybody = Gathered::new(lattice(2026));
    let mut trend = Trend::new(2026);
    for (number, course) in people.iter().enumerate() {
        let facts = course.facts(number as u64);
        let row = Row::new(&facts, &RULES.secret, today);
        everybody.add(&row);
        trend.add(&facts, &row, &course.years(facts.id), today);
    }
    let mut cells = everybody.publish(&RULES);
    cells.extend(trend.publish(&everybody, &RULES));
    // All other fields have one value.
    let tells = [SEX, STAGE, DIABETES, CALENDAR_YEAR];
    cells.retain(|cell| cell.fields.iter().all(|field| tells.contains(field)));
    cells
}

/// Every group of people that a question could be about, in a year or as of the publication.
fn questions() -> Vec<(Vec<usize>, Vec<u8>)> {
    let mut questions = Vec::new();
    for sex in [None, Some(0), Some(1)] {
        for diabetes in [None, Some(0), Some(1)] {
            for stage in [None, Some(2), Some(4)] {
                for year in [None, Some(11), Some(12), Some(13)] {
                    let all =
                        [(SEX, sex), (STAGE, stage), (DIABETES, diabetes), (CALENDAR_YEAR, year)];
                    let some = all.into_iter().filter_map(|(field, value)| Some((field, value?)));
                    let (fields, values): (Vec<usize>, Vec<u8>) = some.unzip();
                    if fields.len() <= 3 {
                        questions.push((fields, values));
                    }
                }
            }
        }
    }
    questions
}

fn kinds(courses: &[Course], of: impl Fn(&Course) -> bool) -> Vec<usize> {
    courses.iter().enumerate().filter(|(_, course)| of(course)).map(|(kind, _)| kind).collect()
}

/// People of courses drawn by chance; of those who are not seen in every year, one of `rare` stays.
fn drawn(courses: &[Course], count: usize, seed: u64, rare: u64) -> Vec<Course> {
    let mut chance = Chance(seed);
    let mut some = Vec::new();
    while some.len() < count {
        let course = courses[chance.skewed(108) as usize % courses.len()];
        let unseen = course.states.iter().filter(|state| **state == 0).count();
        if unseen == 0 || chance.next().is_multiple_of(rare) {
            some.push(course);
        }
    }
    some
}

#[test]
fn nobody_who_is_missing_in_a_year_comes_out_of_the_trends() {
    let courses = Course::all(false);
    let (mut attacked, mut found) = (0, 0);
    for seed in 0..6 {
        let people = drawn(&courses, 200 + 100 * seed as usize, seed, 20 + 10 * seed);
        let count = |of: &dyn Fn(&Course) -> bool| people.iter().filter(|one| of(one)).count();
        let mut naive = Attacker { kinds: courses.len(), known: Vec::new() };
        let mut targets = Vec::new();
        for (fields, values) in questions() {
            let is_in = |one: &Course| one.is_in(&fields, &values);
            match count(&is_in) {
                all if MINIMUM as usize <= all => {
                    naive.known.push(Known::exactly(kinds(&courses, is_in), all));
                }
                few if is_small(few) => {
                    targets.push((kinds(&courses, is_in), format!("{fields:?} {values:?}")));
                }
                _ => {}
            }
            // Who is of a group, but was not seen in the year.
            if fields.last() == Some(&CALENDAR_YEAR) && !fields.contains(&STAGE) {
                let groups = &fields[..fields.len() - 1];
                let is_missing =
                    |one: &Course| one.is_in(groups, &values) && !one.is_in(&fields, &values);
                if is_small(count(&is_missing)) {
                    targets
                        .push((kinds(&courses, is_missing), format!("not {fields:?} {values:?}")));
                }
            }
        }
        let known = published(&people).into_iter().map(|cell| {
            let is_in = |one: &Course| one.is_in(&cell.fields, &cell.values);
            Known::published(kinds(&courses, is_in), cell.figures.people)
        });
        let attacker = Attacker { kinds: courses.len(), known: known.collect() };
        for (target, what) in targets {
            found += usize::from(naive.finds(&target));
            attacker.must_not_know(&target, &format!("seed {seed}: {what}"));
            attacked += 1;
        }
    }
    assert!(50 < attacked, "{attacked} groups attacked");
    assert!(10 < found, "the attack finds {found} where nothing protects");
}

#[test]
fn few_end_points_do_not_come_out_of_all_years_together() {
    let courses = Course::all(true);
    let (mut attacked, mut found) = (0, 0);
    for seed in 0..5 {
        let mut chance = Chance(seed);
        let count = 150 + 50 * seed;
        let people: Vec<Course> =
            (0..count).map(|_| courses[usize::from(chance.skewed(courses.len()))]).collect();
        let count = |of: &dyn Fn(&Course) -> bool| people.iter().filter(|one| of(one)).count();
        let mut naive = Attacker { kinds: courses.len(), known: Vec::new() };
        let mut targets = Vec::new();
        for (fields, values) in questions() {
            let is_in = |one: &Course| one.is_in(&fields, &values);
            let failed = |one: &Course| is_in(one) && one.failed_in(&fields, &values);
            naive.known.push(Known::exactly(kinds(&courses, is_in), count(&is_in)));
            match count(&failed) {
                all if MINIMUM as usize <= all => {
                    naive.known.push(Known::exactly(kinds(&courses, failed), all));
                }
                few if is_small(few) => {
                    targets.push((kinds(&courses, failed), format!("{fields:?} {values:?}")));
                }
                _ => {}
            }
            if !fields.contains(&CALENDAR_YEAR) {
                let earlier = |one: &Course| is_in(one) && one.failed == Some(0);
                if is_small(count(&earlier)) {
                    targets
                        .push((kinds(&courses, earlier), format!("{fields:?} {values:?} before")));
                }
            }
        }
        let mut known = Vec::new();
        for cell in published(&people) {
            let is_in = |one: &Course| one.is_in(&cell.fields, &cell.values);
            known.push(Known::published(kinds(&courses, is_in), cell.figures.people));
            if let Some(failures) = cell.figures.kidney_failure {
                let failed = |one: &Course| is_in(one) && one.failed_in(&cell.fields, &cell.values);
                known.push(Known::published(kinds(&courses, failed), failures));
            }
        }
        let attacker = Attacker { kinds: courses.len(), known };
        for (target, what) in targets {
            found += usize::from(naive.finds(&target));
            attacker.must_not_know(&target, &format!("seed {seed}: {what}"));
            attacked += 1;
        }
    }
    assert!(20 < attacked, "{attacked} groups attacked");
    assert!(5 < found, "the attack finds {found} where nothing protects");
}

/// Where the attacked bands of 5-year risk begin; risks within 2 years are half of it.
const BANDS: [f64; 4] = [0.005, 0.05, 0.2, 0.5];
/// When people fail: within two years, within five, or not.
const DAYS: [u32; 3] = [300, 1200, 4000];

/// People by what both voices told them, and what happened.
#[derive(Clone, Copy, Debug)]
struct Told {
    bands: [usize; 2],
    outcome: usize,
}

impl Told {
    fn all() -> Vec<Self> {
        let of = |kind: usize| Self { bands: [kind % 4, kind / 4 % 4], outcome: kind / 16 };
        (0..48).map(of).collect()
    }

    fn followed(self, key: u64) -> Followed {
        let risks = self.bands.map(|band| [BANDS[band] / 2.0, BANDS[band]]);
        let end = if self.outcome == 2 { End::LastSeen } else { End::KidneyFailure };
        Followed { key, days: DAYS[self.outcome], end, risks }
    }

    /// Of which kind it is.
    const fn kind(self) -> usize {
        self.bands[0] + 4 * self.bands[1] + 16 * self.outcome
    }
}

/// What the share of some people who failed says: so many, of so many, as far as it is perturbed.
fn share(of: &[usize], failed: &[usize], shown: f64, margin: f64) -> [Known; 2] {
    let weights = |share: f64| -> Vec<(usize, f64)> {
        of.iter().map(|kind| (*kind, f64::from(u8::from(failed.contains(kind))) - share)).collect()
    };
    [
        Known { weights: weights(shown - margin), least: 0.0, most: f64::INFINITY },
        Known { weights: weights(shown + margin), least: f64::NEG_INFINITY, most: 0.0 },
    ]
}

/// Everything that is told of both voices, as equations.
fn told(voices: &[VoicePerformance], people: &[Told]) -> Vec<Known> {
    let all = Told::all();
    let mut known = Vec::new();
    for voice in voices {
        let place = usize::from(voice.source == RiskSource::Network);
        let last = usize::from(voice.years == 5);
        let of = |is_in: &dyn Fn(&Told) -> bool| -> Vec<usize> {
            all.iter().filter(|one| is_in(one)).map(|one| one.kind()).collect()
        };
        let failed = of(&|one| one.outcome <= last);
        if let Some(count) = voice.kidney_failure {
            known.push(Known::published(failed.clone(), count));
        }
        let whole = (0.0, 1.0, voice.people, voice.observed);
        let bands = voice.groups.iter().map(|one| (one.from, one.to, one.people, one.observed));
        for (from, to, count, observed) in [whole].into_iter().chain(bands) {
            let is_in = |one: &Told| (from..to).contains(&BANDS[one.bands[place]]);
            let kinds = of(&is_in);
            // Nineteen of twenty shares are perturbed by no more than this; the attacker is told how
            // many are still seen.
            let seen = people.iter().filter(|one| is_in(one) && last < one.outcome).count();
            known.extend(share(&kinds, &failed, observed, 3.0 / seen as f64 + 0.0005));
            known.push(Known::published(kinds, count));
        }
    }
    known
}

#[test]
fn few_failures_do_not_come_out_of_the_calibration() {
    let all = Told::all();
    let (mut attacked, mut found) = (0, 0);
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let people: Vec<Told> = (0..600)
            .map(|_| {
                let first = usize::from(chance.skewed(4));
                let share = (chance.next() % 1000) as f64 / 1000.0;
                // The voices agree on most.
                let second = if chance.next().is_multiple_of(5) {
                    usize::from(chance.skewed(4))
                } else {
                    first
                };
                let risk = BANDS[first] * 1.5;
                let outcome = if share < risk / 2.0 {
                    0
                } else if share < risk {
                    1
                } else {
                    2
                };
                Told { bands: [first, second], outcome }
            })
            .collect();
        let count = |of: &dyn Fn(&Told) -> bool| people.iter().filter(|one| of(one)).count();
        let mut naive = Vec::new();
        let mut targets = Vec::new();
        for voice in 0..2 {
            for from in 0..4 {
                for to in from..4 {
                    let is_in = |one: &Told| (from..=to).contains(&one.bands[voice]);
                    let of = |outcomes: std::ops::RangeInclusive<usize>| {
                        move |one: &Told| is_in(one) && outcomes.contains(&one.outcome)
                    };
                    let kinds = |of: &dyn Fn(&Told) -> bool| -> Vec<usize> {
                        all.iter().filter(|one| of(one)).map(|one| one.kind()).collect()
                    };
                    naive.push(Known::exactly(kinds(&is_in), count(&is_in)));
                    for outcomes in [0..=0, 0..=1, 1..=1] {
                        let what = format!("voice {voice}, bands {from} to {to}, {outcomes:?}");
                        let failed = of(outcomes.clone());
                        let failures = count(&failed);
                        if is_small(failures) {
                            targets.push((kinds(&failed), what));
                        } else if MINIMUM as usize <= failures && outcomes != (1..=1) {
                            naive.push(Known::exactly(kinds(&failed), failures));
                        }
                    }
                }
            }
        }
        let naive = Attacker { kinds: all.len(), known: naive };
        let mut followers = Followers::default();
        for one in &people {
            followers.add(one.followed(chance.next()));
        }
        let failures = u32::try_from(count(&|one| one.outcome < 2)).unwrap();
        let voices = followers.publish(people.len() as u32, failures, &RULES);
        let attacker = Attacker { kinds: all.len(), known: told(&voices, &people) };
        for (target, what) in targets {
            found += usize::from(naive.finds(&target));
            attacker.must_not_know(&target, &format!("seed {seed}: {what}"));
            attacked += 1;
        }
    }
    assert!(20 < attacked, "{attacked} groups attacked");
    assert!(5 < found, "the attack finds {found} where nothing protects");
}
