//! API tokens as text: `nct_`, 160 random bits as 27 digits in base 62, and their CRC-32 as 6
//! more.
//!
//! The prefix and the checksum let scanners of repositories and logs recognise a leaked token
//! without asking anybody: the checksum is that of the 27 digits (CRC-32 as in gzip), and both
//! numbers are written with the digits `0-9A-Za-z`, most significant first, filled up with `0`.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::ZeroizeOnDrop;

/// What every token begins with.
pub const PREFIX: &str = "nct_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62²⁷ is the first power of 62 beyond 2¹⁶⁰.
const SECRET_DIGITS: usize = 27;
/// 62⁶ is the first power of 62 beyond 2³².
const CHECKSUM_DIGITS: usize = 6;

/// An API token; only its hash is stored, and it is wiped from memory when it is dropped.
#[derive(ZeroizeOnDrop)]
pub struct ApiToken(String);

impl ApiToken {
    /// A new one.
    pub fn random() -> Self {
        let mut bits = [0_u8; 20];
        getrandom::fill(&mut bits).expect("the system gives random bits");
        Self::from_bits(bits)
    }

    fn from_bits(mut bits: [u8; 20]) -> Self {
        let secret = base62(&mut bits, SECRET_DIGITS);
        let checksum = checksum(&secret);
        Self(format!("{PREFIX}{secret}{checksum}"))
    }

    /// One that a program sent, if its checksum is right: what is mistyped or made up costs no
    /// look into the database.
    pub fn received(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let well_formed = digits.len() == SECRET_DIGITS + CHECKSUM_DIGITS
            && digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
        if !well_formed {
            return None;
        }
        let (secret, given) = digits.split_at(SECRET_DIGITS);
        (checksum(secret) == given).then(|| Self(text.to_owned()))
    }

    /// What its owner is shown, once.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

fn checksum(secret: &str) -> String {
    base62(&mut crc32fast::hash(secret.as_bytes()).to_be_bytes(), CHECKSUM_DIGITS)
}

/// A big-endian number in base 62; leaves zero behind.
fn base62(number: &mut [u8], digits: usize) -> String {
    let mut text = vec![0_u8; digits];
    for digit in text.iter_mut().rev() {
        let mut remainder = 0_u16;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u16::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = DIGITS[usize::from(remainder)];
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_as_documented() {
        // Computed by another program: base 62 of 2¹⁶⁰ − 1, zlib's CRC-32 of those digits.
        let token = ApiToken::from_bits([0xff; 20]);
        assert_eq!(token.as_str(), "nct_aWgEPTl1tmebfsQzFP4bxwgy80V2foiOv");
        let token = ApiToken::from_bits([0; 20]);
        assert_eq!(token.as_str(), "nct_0000000000000000000000000002MvMGi");
    }

    #[test]
    fn a_token_is_recognised_and_a_mistyped_one_is_not() {
        let token = ApiToken::random();
        let text = token.as_str();
        assert_eq!(text.len(), 37);
        assert_eq!(ApiToken::received(text).unwrap().hash(), token.hash());
        for at in PREFIX.len()..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(ApiToken::received(std::str::from_utf8(&wrong).unwrap()).is_none());
        }
        for wrong in ["", "nct_", &text[1..], &text[..36], &format!("{text}0")] {
            assert!(ApiToken::received(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(ApiToken::random().as_str(), ApiToken::random().as_str());
    }

    #[test]
    fn it_does_not_print_itself() {
        let token = ApiToken::random();
        assert!(!format!("{token:?}").contains(&token.as_str()[4..]));
    }
}
