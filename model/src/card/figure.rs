//! The card's pictures: small SVG documents with presentation attributes only, in colours that
//! are legible on light and on dark ground; lines differ in dash too.

use std::fmt::Write;

use crate::evaluate::{Decision, Tenths};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 356.0;
const LEFT: f64 = 58.0;
const BOTTOM: f64 = 46.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 20.0;
/// Where the legend stands, above the grid whose lines would strike it through.
const LEGEND: f64 = 32.0;
/// From the beginning of one legend to the next.
const LEGEND_WIDTH: f64 = 146.0;
/// Readable on white and on near black.
const INK: &str = "#7b7b7b";

/// One line of a picture.
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub colour: &'static str,
    pub dash: &'static str,
    pub points: Vec<(f64, f64)>,
    pub marked: bool,
}

/// A picture's frame: what the axes say and where they end.
pub(super) struct Frame<'a> {
    pub title: &'a str,
    pub across: &'a str,
    pub up: &'a str,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl Frame<'_> {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let share = |value: f64, (from, to): (f64, f64)| (value - from) / (to - from);
        let across = WIDTH - LEFT - RIGHT;
        let up = HEIGHT - TOP - BOTTOM;
        (
            LEFT + across * share(x, self.x),
            HEIGHT - BOTTOM - up * share(y.clamp(self.y.0, self.y.1), self.y),
        )
    }

    /// The whole document.
    pub(super) fn draw(&self, lines: &[Line<'_>]) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" font-family=\"sans-serif\" \
             font-size=\"11\" fill=\"{INK}\"><title>{}</title>",
            self.title
        );
        let mut say = |text: String| svg.push_str(&text);
        say(format!("<text x=\"{LEFT}\" y=\"16\" font-size=\"13\">{}</text>", self.title));
        let end = WIDTH - RIGHT;
        for x in marks(self.x) {
            let (at, floor) = self.place((x, self.y.0));
            say(format!(
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                floor + 15.0,
                percent(x)
            ));
        }
        for y in marks(self.y) {
            let (side, level) = self.place((self.x.0, y));
            say(format!(
                "<line x1=\"{side:.1}\" y1=\"{level:.1}\" x2=\"{end}\" y2=\"{level:.1}\" \
                 stroke=\"{INK}\" stroke-opacity=\"0.3\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                side - 6.0,
                level + 4.0,
                percent(y)
            ));
        }
        let (middle, low) = (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 10.0);
        let centre = f64::midpoint(TOP, HEIGHT - BOTTOM);
        say(format!(
            "<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(13 {centre}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.across, self.up
        ));
        for (index, line) in lines.iter().enumerate() {
            say(self.line(line));
            let from = LEFT + LEGEND_WIDTH * index as f64;
            say(format!(
                "<line x1=\"{from}\" y1=\"{LEGEND}\" x2=\"{}\" y2=\"{LEGEND}\" stroke=\"{}\" \
                 stroke-width=\"2\" stroke-dasharray=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>",
                from + 26.0,
                line.colour,
                line.dash,
                from + 32.0,
                LEGEND + 4.0,
                line.name
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn line(&self, line: &Line<'_>) -> String {
        let mut points = String::new();
        let mut marks = String::new();
        for point in &line.points {
            let (x, y) = self.place(*point);
            // Writing into a string cannot fail.
            let _ = write!(points, "{x:.1},{y:.1} ");
            if line.marked {
                let colour = line.colour;
                let _ = write!(
                    marks,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                );
            }
        }
        format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" \
             stroke-dasharray=\"{}\"/>{marks}",
            points.trim_end(),
            line.colour,
            line.dash
        )
    }
}

/// The most marks beside the first on an axis.
const MARKS: f64 = 6.0;

/// A round distance between the marks of an axis as long as this: 1, 2 or 5 of some decimal place.
fn step(length: f64) -> f64 {
    let least = length / MARKS;
    let place = 10.0_f64.powf(least.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|of| of * place);
    // A whisker less, so that a length of six steps has six in spite of binary fractions.
    round.into_iter().find(|step| least <= step * (1.0 + 1e-9)).unwrap_or(10.0 * place)
}

/// Where an axis from nought ends that has to hold this much: at a mark.
fn round_end(most: f64) -> f64 {
    let step = step(most);
    (most / step - 1e-9).ceil() * step
}

/// The marked values of an axis.
fn marks((from, to): (f64, f64)) -> impl Iterator<Item = f64> {
    let step = step(to - from);
    let count = ((to - from) / step + 1e-9).floor() as u32;
    (0..=count).map(move |mark| from + f64::from(mark) * step)
}

fn percent(value: f64) -> String {
    let percent = value * 100.0;
    if (percent - percent.round()).abs() < 0.05 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

const NETWORK: &str = "#2f81d8";
const KFRE: &str = "#c9680f";

/// Predicted against observed risk, in tenths of the risk.
pub(super) fn calibration(years: u8, tenths: &[Tenths]) -> String {
    let of = |voice: &str| {
        let found = tenths.iter().find(|tenths| tenths.voice == voice && tenths.years == years);
        found.map(|tenths| tenths.tenths.clone()).unwrap_or_default()
    };
    let (network, kfre) = (of("network"), of("kfre4"));
    let most = network.iter().chain(&kfre).flat_map(|(p, o)| [*p, *o]).fold(0.1, f64::max);
    let end = round_end(most);
    let frame = Frame {
        title: &format!("Calibration at {years} years"),
        across: "predicted risk",
        up: "observed risk",
        x: (0.0, end),
        y: (0.0, end),
    };
    frame.draw(&[
        Line { name: "network", colour: NETWORK, dash: "none", points: network, marked: true },
        Line { name: "KFRE, 4 variables", colour: KFRE, dash: "6 3", points: kfre, marked: true },
        Line {
            name: "ideal",
            colour: INK,
            dash: "2 3",
            points: vec![(0.0, 0.0), (end, end)],
            marked: false,
        },
    ])
}

/// Net benefit against the threshold.
pub(super) fn decisions(years: u8, decisions: &[Decision]) -> String {
    let of = |benefit: fn(&Decision) -> f64| -> Vec<(f64, f64)> {
        let own = decisions.iter().filter(|decision| decision.years == years);
        own.map(|decision| (decision.threshold, benefit(decision))).collect()
    };
    let (network, kfre) = (of(|d| d.network), of(|d| d.kfre4));
    let most = network.iter().chain(&kfre).map(|(_, benefit)| *benefit).fold(0.01, f64::max);
    let everybody: Vec<(f64, f64)> =
        of(|d| d.everybody).into_iter().filter(|(_, benefit)| -0.01 <= *benefit).collect();
    let frame = Frame {
        title: &format!("Net benefit at {years} years"),
        across: "threshold of the risk",
        up: "net benefit",
        x: (0.0, 0.6),
        y: (0.0, round_end(most)),
    };
    frame.draw(&[
        Line { name: "network", colour: NETWORK, dash: "none", points: network, marked: false },
        Line { name: "KFRE, 4 variables", colour: KFRE, dash: "6 3", points: kfre, marked: false },
        Line { name: "everybody", colour: INK, dash: "2 3", points: everybody, marked: false },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_one_document_without_styles() {
        let tenths = vec![Tenths {
            voice: "network".to_owned(),
            years: 5,
            tenths: vec![(0.0, 0.01), (0.5, 0.42)],
        }];
        let svg = calibration(5, &tenths);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<svg").count(), 1);
        assert!(!svg.contains("style"), "a strict content policy forbids them");
        assert!(!svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 3);
    }

    #[test]
    fn an_axis_has_round_marks_and_ends_at_one() {
        let told = |most: f64| marks((0.0, round_end(most))).map(percent).collect::<Vec<_>>();
        let of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            told(0.6),
            of(&["0 %", "10 %", "20 %", "30 %", "40 %", "50 %", "60 %"]),
            "an end that is round already stays"
        );
        assert_eq!(told(0.88), of(&["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]));
        assert_eq!(told(0.252), of(&["0 %", "5 %", "10 %", "15 %", "20 %", "25 %", "30 %"]));
        assert_eq!(told(0.014), of(&["0 %", "0.5 %", "1 %", "1.5 %"]));
    }

    #[test]
    fn marks_lie_within_the_frame() {
        let frame = Frame { title: "", across: "", up: "", x: (0.0, 1.0), y: (0.0, 1.0) };
        assert_eq!(frame.place((0.0, 0.0)), (LEFT, HEIGHT - BOTTOM));
        assert_eq!(frame.place((1.0, 1.0)), (WIDTH - RIGHT, TOP));
    }
}
