//! How the risks that were told compare with what happened since: calibration and discrimination
//! on real follow-up, published like everything else that researchers read.
//!
//! Of everybody counts the first answer in which both voices spoke, so that both are compared on
//! the same people. Whoever reaches kidney failure later is an event; death before it is a competing
//! end; whoever is no longer seen counts until they were. So what was observed is Aalen and
//! Johansen's cumulative incidence (Scand J Stat 1978;5:141), and the C statistic is that of
//! Wolbers et al. (Epidemiology 2009;20:555), cut off at the horizon.

use shared::{
    prediction::RiskSource,
    summary::{CalibrationGroup, VoicePerformance},
};

use super::{
    disclosure::{Rules, is_dominated},
    row::Facts,
};

/// Within how many years, and how many days these are.
const HORIZONS: [(i32, u32); 2] = [(2, 730), (5, 1826)];
const VOICES: [RiskSource; 2] = [RiskSource::Kfre, RiskSource::Network];
/// Where groups of risk may begin and end. They are the same everywhere: no edge is somebody's risk.
const EDGES: [f64; 16] =
    [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0];

/// How somebody's follow-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With dialysis or a transplant.
    KidneyFailure,
    /// With death before that.
    Death,
    /// With the latest value on record.
    LastSeen,
}

/// Somebody who was told a risk, and how long they were followed.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    /// The number that stands for the person.
    pub key: u64,
    /// Days from the answer to the end.
    pub days: u32,
    /// How it ended.
    pub end: End,
    /// The risks, of each voice within each horizon.
    pub risks: [[f64; HORIZONS.len()]; VOICES.len()],
}

impl Followed {
    /// Somebody whose risk was told before they reached an end point.
    pub fn new(facts: &Facts, key: u64) -> Option<Self> {
        let told_on = facts.told_at?.date_naive();
        let risks = [[facts.kfre_2y?, facts.kfre_5y?], [facts.network_2y?, facts.network_5y?]];
        let last_seen = facts.last_value_at.map_or(told_on, |last| last.date_naive());
        let (end, on) = match (facts.kidney_failure_on, facts.died_on) {
            (Some(failed), died) if died.is_none_or(|died| failed <= died) => {
                (End::KidneyFailure, failed)
            }
            (_, Some(died)) => (End::Death, died),
            _ => (End::LastSeen, last_seen.max(told_on)),
        };
        let days = u32::try_from((on - told_on).num_days()).ok()?;
        Some(Self { key, days, end, risks })
    }

    fn failed_within(&self, days: u32) -> bool {
        self.end == End::KidneyFailure && self.days <= days
    }

    fn is_seen_after(&self, days: u32) -> bool {
        days <= self.days && !self.failed_within(days)
    }
}

/// Everybody who was told a risk.
#[derive(Debug, Default)]
pub struct Followers(Vec<Followed>);

impl Followers {
    /// Adds somebody.
    pub fn add(&mut self, followed: Followed) {
        self.0.push(followed);
    }

    /// What is published of `all` people, of whom `failures` reached kidney failure at any time.
    pub fn publish(mut self, all: u32, failures: u32, rules: &Rules) -> Vec<VoicePerformance> {
        self.stand_apart(all, rules.minimum);
        self.0.sort_by_key(|one| one.days);
        let people: Vec<&Followed> = self.0.iter().collect();
        let counts = counts(&people, failures, rules);
        let enough = Enough::new(&people, counts, rules.minimum);
        let mut performance = Vec::new();
        for (voice, source) in VOICES.into_iter().enumerate() {
            let bands = enough.bands(voice, &people);
            for (horizon, (years, days)) in HORIZONS.into_iter().enumerate() {
                if !enough.told[horizon] {
                    continue;
                }
                let view = View { voice, horizon, days, rules };
                let whole = view.figures(&people);
                performance.push(VoicePerformance {
                    source,
                    years,
                    people: whole.people,
                    kidney_failure: counts[horizon],
                    c_statistic: view.concordance(&people),
                    expected: whole.expected,
                    observed: whole.observed,
                    ratio: whole
                        .expected
                        .filter(|expected| 0.0 < *expected)
                        .map(|expected| rounded(whole.observed / expected, 100.0)),
                    groups: bands.iter().map(|band| view.group(band)).collect(),
                });
            }
        }
        performance
    }

