//! Signed statements of how the log stood: small texts to keep where the database's owner cannot
//! reach them.
//!
//! The form is the one that transparency logs use (C2SP `tlog-checkpoint` and `signed-note`), so
//! that other tools can read and witness it: the log's name, the tree's size, its root in base64,
//! the time, an empty line, and a line with the signature.

use std::{fmt, str::FromStr};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, SecondsFormat, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

/// The log's name, and its keys'.
const ORIGIN: &str = "nephrocast-audit-log";
/// The signed note's number for Ed25519.
const ED25519: u8 = 1;
/// What a line with a signature begins with.
const SIGNED_BY: &str = "\u{2014} ";

/// How the log stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries were sealed.
    pub tree_size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// When that was.
    pub sealed_at: DateTime<Utc>,
}

/// Why a text is no checkpoint to rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// It does not have the form.
    #[error("it is no checkpoint of this log")]
    Malformed,
    /// No key that is trusted has signed it.
    #[error("no trusted key has signed it")]
    Unsigned,
}

impl Checkpoint {
    fn body(&self) -> String {
        let at = self.sealed_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("{ORIGIN}\n{}\n{}\n{at}\n", self.tree_size, BASE64.encode(self.root))
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        let (origin, size, root, at) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let checkpoint = Self {
            tree_size: size.parse().ok()?,
            root: BASE64.decode(root).ok()?.try_into().ok()?,
            sealed_at: DateTime::parse_from_rfc3339(at).ok()?.to_utc(),
        };
        // Only the very text that would be signed again, without a line or a zero too many.
        (origin == ORIGIN && checkpoint.body() == body).then_some(checkpoint)
    }
}

/// The key that signs checkpoints.
pub struct SealingKey(SigningKey);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKey").field(&self.public().to_string()).finish()
    }
}

impl SealingKey {
    /// The key from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        hex::decode_to_slice(text.trim(), &mut seed)
            .ok()
            .context("the audit log's key must be 64 hexadecimal digits")?;
        ensure!(
            seed.iter().any(|byte| *byte != seed[0]),
            "the audit log's key must be random: openssl rand -hex 32"
        );
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The half that checks.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The checkpoint as a signed note.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let body = checkpoint.body();
        let mut signature = self.public().id().to_vec();
        signature.extend(self.0.sign(body.as_bytes()).to_bytes());
        format!("{body}\n{SIGNED_BY}{ORIGIN} {}\n", BASE64.encode(signature))
    }
}

/// The key that checks checkpoints. Its text is a signed note's verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![ED25519];
        bytes.extend(self.0.as_bytes());
        bytes
    }

    /// Which key it is, in four bytes: a hint, not a proof.
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(ORIGIN)
            .chain_update("\n")
            .chain_update(self.bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ORIGIN}+{}+{}", hex::encode(self.id()), BASE64.encode(self.bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let read = || {
            let bytes = BASE64.decode(text.trim().splitn(3, '+').nth(2)?).ok()?;
            let (&ED25519, key) = bytes.split_first()? else { return None };
            VerifyingKey::from_bytes(key.try_into().ok()?).ok().map(Self)
        };
        let key = read().filter(|key| key.to_string() == text.trim());
        key.context("a public key is one line of `nephrocast audit public-key`")
    }
}

/// Keys whose signatures count: today's, and those of before.
#[derive(Clone, Debug)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// At least one key.
    pub fn new(keys: Vec<PublicKey>) -> anyhow::Result<Self> {
        ensure!(
            !keys.is_empty(),
            "the audit log's key is missing: set NEPHROCAST_AUDIT_KEY_FILE or \
             NEPHROCAST_AUDIT_PUBLIC_KEYS"
        );
        Ok(Self(keys))
    }

    /// The checkpoint in a note that a trusted key has signed.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteProblem> {
        let (body, signatures) = note.split_once("\n\n").ok_or(NoteProblem::Malformed)?;
        let body = format!("{body}\n");
        let checkpoint = Checkpoint::parse(&body).ok_or(NoteProblem::Malformed)?;
        let signed = signatures.lines().any(|line| self.has_signed(&body, line));
        signed.then_some(checkpoint).ok_or(NoteProblem::Unsigned)
    }

    /// Whether the line is a trusted key's signature; others may have signed too.
    fn has_signed(&self, body: &str, line: &str) -> bool {
        let read = || {
            let (name, signature) = line.strip_prefix(SIGNED_BY)?.split_once(' ')?;
            let bytes = BASE64.decode(signature).ok().filter(|_| name == ORIGIN)?;
            let (id, signature) = bytes.split_first_chunk::<4>()?;
            Some((*id, Signature::from_slice(signature).ok()?))
        };
        let Some((id, signature)) = read() else { return false };
        self.0
            .iter()
            .any(|key| key.id() == id && key.0.verify_strict(body.as_bytes(), &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            tree_size: 7,
            root: [3; 32],
            sealed_at: "2026-06-01T12:00:00.000250Z".parse().unwrap(),
        }
    }

    #[test]
    fn the_public_key_is_the_one_of_rfc_8032() {
        // Section 7.1, test 1.
        let key = SealingKey::from_hex(SEED).unwrap().public();
        let expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(hex::encode(key.0.as_bytes()), expected);
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        assert!("nephrocast-audit-log+00000000+AdI=".parse::<PublicKey>().is_err());
    }

    #[test]
    fn a_note_is_read_as_it_was_signed() {
        let key = SealingKey::from_hex(SEED).unwrap();
        let note = key.sign(&checkpoint());
        let lines: Vec<_> = note.lines().collect();
        assert_eq!(lines[..2], ["nephrocast-audit-log", "7"]);
        assert_eq!(lines[3..5], ["2026-06-01T12:00:00.000250Z", ""]);
        let trusted = TrustedKeys::new(vec![key.public()]).unwrap();
        assert_eq!(trusted.open(&note), Ok(checkpoint()));
    }

    #[test]
    fn a_note_that_somebody_touched_is_refused() {
        let key = SealingKey::from_hex(SEED).unwrap();
        let trusted = TrustedKeys::new(vec![key.public()]).unwrap();
        let note = key.sign(&checkpoint());
        let touched = [
            (note.replace("\n7\n", "\n8\n"), NoteProblem::Unsigned),
            (note.replace("\n7\n", "\n07\n"), NoteProblem::Malformed),
            (note.replace("nephrocast", "another"), NoteProblem::Malformed),
            (note.replace("\n\n", "\nmore\n\n"), NoteProblem::Malformed),
            (note.split("\n\n").next().unwrap().to_owned(), NoteProblem::Malformed),
            (String::new(), NoteProblem::Malformed),
        ];
        for (note, problem) in touched {
            assert_eq!(trusted.open(&note), Err(problem), "{note}");
        }
        let other = SealingKey::from_hex(&SEED.replace("9d", "9e")).unwrap();
        assert_eq!(trusted.open(&other.sign(&checkpoint())), Err(NoteProblem::Unsigned));
        let both = TrustedKeys::new(vec![other.public(), key.public()]).unwrap();
        assert_eq!(both.open(&note), Ok(checkpoint()), "a key of before still counts");
    }

    #[test]
    fn a_weak_key_is_refused() {
        for text in ["", "00", &"ab".repeat(32), &"xy".repeat(32)] {
            assert!(SealingKey::from_hex(text).is_err(), "{text}");
        }
    }
}
