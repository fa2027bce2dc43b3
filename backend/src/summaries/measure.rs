//! How the values of a quantity are gathered, and what is said of them.

use shared::summary::{MeasureSummary, SummaryMeasure};

use super::disclosure::{Rules, is_dominated};

/// Into how many bins the range of a quantity is divided.
const BINS: usize = 24;

/// How a quantity is summarised.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Values outside are taken as these: an extreme value does not stand out.
    low: f64,
    high: f64,
    /// Whether bins widen with the value.
    logarithmic: bool,
    /// What figures are rounded to.
    step: f64,
}

const fn scale(measure: SummaryMeasure) -> Scale {
    let (low, high, logarithmic, step) = match measure {
        SummaryMeasure::Age => (0.0, 90.0, false, 1.0),
        SummaryMeasure::Egfr => (5.0, 125.0, false, 1.0),
        SummaryMeasure::EgfrSlope => (-12.0, 12.0, false, 0.1),
        SummaryMeasure::Uacr => (3.0, 3000.0, true, 1.0),
        SummaryMeasure::SystolicBp => (90.0, 210.0, false, 1.0),
        SummaryMeasure::Haemoglobin => (6.0, 18.0, false, 0.1),
        SummaryMeasure::Hba1c => (4.0, 13.0, false, 0.1),
        SummaryMeasure::Risk5y => (0.001, 1.0, true, 0.01),
        SummaryMeasure::FollowUp => (0.0, 24.0, false, 0.1),
    };
    Scale { low, high, logarithmic, step }
}

impl Scale {
    fn bin(self, value: f64) -> usize {
        let place = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        ((place * BINS as f64) as usize).min(BINS - 1)
    }

    fn edge(self, place: f64) -> f64 {
        let share = place / BINS as f64;
        if self.logarithmic {
            self.low * (self.high / self.low).powf(share)
        } else {
            self.low + (self.high - self.low) * share
        }
    }

    fn rounded(self, value: f64) -> f64 {
        let steps = (1.0 / self.step).round();
        (value * steps).round() / steps
    }
}

/// The values of one quantity in one cell.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    /// How many people have one.
    pub known: u32,
    /// The sum of their keys.
    pub key: u64,
    sum: f64,
    /// The greatest two.
    greatest: [f32; 2],
    bins: [u32; BINS],
}

/// A value of somebody, made ready once for all cells.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    above_low: f64,
    bin: usize,
}

/// A value within the quantity's range.
pub fn prepare(measure: SummaryMeasure, value: f64) -> Prepared {
    let scale = scale(measure);
    let value = value.clamp(scale.low, scale.high);
    Prepared { above_low: value - scale.low, bin: scale.bin(value) }
}

impl Spread {
    /// Adds somebody.
    pub fn add(&mut self, value: Prepared, key: u64) {
        let contribution = value.above_low as f32;
        if self.greatest[0] < contribution {
            self.greatest = [contribution, self.greatest[0]];
        } else if self.greatest[1] < contribution {
            self.greatest[1] = contribution;
        }
        self.known += 1;
        self.key = self.key.wrapping_add(key);
        self.sum += value.above_low;
        self.bins[value.bin] += 1;
    }

    /// What is said of the values.
    pub fn summary(&self, measure: SummaryMeasure, rules: &Rules) -> MeasureSummary {
        // A quarter of the people is still a group of its own.
        let quartiles =
            (4 * rules.minimum <= 2 * self.known).then(|| self.quartiles(measure, rules));
        let quartile = |place: usize| quartiles.map(|quartiles| quartiles[place]);
        MeasureSummary {
            measure,
            unit: measure.unit().to_owned(),
            known: rules.count(self.known, self.key).cast_signed(),
            mean: self.mean(measure, rules),
            lower_quartile: quartile(0),
            median: quartile(1),
            upper_quartile: quartile(2),
        }
    }

    /// The mean, perturbed by about what the most extreme person there could be would change it.
    fn mean(&self, measure: SummaryMeasure, rules: &Rules) -> Option<f64> {
        let [greatest, second] = self.greatest.map(f64::from);
        if is_dominated(self.sum, greatest, second) {
            return None;
        }
        let scale = scale(measure);
        let known = f64::from(self.known);
        let mean = self.sum / known;
        let reach = mean.max(scale.high - scale.low - mean);
        let noise = rules.factor(measure.name(), self.key) * reach / known;
        Some(scale.rounded((scale.low + mean + noise).clamp(scale.low, scale.high)))
    }