    /// Nobody is known by not being among the followed: those who are not are none or many.
    fn stand_apart(&mut self, all: u32, minimum: u32) {
        let outside = all as usize - self.0.len();
        let missing = minimum as usize - outside.min(minimum as usize);
        if 0 < outside && 0 < missing {
            self.0.sort_by_key(|one| one.key);
            self.0.drain(..missing.min(self.0.len()));
        }
    }
}

/// How many people reached kidney failure within each horizon, where neither that nor the
/// difference to another count speaks of few.
fn counts(people: &[&Followed], ever: u32, rules: &Rules) -> [Option<i32>; HORIZONS.len()] {
    let failed = HORIZONS.map(|(_, days)| {
        let failed = people.iter().filter(|one| one.failed_within(days));
        failed.fold((0_u32, 0_u64), |(count, key), one| (count + 1, key.wrapping_add(one.key)))
    });
    let is_far = |more: u32, fewer: u32| more == fewer || rules.minimum <= more - fewer;
    let total = u32::try_from(people.len()).unwrap_or(u32::MAX);
    let mut shown = [None; HORIZONS.len()];
    for (place, (count, key)) in failed.into_iter().enumerate() {
        let later = failed[place..].iter().map(|(count, _)| *count).chain([ever, total]);
        if rules.minimum <= count && later.into_iter().all(|more| is_far(more, count)) {
            shown[place] = Some(rules.count(count, key).cast_signed());
        }
    }
    shown
}

/// When people are enough to be spoken of.
struct Enough {
    /// The horizons that are told.
    told: [bool; HORIZONS.len()],
    minimum: usize,
}

/// People whom one voice told about the same 5-year risk, between two of the edges.
struct Band<'a> {
    from: usize,
    to: usize,
    people: Vec<&'a Followed>,
}

impl Enough {
    /// A horizon is told where it is told how many reached kidney failure within it, because the share
    /// says it as well, and where enough are still seen after it.
    fn new(people: &[&Followed], counts: [Option<i32>; HORIZONS.len()], minimum: u32) -> Self {
        let minimum = minimum as usize;
        let is_seen = |(_, days)| minimum <= seen(people, days);
        let seen = HORIZONS.map(is_seen);
        let told = std::array::from_fn(|place| counts[place].is_some() && seen[place]);
        Self { told, minimum }
    }

    /// Whether as many people as the minimum failed within each horizon that is told, and from each to
    /// the next, and are seen after the last: no two shares of these people differ by few.
    fn is_met(&self, people: &[&Followed]) -> bool {
        let told = HORIZONS.iter().zip(self.told).filter(|(_, told)| *told);
        let days: Vec<u32> = told.map(|((_, days), _)| *days).collect();
        let until = |days: u32| people.iter().filter(|one| one.failed_within(days)).count();
        let mut before = 0;
        let are_many = |days: &u32| {
            let failed = until(*days);
            let more = failed - std::mem::replace(&mut before, failed);
            self.minimum <= more
        };
        let is_seen = days.last().is_some_and(|last| self.minimum <= seen(people, *last));
        is_seen && days.iter().all(are_many)
    }

