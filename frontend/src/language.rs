//! Texts in the language in force.
//!
//! English is written where it is shown and is the key of a gettext catalogue
//! (`frontend/locales/*.po`); `scripts/locales` extracts the keys. The catalogue of another language
//! is one file that is loaded before the first page is drawn, so a text never changes while it is
//! shown: choosing another language loads the page anew.

use std::{collections::HashMap, fmt::Display, sync::OnceLock};

use leptos::prelude::{document, window};
use serde::Deserialize;
use shared::settings::Language;

use crate::api::transport;

/// Where the browser keeps the language, for the time before somebody has signed in.
const STORED: &str = "nephrocast-language";

static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();

/// A language's texts, as `frontend/postbuild.mjs` writes them.
#[derive(Debug, Deserialize)]
struct Catalogue {
    language: Language,
    /// By the English text.
    texts: HashMap<String, String>,
    /// One and many, by the English text for one.
    plurals: HashMap<String, (String, String)>,
    /// English sentences of the API with named gaps.
    sentences: Vec<String>,
}

/// The language in force on this page.
pub fn current() -> Language {
    CATALOGUE.get().map_or(Language::En, |catalogue| catalogue.language)
}

/// The English text in the language in force; itself while it is not translated.
pub fn t(english: &'static str) -> &'static str {
    CATALOGUE.get().and_then(|catalogue| catalogue.text(english)).unwrap_or(english)
}

/// [`t`] with named gaps filled; behind the macro `tf!`.
pub fn filled(english: &'static str, values: &[(&str, &dyn Display)]) -> String {
    fill(t(english), values)
}

/// One or many of something; behind the macro `tn!`. The gap `{n}` is the number.
pub fn counted(
    count: u64,
    one: &'static str,
    many: &'static str,
    values: &[(&str, &dyn Display)],
) -> String {
    let (one, many) = CATALOGUE
        .get()
        .and_then(|catalogue| catalogue.plurals.get(one))
        .map_or((one, many), |(one, many)| (one.as_str(), many.as_str()));
    fill(if count == 1 { one } else { many }, values)
}

/// A sentence that the API said in English, in the language in force.
pub fn said(sentence: &str) -> String {
    CATALOGUE
        .get()
        .and_then(|catalogue| catalogue.said(sentence))
        .unwrap_or_else(|| sentence.to_owned())
}

/// A text whose one part between asterisks looks another way, such as a link: what stands before
/// it, the part, and what stands behind it.
pub fn around(text: &str) -> [String; 3] {
    let mut parts = text.splitn(3, '*').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// A text with named gaps: `tf!("{done} of {all}", done = 3, all = 5)`.
#[macro_export]
macro_rules! tf {
    ($english:literal $(, $name:ident = $value:expr)+ $(,)?) => {
        $crate::language::filled($english, &[$((stringify!($name), &$value)),+])
    };
}

/// One or many: `tn!(3, "{n} patient", "{n} patients")`, with further gaps behind.
#[macro_export]
macro_rules! tn {
    ($count:expr, $one:literal, $many:literal $(, $name:ident = $value:expr)* $(,)?) => {{
        let count = u64::try_from($count).unwrap_or_default();
        $crate::language::counted(
            count,
            $one,
            $many,
            &[
                ("n", &$crate::format::number(count as f64, 0)),
                $((stringify!($name), &$value)),*
            ],
        )
    }};
}

/// The language that the browser keeps.
fn stored() -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(STORED).ok().flatten()
}

/// Whether the browser keeps a language: somebody has read another one than English here.
pub fn is_kept() -> bool {
    stored().is_some()
}

/// Loads the catalogue of the language that the browser keeps. Without it the page is English.
pub async fn load() {
    let stored = stored();
    let name = stored.as_deref().unwrap_or_default();
    let file = document().query_selector(&format!("meta[name='catalogue-{name}']"));
    let Some(file) = file.ok().flatten().and_then(|meta| meta.get_attribute("content")) else {
        return;
    };
    let text = transport::file(&file).await.unwrap_or_default();
    if let Ok(catalogue) = serde_json::from_str(&text) {
        if let Some(root) = document().document_element() {
            // Whoever reads the page aloud takes it for English otherwise.
            let _ = root.set_attribute("lang", name);
        }
        let _ = CATALOGUE.set(catalogue);
    }
}

/// Keeps a language for this page and the next ones; if it is another one the page is loaded anew,
/// and what it still shows matters no more.
pub fn choose(language: Language) -> bool {
    if language == current() || stored().as_deref() == Some(language.tag()) {
        // Where it is kept already, loading again would change nothing and never end.
        return false;
    }
    let storage = window().local_storage().ok().flatten();
    let kept = storage.is_some_and(|storage| storage.set_item(STORED, language.tag()).is_ok());
    kept && window().location().reload().is_ok()
}

impl Catalogue {
    fn text(&self, english: &str) -> Option<&str> {
        self.texts.get(english).map(String::as_str)
    }

    /// A sentence with its gaps filled is found by what stands between the gaps.
    fn said(&self, sentence: &str) -> Option<String> {
        if let Some(text) = self.text(sentence) {
            return Some(text.to_owned());
        }
        self.sentences.iter().find_map(|english| {
            let values = gaps(english, sentence)?;
            let values: Vec<_> = values
                .iter()
                .map(|(name, value)| (*name, self.text(value).unwrap_or(value)))
                .collect();
            let values: Vec<_> =
                values.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
            Some(fill(self.text(english)?, &values))
        })
    }
}

/// A text's beginning, and every gap's name with what stands behind it.
fn pieces(text: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut parts = text.split('{');
    let beginning = parts.next().unwrap_or_default();
    (beginning, parts.map(|part| part.split_once('}').unwrap_or((part, ""))))
}

/// A text with its gaps filled; a gap without a value stays as it is written.
fn fill(text: &str, values: &[(&str, &dyn Display)]) -> String {
    let (beginning, gaps) = pieces(text);
    let mut filled = beginning.to_owned();
    for (name, behind) in gaps {
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled += &value.to_string(),
            None => filled.extend(["{", name, "}"]),
        }
        filled += behind;
    }
    filled
}

