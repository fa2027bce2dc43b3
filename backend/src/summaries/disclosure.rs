//! Which cells are withheld, and how the others are perturbed.
//!
//! Three layers, each a method of statistical offices (Hundepool et al., Statistical Disclosure
//! Control, Wiley 2012; Thompson, Broadfoot, Elazar, Methodology for the automatic confidentialisation
//! of statistical outputs from remote servers at the ABS, UNECE 2013):
//!
//! 1. A cell of fewer people than the minimum is withheld, and then further cells until no sum of
//!    the tables gives fewer people than the minimum away.
//! 2. A count that is shown is perturbed by a noise that depends on who is in the cell and on a
//!    secret: the same people have the same noise in every table and every answer, so that asking
//!    again averages nothing out, and two cells that differ by somebody have unrelated noises.
//! 3. It is then rounded.

use sha2::{Digest, Sha256};
use shared::summary::ROUNDED_TO;

use super::lattice::Line;

/// The most by which a count is perturbed, before it is rounded.
pub const MOST_NOISE: i64 = 3;

/// How often each noise comes, of 16: its mean is 0, its variance 3.25.
const NOISE: [i64; 16] = [-3, -3, -2, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 2, 3, 3];

/// The rules of a publication.
#[derive(Clone)]
pub struct Rules {
    /// Groups of fewer people are withheld.
    pub minimum: u32,
    /// What the noise depends on besides the people.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("minimum", &self.minimum).finish_non_exhaustive()
    }
}

impl Rules {
    /// A count as it is shown.
    pub fn count(&self, people: u32, key: u64) -> u32 {
        let noise = NOISE[usize::from(self.digest("count", key)[0] % 16)];
        let noisy = i64::from(people) + noise;
        let step = i64::from(ROUNDED_TO);
        let rounded = (noisy + step / 2).div_euclid(step) * step;
        let least = i64::from(self.minimum).div_euclid(step) * step;
        u32::try_from(rounded.max(least)).expect("a count of people is not negative")
    }

    /// A factor for the noise of a figure: of Laplace's distribution of scale 1. Where it stands for
    /// what one person changes, no figure is more than e times as likely with that person as without.
    pub fn factor(&self, about: &str, key: u64) -> f64 {
        let [a, b, c, d, sign, ..] = self.digest(about, key);
        let share = (f64::from(u32::from_be_bytes([a, b, c, d])) + 1.0) / 4_294_967_296.0;
        if sign.is_multiple_of(2) { share.ln() } else { -share.ln() }
    }

    fn digest(&self, about: &str, key: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(about);
        hash.update(key.to_be_bytes());
        hash.finalize().into()
    }
}

/// What must not become known of cells that are withheld.
#[derive(Debug)]
pub struct Guarded<'a> {
    /// How many people each cell has; where there is a choice, the smallest cell goes.
    pub people: &'a [u32],
    /// Counts that add up along the lines. Of no sum of withheld cells may one be known that is
    /// less than the minimum.
    pub counts: &'a [&'a [u32]],
    /// How many people a cell leaves out of a count that is known from elsewhere, where it is: of no
    /// sum of withheld cells may it be known that these are some, but fewer than the minimum.
    pub rest: &'a [Option<u32>],
    /// Groups of fewer people are withheld.
    pub minimum: u32,
}