    /// The same bands for every horizon, each as narrow as has enough people; what is left over joins
    /// the last. Bands of each horizon's own risk would overlap, and differ by few.
    fn bands<'a>(&self, voice: usize, people: &[&'a Followed]) -> Vec<Band<'a>> {
        let mut bins: Vec<Vec<&Followed>> = vec![Vec::new(); EDGES.len() - 1];
        for one in people {
            let risk = one.risks[voice][HORIZONS.len() - 1];
            bins[EDGES[1..EDGES.len() - 1].partition_point(|edge| *edge <= risk)].push(one);
        }
        let mut bands: Vec<Band<'_>> = Vec::new();
        let (mut from, mut open) = (0, Vec::new());
        for (place, bin) in bins.into_iter().enumerate() {
            open.extend(bin);
            if self.is_met(&open) {
                bands.push(Band { from, to: place + 1, people: std::mem::take(&mut open) });
                from = place + 1;
            }
        }
        if let Some(last) = bands.last_mut() {
            last.to = EDGES.len() - 1;
            last.people.append(&mut open);
        }
        for band in &mut bands {
            band.people.sort_by_key(|one| one.days);
        }
        bands
    }
}

fn seen(people: &[&Followed], days: u32) -> usize {
    people.iter().filter(|one| one.is_seen_after(days)).count()
}

/// One voice's risks within one horizon.
#[derive(Clone, Copy)]
struct View<'a> {
    voice: usize,
    horizon: usize,
    days: u32,
    rules: &'a Rules,
}

struct Figures {
    people: i32,
    expected: Option<f64>,
    observed: f64,
}

