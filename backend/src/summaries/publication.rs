//! Everything that is published, made in one pass over all people.

use shared::summary::{MOST_FIELDS, MeasureSummary, SummaryField, SummaryFigures, SummaryMeasure};

use super::{
    disclosure::{Guarded, Rules},
    lattice::{Lattice, Line},
    measure::{Prepared, Spread, prepare},
    row::{RISK_BAR, Row, sizes},
};

/// The tables of a publication.
pub fn lattice(published_in: i32) -> Lattice {
    // The bars divide the risk as the categories do, only otherwise: crossed, they would isolate.
    let apart = [(SummaryField::RiskCategory as usize, RISK_BAR)];
    Lattice::new(sizes(published_in), MOST_FIELDS, &apart)
}

/// The people of each cell, counted.
#[derive(Debug)]
pub struct Gathered {
    lattice: Lattice,
    people: Vec<u32>,
    keys: Vec<u64>,
    kidney_failure: Vec<Tally>,
    deaths: Vec<Tally>,
    /// All measures of the first cell, then all of the second, …
    spreads: Vec<Spread>,
}

/// Some of the people of a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    people: u32,
    key: u64,
}

impl Tally {
    const fn add(&mut self, key: u64) {
        self.people += 1;
        self.key = self.key.wrapping_add(key);
    }
}

/// One cell that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedCell {
    /// The fields of its table.
    pub fields: Vec<usize>,
    /// Their values.
    pub values: Vec<u8>,
    /// What is said of its people.
    pub figures: SummaryFigures,
}

const MEASURES: usize = SummaryMeasure::ALL.len();

impl Gathered {
    /// Nobody yet.
    pub fn new(lattice: Lattice) -> Self {
        let cells = lattice.cells();
        Self {
            lattice,
            people: vec![0; cells],
            keys: vec![0; cells],
            kidney_failure: vec![Tally::default(); cells],
            deaths: vec![Tally::default(); cells],
            spreads: vec![Spread::default(); cells * MEASURES],
        }
    }

    /// Adds somebody to every table.
    pub fn add(&mut self, row: &Row) {
        let key = row.number();
        let prepared: [Option<Prepared>; MEASURES] = std::array::from_fn(|place| {
            row.measures[place].map(|value| prepare(SummaryMeasure::ALL[place], value))
        });
        for cell in self.lattice.cells_of(&row.values) {
            self.people[cell] += 1;
            self.keys[cell] = self.keys[cell].wrapping_add(key);
            if row.kidney_failure {
                self.kidney_failure[cell].add(key);
            }
            if row.died {
                self.deaths[cell].add(key);
            }
            let spreads = &mut self.spreads[cell * MEASURES..][..MEASURES];
            for (spread, value) in spreads.iter_mut().zip(&prepared) {
                if let Some(value) = value {
                    spread.add(*value, key);
                }
            }
        }
    }

    /// How many people a cell has.
    pub fn people(&self, fields: &[usize], values: &[u8]) -> Option<u32> {
        Some(self.people[self.lattice.cell(fields, values)?])
    }

    /// How many people of a cell reached kidney failure.
    pub fn failures(&self, fields: &[usize], values: &[u8]) -> Option<u32> {
        Some(self.kidney_failure[self.lattice.cell(fields, values)?].people)
    }

    /// Decides what is shown, and perturbs it.
    pub fn publish(&self, rules: &Rules) -> Vec<PublishedCell> {
        self.publish_except(rules, |_, _, _| false)
    }

    /// The same; cells for which `must_hide` says so, by fields, values and people, are withheld
    /// whatever their size.
    pub fn publish_except(
        &self,
        rules: &Rules,
        must_hide: impl Fn(&[usize], &[u8], u32) -> bool,
    ) -> Vec<PublishedCell> {
        let lines = self.lattice.lines();
        let hidden = self.hidden_people(&lines, rules, must_hide);
        let failures = self.hidden_part(&self.kidney_failure, &hidden, &lines, rules);
        let deaths = self.hidden_part(&self.deaths, &hidden, &lines, rules);
        let spreads: Vec<Vec<bool>> =
            (0..MEASURES).map(|place| self.hidden_spread(place, &hidden, &lines, rules)).collect();
        let mut published = Vec::new();
        for table in self.lattice.tables() {
            for (cell, values) in self.lattice.values(table).filter(|(cell, _)| !hidden[*cell]) {
                let part = |tallies: &[Tally], hidden: &[bool]| {
                    let Tally { people, key } = tallies[cell];
                    (!hidden[cell]).then(|| rules.count(people, key).cast_signed())
                };
                let measures: Vec<MeasureSummary> = (0..MEASURES)
                    .filter(|place| !spreads[*place][cell])
                    .map(|place| {
                        let spread = &self.spreads[cell * MEASURES + place];
                        spread.summary(SummaryMeasure::ALL[place], rules)
                    })
                    .collect();
                let figures = SummaryFigures {
                    people: rules.count(self.people[cell], self.keys[cell]).cast_signed(),
                    kidney_failure: part(&self.kidney_failure, &failures),
                    deaths: part(&self.deaths, &deaths),
                    measures,
                };
                published.push(PublishedCell { fields: table.fields.clone(), values, figures });
            }
        }
        published
    }

    /// Cells of which nothing is shown.
    fn hidden_people(
        &self,
        lines: &[Line],
        rules: &Rules,
        must_hide: impl Fn(&[usize], &[u8], u32) -> bool,
    ) -> Vec<bool> {
        let mut small: Vec<bool> =
            self.people.iter().map(|people| *people < rules.minimum).collect();
        for table in self.lattice.tables() {
            for (cell, values) in self.lattice.values(table) {
                small[cell] |= must_hide(&table.fields, &values, self.people[cell]);
            }
        }
        self.guarded(&[&self.people], rules).close(lines, small)
    }

    /// Cells of which it is not shown how many belong to a part: where few do, or few do not.
    fn hidden_part(
        &self,
        part: &[Tally],
        hidden: &[bool],
        lines: &[Line],
        rules: &Rules,
    ) -> Vec<bool> {
        let inside: Vec<u32> = part.iter().map(|tally| tally.people).collect();
        let outside: Vec<u32> =
            self.people.iter().zip(&inside).map(|(all, inside)| all - inside).collect();
        let is_small = |cell: usize| {
            hidden[cell] || inside[cell] < rules.minimum || outside[cell] < rules.minimum
        };
        let small = (0..self.people.len()).map(is_small).collect();
        self.guarded(&[&inside, &outside], rules).close(lines, small)
    }

    /// Cells of which a quantity is not shown: where it is known of few.
    fn hidden_spread(
        &self,
        place: usize,
        hidden: &[bool],
        lines: &[Line],
        rules: &Rules,
    ) -> Vec<bool> {
        let known: Vec<u32> =
            self.spreads.iter().skip(place).step_by(MEASURES).map(|spread| spread.known).collect();
        let small =
            hidden.iter().zip(&known).map(|(hidden, known)| *hidden || *known < rules.minimum);
        self.guarded(&[&known], rules).close(lines, small.collect())
    }

    fn guarded<'a>(&'a self, counts: &'a [&'a [u32]], rules: &Rules) -> Guarded<'a> {
        Guarded { people: &self.people, counts, minimum: rules.minimum }
    }
}