/// What stands in a template's gaps, if the sentence was made from it.
fn gaps<'a, 'b>(template: &'a str, sentence: &'b str) -> Option<Vec<(&'a str, &'b str)>> {
    let (beginning, gaps) = pieces(template);
    let mut rest = sentence.strip_prefix(beginning)?;
    let mut values = Vec::new();
    let mut gaps = gaps.peekable();
    while let Some((name, behind)) = gaps.next() {
        // The last text ends the sentence, the others are taken where they come first.
        let at = match gaps.peek() {
            None => rest.strip_suffix(behind)?.len(),
            Some(_) => rest.find(behind)?,
        };
        values.push((name, &rest[..at]));
        rest = &rest[at + behind.len()..];
    }
    (rest.is_empty() && values.iter().all(|(_, value)| !value.is_empty())).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        serde_json::from_value(serde_json::json!({
            "language": "it",
            "texts": {
                "creatinine": "creatinina",
                "{what} is {days} days old.": "{days} giorni fa: {what}.",
                "A sentence.": "Una frase."
            },
            "plurals": {},
            "sentences": ["{what} is {days} days old."]
        }))
        .unwrap()
    }

    #[test]
    fn a_sentence_of_the_api_is_known_by_what_stands_between_its_gaps() {
        let catalogue = catalogue();
        let said = |sentence| catalogue.said(sentence);
        assert_eq!(said("A sentence."), Some("Una frase.".to_owned()));
        assert_eq!(
            said("creatinine is 40 days old."),
            Some("40 giorni fa: creatinina.".to_owned())
        );
        assert_eq!(said(" is 40 days old."), None);
        assert_eq!(said("creatinine is 40 days old. And more"), None);
        assert_eq!(said("Another sentence."), None);
    }

    #[test]
    fn a_part_between_asterisks_is_taken_out() {
        assert_eq!(around("Make *one*, now"), ["Make ", "one", ", now"]);
        assert_eq!(around("None"), ["None", "", ""]);
    }

    #[test]
    fn gaps_are_filled_by_name() {
        assert_eq!(fill("{b} before {a}", &[("a", &1), ("b", &"two")]), "two before 1");
        assert_eq!(fill("{missing}", &[]), "{missing}");
    }
}