    /// The quartiles, each of a rank that is perturbed by about one person.
    fn quartiles(&self, measure: SummaryMeasure, rules: &Rules) -> [f64; 3] {
        let known = f64::from(self.known);
        let mut quartiles = [0.25, 0.5, 0.75].map(|share| {
            let noise = rules.factor(&format!("{} at {share}", measure.name()), self.key);
            self.at_rank(measure, (share * known + noise).clamp(0.0, known))
        });
        quartiles.sort_by(f64::total_cmp);
        quartiles
    }

    /// The value below which so many people are, by even spread within its bin: no value of anybody.
    fn at_rank(&self, measure: SummaryMeasure, wanted: f64) -> f64 {
        let scale = scale(measure);
        let mut below = 0.0;
        for (bin, people) in self.bins.iter().map(|people| f64::from(*people)).enumerate() {
            if 0.0 < people && wanted <= below + people {
                return scale.rounded(scale.edge(bin as f64 + (wanted - below) / people));
            }
            below += people;
        }
        scale.high
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const RULES: Rules = Rules { minimum: 10, secret: [7; 32] };

    fn spread(measure: SummaryMeasure, values: impl IntoIterator<Item = f64>) -> Spread {
        let mut spread = Spread::default();
        for (key, value) in values.into_iter().enumerate() {
            spread.add(prepare(measure, value), key as u64 * 77);
        }
        spread
    }

    #[test]
    fn figures_of_many_people_are_near_the_truth() {
        let egfr = spread(SummaryMeasure::Egfr, (0..4000).map(|n| 20.0 + f64::from(n % 41)));
        let summary = egfr.summary(SummaryMeasure::Egfr, &RULES);
        assert_eq!(summary.mean, Some(40.0));
        for (figure, truth) in
            [(summary.lower_quartile, 30.0), (summary.median, 40.0), (summary.upper_quartile, 50.0)]
        {
            assert!((figure.unwrap() - truth).abs() <= 1.0, "{figure:?}, not {truth}");
        }
        let uacr = spread(SummaryMeasure::Uacr, (0..999).map(|n| f64::from(n % 100) * 10.0));
        let median = uacr.summary(SummaryMeasure::Uacr, &RULES).median.unwrap();
        assert!((420.0..580.0).contains(&median), "{median}");
    }

    #[test]
    fn few_people_have_no_quartiles_and_one_great_value_no_mean() {
        let few = spread(SummaryMeasure::Egfr, (0..19).map(|n| 30.0 + f64::from(n)));
        let summary = few.summary(SummaryMeasure::Egfr, &RULES);
        assert_eq!(summary.median, None);
        assert!(summary.mean.is_some());
        let one = spread(SummaryMeasure::Uacr, (0..30).map(|n| if n == 3 { 9000.0 } else { 4.0 }));
        assert_eq!(one.summary(SummaryMeasure::Uacr, &RULES).mean, None);
    }

    #[test]
    fn the_most_extreme_person_is_not_seen_by_whoever_knows_all_others() {
        const SECRETS: u32 = 4000;
        let all = || (0..40).map(|n| f64::from(n % 5) - 2.0);
        let without = spread(SummaryMeasure::EgfrSlope, all());
        let with = spread(SummaryMeasure::EgfrSlope, all().chain([-12.0]));
        let figures: [fn(&MeasureSummary) -> f64; 4] = [
            |one| one.mean.unwrap(),
            |one| one.lower_quartile.unwrap(),
            |one| one.median.unwrap(),
            |one| one.upper_quartile.unwrap(),
        ];
        for figure in figures {
            let shown = |spread: &Spread| {
                let mut shown: BTreeMap<i64, f64> = BTreeMap::new();
                for number in 0..SECRETS {
                    let mut rules = RULES;
                    rules.secret[..4].copy_from_slice(&number.to_be_bytes());
                    let figure = figure(&spread.summary(SummaryMeasure::EgfrSlope, &rules));
                    // In steps of half a unit: fewer, and so better counted.
                    *shown.entry((figure * 2.0).round() as i64).or_default() += 1.0;
                }
                shown
            };
            let (without, with) = (shown(&without), shown(&with));
            for (value, chance) in with.iter().filter(|(_, chance)| 80.0 < **chance) {
                let ratio = chance / without.get(value).copied().unwrap_or(1.0);
                // e is 2.718; what is more is chance in counting.
                assert!((1.0 / 3.6..3.6).contains(&ratio), "{value}: {ratio}");
            }
        }
    }
}