impl View<'_> {
    fn risk(self, one: &Followed) -> f64 {
        one.risks[self.voice][self.horizon]
    }

    fn group(self, band: &Band<'_>) -> CalibrationGroup {
        let Figures { people, expected, observed } = self.figures(&band.people);
        CalibrationGroup { from: EDGES[band.from], to: EDGES[band.to], people, expected, observed }
    }

    /// What is said of people, given by the days of their follow-up.
    fn figures(self, people: &[&Followed]) -> Figures {
        let count = people.len() as f64;
        let key = people.iter().fold(0_u64, |sum, one| sum.wrapping_add(one.key));
        let mut risks: Vec<f64> = people.iter().map(|one| self.risk(one)).collect();
        risks.sort_by(f64::total_cmp);
        let mean = risks.iter().sum::<f64>() / count;
        let [.., second, greatest] = risks[..] else { unreachable!("groups have many people") };
        let reach = mean.max(1.0 - mean) / count;
        let told = format!("expected by {} within {}", self.voice, self.days);
        let expected = (!is_dominated(mean * count, greatest, second))
            .then(|| share(mean + self.rules.factor(&told, key) * reach));
        // The last of those at risk would move the curve by this much.
        let reach = 1.0 / seen(people, self.days) as f64;
        let noise = self.rules.factor(&format!("observed within {}", self.days), key) * reach;
        Figures {
            people: self
                .rules
                .count(u32::try_from(people.len()).unwrap_or(u32::MAX), key)
                .cast_signed(),
            expected,
            observed: share(incidence(people, self.days) + noise),
        }
    }

    /// The C statistic, perturbed by about what one person contributes, with an event or without.
    fn concordance(self, people: &[&Followed]) -> f64 {
        let key = people.iter().fold(0_u64, |sum, one| sum.wrapping_add(one.key));
        let risks: Vec<f64> = people.iter().map(|one| self.risk(one)).collect();
        let failed = people.iter().filter(|one| one.failed_within(self.days)).count();
        let about = format!("concordance of {} within {}", self.voice, self.days);
        let fewest = failed.min(seen(people, self.days));
        let noise = self.rules.factor(&about, key) / fewest as f64;
        share(concordance(people, &risks, self.days) + noise)
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn share(value: f64) -> f64 {
    rounded(value.clamp(0.0, 1.0), 1000.0)
}

/// The cumulative incidence of kidney failure with death as a competing end, of people in the order
/// of their days.
fn incidence(people: &[&Followed], horizon: u32) -> f64 {
    let (mut at_risk, mut free, mut failed) = (people.len() as f64, 1.0, 0.0);
    for day in people.chunk_by(|a, b| a.days == b.days) {
        if horizon < day[0].days {
            break;
        }
        let count = |end: End| day.iter().filter(|one| one.end == end).count() as f64;
        let failures = count(End::KidneyFailure);
        failed += free * failures / at_risk;
        free *= 1.0 - (failures + count(End::Death)) / at_risk;
        at_risk -= day.len() as f64;
    }
    failed
}

/// Of all pairs of somebody who failed and somebody who had not by then, or died without: the share
/// in which the first had the greater risk. People come in the order of their days.
fn concordance(people: &[&Followed], risks: &[f64], horizon: u32) -> f64 {
    let mut order: Vec<f64> = risks.to_vec();
    order.sort_by(f64::total_cmp);
    order.dedup();
    let rank = |risk: f64| order.partition_point(|other| *other < risk);
    let mut others = Ranks(vec![0; order.len() + 1]);
    for (_, risk) in people.iter().zip(risks).filter(|(one, _)| one.end == End::Death) {
        others.add(rank(*risk));
    }
    let (mut pairs, mut concordant) = (0.0, 0.0);
    let mut end = people.len();
    // From the last day to the first, those who were still free are among the others already.
    for day in people.chunk_by(|a, b| a.days == b.days).rev() {
        let of_day = end - day.len()..end;
        end = of_day.start;
        let with = |wanted: End| {
            of_day
                .clone()
                .filter(move |place| people[*place].end == wanted)
                .map(|place| risks[place])
        };
        with(End::LastSeen).for_each(|risk| others.add(rank(risk)));
        if day[0].days <= horizon {
            for risk in with(End::KidneyFailure) {
                let (below, same) = others.below_and_at(rank(risk));
                pairs += others.total() as f64;
                concordant += below as f64 + same as f64 / 2.0;
            }
        }
        with(End::KidneyFailure).for_each(|risk| others.add(rank(risk)));
    }
    if pairs == 0.0 { 0.5 } else { concordant / pairs }
}

/// How many people have which rank, as a tree of partial sums (Fenwick, Softw Pract Exp
/// 1994;24:327).
struct Ranks(Vec<u64>);

impl Ranks {
    fn add(&mut self, rank: usize) {
        let mut place = rank + 1;
        while place < self.0.len() {
            self.0[place] += 1;
            place += place & place.wrapping_neg();
        }
    }

    fn below(&self, rank: usize) -> u64 {
        let (mut place, mut sum) = (rank, 0);
        while 0 < place {
            sum += self.0[place];
            place -= place & place.wrapping_neg();
        }
        sum
    }

    fn below_and_at(&self, rank: usize) -> (u64, u64) {
        let below = self.below(rank);
        (below, self.below(rank + 1) - below)
    }

    fn total(&self) -> u64 {
        self.below(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const RULES: Rules = Rules { minimum: 10, secret: [7; 32] };

    fn person(key: u64, days: u32, end: End, risk: f64) -> Followed {
        let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Followed { key, days, end, risks: [[risk / 2.0, risk], [risk / 2.0, risk]] }
    }

    /// People whose hazard follows from their risk; a quarter is lost, some die.
    fn cohort(count: u64, told: impl Fn(f64) -> f64) -> Vec<Followed> {
        let share = |key: u64, of: u64| {
            let mixed = (key * 4 + of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed ^ mixed >> 32) >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..count)
            .map(|key| {
                let risk = 0.02 + 0.6 * share(key, 0);
                // An even chance of failing over ten years, so that half of it is within five.
                let fails = (share(key, 1) < 2.0 * risk).then(|| share(key, 2) * 3652.0);
                let lost = 400.0 + 4000.0 * share(key, 3);
                let (days, end) = match fails {
                    Some(day) if day < lost => (day, End::KidneyFailure),
                    _ => (lost, End::LastSeen),
                };
                person(key, days as u32, end, told(risk))
            })
            .collect()
    }

    fn published(people: Vec<Followed>) -> Vec<VoicePerformance> {
        let all = u32::try_from(people.len()).unwrap();
        Followers(people).publish(all, all, &RULES)
    }

    #[test]
    fn risks_that_are_right_are_calibrated_although_people_are_lost() {
        // Risks above 1/2 fail within ten years for certain: keep below.
        let people: Vec<_> =
            cohort(20_000, |risk| risk).into_iter().filter(|one| one.risks[0][1] < 0.49).collect();
        let five = &published(people)[1];
        assert_eq!((five.source, five.years), (RiskSource::Kfre, 5));
        let ratio = five.ratio.unwrap();
        assert!((ratio - 1.0).abs() < 0.06, "{ratio}");
        assert!(4 < five.groups.len());
        for group in &five.groups {
            let gap = group.observed - group.expected.unwrap();
            assert!(gap.abs() < 0.04, "{group:?}");
        }
        assert!((0.62..0.85).contains(&five.c_statistic), "{}", five.c_statistic);
    }

    #[test]
    fn risks_that_are_twice_too_high_show_it_and_order_people_as_well() {
        let right = published(cohort(8000, |risk| risk));
        let high = published(cohort(8000, |risk| (2.0 * risk).min(1.0)));
        assert!(high[1].ratio.unwrap() < 0.62 * right[1].ratio.unwrap());
        let wrong = published(cohort(8000, |risk| 0.7 - risk));
        assert!((wrong[1].c_statistic - (1.0 - right[1].c_statistic)).abs() < 0.01);
    }

    #[test]
    fn deaths_take_people_out_of_reach_and_lost_people_do_not_count_as_healthy() {
        let ends = [(10, End::KidneyFailure), (20, End::Death), (30, End::LastSeen)];
        let mut people: Vec<_> =
            ends.iter().map(|(days, end)| person(1, *days, *end, 0.5)).collect();
        people.push(person(1, 40, End::KidneyFailure, 0.5));
        let people: Vec<_> = people.iter().collect();
        // 1/4, then a quarter is dead, then of the other half one of two is lost: the last stands
        // for both.
        assert!((incidence(&people, 730) - 0.75).abs() < 1e-12);
        assert!((incidence(&people, 39) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn the_c_statistic_is_that_of_all_pairs() {
        let mut people = cohort(400, |risk| (risk * 20.0).round() / 20.0);
        people.iter_mut().step_by(9).for_each(|one| one.end = End::Death);
        people.sort_by_key(|one| one.days);
        let people: Vec<_> = people.iter().collect();
        let risks: Vec<f64> = people.iter().map(|one| one.risks[0][1]).collect();
        let (mut pairs, mut concordant) = (0.0, 0.0);
        for (case, risk) in people.iter().zip(&risks).filter(|(one, _)| one.failed_within(1826)) {
            for (other, lower) in people.iter().zip(&risks) {
                let free = match other.end {
                    End::Death => true,
                    End::LastSeen => case.days <= other.days,
                    End::KidneyFailure => case.days < other.days,
                };
                if free {
                    pairs += 1.0;
                    concordant += match lower.total_cmp(risk) {
                        std::cmp::Ordering::Less => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Greater => 0.0,
                    };
                }
            }
        }
        assert!((concordance(&people, &risks, 1826) - concordant / pairs).abs() < 1e-12);
    }

    #[test]
    fn few_events_and_few_who_are_still_seen_are_not_told() {
        let few = (0..500).map(|n| {
            let end = if n < 9 { End::KidneyFailure } else { End::LastSeen };
            person(n, 600 + n as u32 * 10, end, 0.1)
        });
        assert_eq!(published(few.collect()), []);
        let unseen = (0..500).map(|n| {
            person(n, n as u32, if n % 2 == 0 { End::KidneyFailure } else { End::LastSeen }, 0.1)
        });
        assert_eq!(published(unseen.collect()), []);
    }

    #[test]
    fn counts_that_differ_by_few_are_not_both_told() {
        let people: Vec<_> = (0..400)
            .map(|n| match n {
                0..30 => person(n, 100, End::KidneyFailure, 0.1),
                30..35 => person(n, 1000, End::KidneyFailure, 0.1),
                _ => person(n, 3000, End::LastSeen, 0.1),
            })
            .collect();
        let of = |ever| {
            let people: Vec<_> = people.iter().collect();
            counts(&people, ever, &RULES).map(|count| count.is_some())
        };
        assert_eq!(of(35), [false, true], "five more failed between the horizons");
        assert_eq!(of(40), [false, false], "and five more after both, whom the summaries count");
        assert_eq!(of(60), [false, true]);
    }

    #[test]
    fn one_person_more_is_not_seen_by_whoever_knows_all_others() {
        const SECRETS: u32 = 3000;
        let base = cohort(120, |risk| risk);
        let extra = person(999, 1500, End::KidneyFailure, 0.3);
        let with: Vec<_> = base.iter().copied().chain([extra]).collect();
        let figures: [fn(View<'_>, &[&Followed]) -> f64; 3] = [
            |view, people| view.figures(people).observed,
            |view, people| view.figures(people).expected.unwrap(),
            |view, people| view.concordance(people),
        ];
        for figure in figures {
            let shown = |people: &[Followed]| {
                let mut people: Vec<_> = people.iter().collect();
                people.sort_by_key(|one| one.days);
                let mut shown: BTreeMap<i64, f64> = BTreeMap::new();
                for number in 0..SECRETS {
                    let mut rules = RULES;
                    rules.secret[..4].copy_from_slice(&number.to_be_bytes());
                    let view = View { voice: 0, horizon: 1, days: 1826, rules: &rules };
                    let figure = figure(view, &people);
                    *shown.entry((figure * 100.0).round() as i64).or_default() += 1.0;
                }
                shown
            };
            let (without, with) = (shown(&base), shown(&with));
            for (value, chance) in with.iter().filter(|(_, chance)| 80.0 < **chance) {
                let ratio = chance / without.get(value).copied().unwrap_or(1.0);
                // e is 2.718; what is more is chance in counting.
                assert!((1.0 / 3.6..3.6).contains(&ratio), "{value}: {ratio}");
            }
        }
    }

    #[test]
    fn bands_are_the_same_for_both_times_and_no_two_shares_differ_by_few() {
        let people = cohort(4000, |risk| risk);
        let told = published(people.clone());
        assert_eq!(told.len(), 4);
        for pair in told.chunks(2) {
            let [two, five] = pair else { panic!("2 and 5 years") };
            assert!(2 < five.groups.len());
            for (two, five) in two.groups.iter().zip(&five.groups) {
                assert_eq!((two.from, two.to, two.people), (five.from, five.to, five.people));
                let of = |days: u32| {
                    let is_in = |one: &&Followed| (five.from..five.to).contains(&one.risks[0][1]);
                    people.iter().filter(is_in).filter(|one| one.failed_within(days)).count()
                };
                assert!(10 <= of(730) && 10 <= of(1826) - of(730), "{two:?}");
            }
        }
        // Where few fail between the two times, the first is not told: the difference would be.
        let few = |n: u64| match n {
            0..30 => person(n, 100, End::KidneyFailure, 0.1),
            30..35 => person(n, 1000, End::KidneyFailure, 0.1),
            _ => person(n, 3000, End::LastSeen, 0.1),
        };
        let years: Vec<_> =
            published((0..400).map(few).collect()).iter().map(|one| one.years).collect();
        assert_eq!(years, [5, 5]);
    }

    #[test]
    fn whoever_has_no_prediction_is_one_of_many_or_nobody() {
        let mut followers = Followers(cohort(100, |risk| risk));
        followers.stand_apart(103, 10);
        assert_eq!(followers.0.len(), 93);
        followers.stand_apart(93, 10);
        assert_eq!(followers.0.len(), 93);
    }
}
