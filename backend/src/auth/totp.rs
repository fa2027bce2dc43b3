//! Codes that change every 30 seconds (RFC 6238), and recovery codes.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use qrcode::{QrCode, render::svg};
use sha2::{Digest, Sha256};
use shared::second_factor::Enrolment;
use totp_rs::{Algorithm, Secret, TOTP};

/// Seconds that a code lasts.
const STEP: i64 = 30;
/// Bytes of a shared secret: as long as the hash that the codes are made with.
const SECRET: usize = 20;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// Bytes of a recovery code: too many to guess from its hash.
const RECOVERY: usize = 15;

/// A shared secret.
pub fn random_secret() -> Vec<u8> {
    random::<SECRET>().to_vec()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bits = [0; N];
    getrandom::fill(&mut bits).expect("the system gives random bits");
    bits
}

/// SHA-1, six digits, 30 seconds: what every app understands.
fn totp(secret: Vec<u8>, email: &str) -> anyhow::Result<TOTP> {
    let issuer = Some("Nephrocast".to_owned());
    TOTP::new(Algorithm::SHA1, 6, 0, STEP.unsigned_abs(), secret, issuer, email.to_owned())
        .map_err(|error| anyhow!("a shared secret: {error}"))
}

/// What an app needs to make the codes of a secret.
pub fn enrolment(secret: Vec<u8>, email: &str) -> anyhow::Result<Enrolment> {
    let totp = totp(secret, email)?;
    let uri = totp.get_url();
    let code = QrCode::new(&uri).map_err(|error| anyhow!("a QR code: {error}"))?;
    let qr_svg = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    Ok(Enrolment { secret: totp.get_secret_base32(), uri, qr_svg })
}

/// The step whose code this is: now, or just before or after; later than the last one used.
pub fn step(
    secret: &[u8],
    code: &str,
    last: i64,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<i64>> {
    let totp = totp(secret.to_vec(), "")?;
    let current = now.timestamp() / STEP;
    let fits = |step: &i64| last < *step && totp.check(code, (step * STEP).unsigned_abs());
    Ok((current - 1..=current + 1).find(fits))
}

/// Fresh recovery codes, each in four groups of six.
pub fn recovery_codes() -> Vec<String> {
    let code = || {
        let text = Secret::Raw(random::<RECOVERY>().to_vec()).to_encoded().to_string();
        let groups: Vec<&str> = (0..text.len()).step_by(6).map(|at| &text[at..at + 6]).collect();
        groups.join("-").to_lowercase()
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// A code without what people put in between.
pub fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// What is stored of a recovery code.
pub fn recovery_hash(code: &str) -> [u8; 32] {
    Sha256::digest(bare(code).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret and two of the codes of RFC 6238, appendix B, to six digits.
    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn step_at(code: &str, last: i64, seconds: i64) -> Option<i64> {
        step(SECRET, code, last, at(seconds)).unwrap()
    }

    #[test]
    fn the_published_codes_count() {
        assert_eq!(step_at("287082", 0, 59), Some(1));
        assert_eq!(step_at("081804", 0, 1_111_111_109), Some(37_037_036));
        assert_eq!(step_at("287083", 0, 59), None);
    }

    #[test]
    fn a_code_counts_a_step_early_or_late_and_once() {
        assert_eq!(step_at("287082", 0, 61), Some(1), "a slow person");
        assert_eq!(step_at("287082", 0, 29), Some(1), "a fast clock");
        assert_eq!(step_at("287082", 0, 95), None);
        assert_eq!(step_at("287082", 1, 59), None, "used");
    }

    #[test]
    fn recovery_codes_are_long_and_typed_as_one_likes() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), 10);
        assert_eq!(codes[0].len(), 27);
        assert_ne!(codes[0], codes[1]);
        let typed = codes[0].to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash(&typed), recovery_hash(&codes[0]));
    }
}
