//! Which passwords are good enough: long, and not among what is tried first. No rule says which
//! characters to use.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest characters.
pub const SHORTEST: usize = 12;
/// The most characters.
pub const LONGEST: usize = 128;
/// Fewer guesses than this are within reach of somebody patient, whatever the delays.
const TOO_FEW_GUESSES: u64 = 1_000_000_000;

/// The password as it is hashed: the same characters, however a keyboard composed them.
pub fn normalised(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

/// What is wrong with a password for an account that these words belong to.
///
/// The guesses are estimated by zxcvbn (Wheeler, USENIX Security 2016), whose bundled lists hold
/// the 30,000 commonest passwords, common words and names, and which knows their usual disguises.
pub fn fault(password: &str, about: &[String]) -> Option<String> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Some(format!("must have at least {SHORTEST} characters"));
    }
    if LONGEST < length {
        return Some(format!("must have at most {LONGEST} characters"));
    }
    let mut words = vec!["nephrocast"];
    for word in about {
        words.push(word);
        words.extend(word.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()));
    }
    let estimate = zxcvbn::zxcvbn(password, &words);
    if TOO_FEW_GUESSES <= estimate.guesses() {
        return None;
    }
    let reason = estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!("is too easy to guess{reason}: take something longer or less usual"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(password: &str) -> bool {
        let about = ["ada.testwell@example.org".to_owned(), "Ada Testwell".to_owned()];
        fault(password, &about).is_some()
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(is_refused("short-words"));
        assert!(!is_refused("größe-üben-9"), "twelve characters, more bytes");
        assert!(is_refused(&"xy7 ".repeat(33)));
    }

    #[test]
    fn common_passwords_and_their_disguises_are_refused() {
        for password in [
            "password1234",
            "qwertyuiop123",
            "123456789012",
            "aaaaaaaaaaaa",
            "letmeinletmein",
            "p4ssw0rdp4ssw0rd",
        ] {
            assert!(is_refused(password), "{password}");
        }
    }

    #[test]
    fn the_account_and_the_product_are_refused() {
        for password in
            ["ada.testwell@example.org", "Ada Testwell", "Nephrocast2026", "nephrocast-nephrocast"]
        {
            assert!(is_refused(password), "{password}");
        }
    }

    #[test]
    fn long_ones_need_nothing_else() {
        for password in ["seven lazy otters juggle", "tmvxhsqgrwbk", "corridor umbrella 4 teeth"] {
            assert!(!is_refused(password), "{password}");
        }
    }

    #[test]
    fn composed_and_decomposed_are_the_same_password() {
        assert_eq!(normalised("Mu\u{308}ller").as_str(), "Müller");
    }
}
