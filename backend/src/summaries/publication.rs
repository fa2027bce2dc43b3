//! Everything that is published, made in one pass over all people.

use shared::summary::{MOST_FIELDS, MeasureSummary, SummaryField, SummaryFigures, SummaryMeasure};

use super::{
    disclosure::{Guarded, Rules},
    lattice::{Finer, Lattice, Line},
    measure::{Prepared, Spread, prepare},
    row::{RISK_BAR, Row, sizes},
};

/// The tables of a publication.
pub fn lattice(published_in: i32) -> Lattice {
    // The bars divide the risk as the categories do, only otherwise: crossed, they would isolate.
    // And a low risk is one below 3 %, which is where the third bar begins.
    let finer = Finer {
        coarse: SummaryField::RiskCategory as usize,
        fine: RISK_BAR,
        same: vec![(0, 0..2), (4, 10..11)],
    };
    Lattice::new(sizes(published_in), MOST_FIELDS, &[finer])
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

/// The true counts of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// How many people.
    pub people: u32,
    /// How many of them reached kidney failure.
    pub kidney_failure: u32,
    /// How many of them died.
    pub deaths: u32,
    /// Of how many each measure is known.
    pub known: [u32; MEASURES],
}

/// How many people each cell leaves out of counts that are known from another publication, where it
/// is of the same people.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Of all people.
    pub people: Vec<Option<u32>>,
    /// Of those who reached kidney failure.
    pub kidney_failure: Vec<Option<u32>>,
    /// Of those who died.
    pub deaths: Vec<Option<u32>>,
    /// Of those of whom each measure is known.
    pub known: [Vec<Option<u32>>; MEASURES],
}

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

    /// The true counts of a cell; they are not for anybody's eyes.
    pub fn counts(&self, fields: &[usize], values: &[u8]) -> Option<Counts> {
        let cell = self.lattice.cell(fields, values)?;
        let spreads = &self.spreads[cell * MEASURES..][..MEASURES];
        Some(Counts {
            people: self.people[cell],
            kidney_failure: self.kidney_failure[cell].people,
            deaths: self.deaths[cell].people,
            known: std::array::from_fn(|place| spreads[place].known),
        })
    }

    /// The fields and values of every cell, in their order.
    pub fn cells(&self) -> impl Iterator<Item = (&[usize], Vec<u8>)> {
        let of = |table| self.lattice.values(table).map(move |(_, values)| values);
        let tables = self.lattice.tables().iter();
        tables.flat_map(move |table| of(table).map(|values| (table.fields.as_slice(), values)))
    }

    /// Decides what is shown, and perturbs it.
    pub fn publish(&self, rules: &Rules) -> Vec<PublishedCell> {
        self.publish_beside(&Rest::default(), rules)
    }

    /// The same beside another publication, from which what is shown must not differ by few people.
    pub fn publish_beside(&self, rest: &Rest, rules: &Rules) -> Vec<PublishedCell> {
        let lines = self.lattice.lines();
        let hide = Hide { gathered: self, lines: &lines, rules };
        let hidden = hide.people(&rest.people);
        let failures = hide.part(&self.kidney_failure, &hidden, &rest.kidney_failure);
        let deaths = hide.part(&self.deaths, &hidden, &rest.deaths);
        let spreads: Vec<Vec<bool>> =
            (0..MEASURES).map(|place| hide.spread(place, &hidden, &rest.known[place])).collect();
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
}

/// Decides which cells are withheld.
struct Hide<'a> {
    gathered: &'a Gathered,
    lines: &'a [Line],
    rules: &'a Rules,
}

impl Hide<'_> {
    /// Cells of which nothing is shown.
    fn people(&self, rest: &[Option<u32>]) -> Vec<bool> {
        self.close(&[&self.gathered.people], rest, &[])
    }

    /// Cells of which it is not shown how many belong to a part: where few do, or few do not.
    fn part(&self, part: &[Tally], hidden: &[bool], rest: &[Option<u32>]) -> Vec<bool> {
        let inside: Vec<u32> = part.iter().map(|tally| tally.people).collect();
        let outside: Vec<u32> =
            self.gathered.people.iter().zip(&inside).map(|(all, inside)| all - inside).collect();
        self.close(&[&inside, &outside], rest, hidden)
    }

    /// Cells of which a quantity is not shown: where it is known of few.
    fn spread(&self, place: usize, hidden: &[bool], rest: &[Option<u32>]) -> Vec<bool> {
        let spreads = self.gathered.spreads.iter().skip(place).step_by(MEASURES);
        let known: Vec<u32> = spreads.map(|spread| spread.known).collect();
        self.close(&[&known], rest, hidden)
    }

    /// Those that are hidden already, the small ones, and what protects them.
    fn close(&self, counts: &[&[u32]], rest: &[Option<u32>], hidden: &[bool]) -> Vec<bool> {
        let (people, minimum) = (self.gathered.people.as_slice(), self.rules.minimum);
        let guarded = Guarded { people, counts, rest, minimum };
        let mut small = guarded.small();
        small.iter_mut().zip(hidden).for_each(|(small, hidden)| *small |= hidden);
        guarded.close(self.lines, small)
    }
}