impl Guarded<'_> {
    /// Withholds further cells until no line gives away what `hidden` withholds: of a sum that is
    /// shown, the withheld part has at least two cells with people and at least the minimum of each
    /// count. Every round withholds a cell, so it ends.
    pub fn close(&self, lines: &[Line], mut hidden: Vec<bool>) -> Vec<bool> {
        loop {
            let before = hidden.iter().filter(|hidden| **hidden).count();
            for line in lines {
                self.close_line(*line, &mut hidden);
            }
            if hidden.iter().filter(|hidden| **hidden).count() == before {
                return hidden;
            }
        }
    }

    fn close_line(&self, line: Line, hidden: &mut [bool]) {
        while self.gives_away(line, hidden) {
            let shown = line.children().filter(|cell| !hidden[*cell] && 0 < self.people[*cell]);
            match shown.min_by_key(|cell| self.people[*cell]) {
                Some(next) => hidden[next] = true,
                // With all parts withheld and still too few, the sum has to go.
                None if !hidden[line.margin] => hidden[line.margin] = true,
                None => return,
            }
        }
    }

    /// Whether what is shown of a line gives away what is withheld of it.
    pub fn gives_away(&self, line: Line, hidden: &[bool]) -> bool {
        let withheld = line.children().filter(|cell| hidden[*cell] && 0 < self.people[*cell]);
        let cells = withheld.clone().count();
        let total = |count: &[u32]| withheld.clone().map(|cell| count[cell]).sum::<u32>();
        let are_few = self.counts.iter().any(|count| total(count) < self.minimum);
        if hidden[line.margin] {
            // A sum that is not small itself is withheld to protect another cell: its parts must not
            // add up to it.
            let is_small = |count: &&[u32]| count[line.margin] < self.minimum;
            return are_few && !self.counts.iter().any(is_small);
        }
        0 < cells && (cells < 2 || are_few || self.leaves_few(line, withheld))
    }

    /// Whether few of those who are known from elsewhere are left out by cells of a line together.
    fn leaves_few(&self, line: Line, cells: impl Iterator<Item = usize>) -> bool {
        let is_known = |cell: usize| self.rest.get(cell).copied().flatten();
        let rest: u32 = cells.map(|cell| is_known(cell).unwrap_or(self.minimum)).sum();
        is_known(line.margin).is_some() && self.is_few(rest)
    }

    /// Whether so many are somebody, but not enough.
    const fn is_few(&self, people: u32) -> bool {
        0 < people && people < self.minimum
    }

    /// The cells that are small, or leave few out.
    pub fn small(&self) -> Vec<bool> {
        let is_small = |cell: usize| {
            let rest = self.rest.get(cell).copied().flatten();
            self.counts.iter().any(|count| count[cell] < self.minimum)
                || rest.is_some_and(|rest| self.is_few(rest))
        };
        (0..self.people.len()).map(is_small).collect()
    }
}

/// Whether the two greatest contributions make so much of a sum that whoever knows one of them
/// could estimate the other to a tenth: the p % rule with p = 10.
pub fn is_dominated(sum: f64, greatest: f64, second: f64) -> bool {
    sum - greatest - second < 0.1 * greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { minimum: 10, secret: [7; 32] };

    #[test]
    fn a_count_is_near_the_truth_rounded_and_never_small() {
        for people in 10..500 {
            for key in 0..50 {
                let shown = RULES.count(people, key);
                assert_eq!(shown % ROUNDED_TO, 0);
                assert!(10 <= shown);
                let most = MOST_NOISE + i64::from(ROUNDED_TO / 2);
                assert!((i64::from(shown) - i64::from(people)).abs() <= most);
            }
        }
    }

    #[test]
    fn noise_has_no_bias_and_depends_on_who_is_there() {
        let shown: Vec<u32> = (0..20_000).map(|key| RULES.count(1000, key)).collect();
        let mean = f64::from(shown.iter().sum::<u32>()) / shown.len() as f64;
        assert!((mean - 1000.0).abs() < 0.1, "{mean}");
        assert_eq!(RULES.count(1000, 5), RULES.count(1000, 5));
        let other = Rules { secret: [8; 32], ..RULES };
        assert!((0..100).any(|key| other.count(1000, key) != RULES.count(1000, key)));
    }

    #[test]
    fn two_people_must_not_make_a_mean() {
        assert!(is_dominated(3009.0, 3000.0, 1.0));
        assert!(!is_dominated(10.0, 1.0, 1.0));
    }
}
