//! Access tokens: JWT, HS256, 15 minutes.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::ensure;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::id::{SessionId, UserId};
use uuid::Uuid;

/// How long an access token is good for.
pub const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
const ISSUER: &str = "nephrocast";
const AUDIENCE: &str = "nephrocast-api";
/// Clocks of two servers may differ by this much.
const LEEWAY_SECONDS: i64 = 5;
/// How many tokens are remembered as checked: a few hundred kilobytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// Whom it speaks for.
    pub sub: UserId,
    /// The session it belongs to.
    pub sid: SessionId,
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Why a token is no good; told apart in tests, never to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// Not a token that one of these keys signed.
    #[error("forged or damaged")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    TooEarly,
}

/// The keys of access tokens: the first signs, all of them check, so that a key can be replaced
/// while tokens of the one before are still in use.
pub struct Keys {
    /// Never empty.
    known: Vec<Key>,
    validation: Validation,
    /// What tokens say that one of the keys has signed, by their SHA-256: the same one comes with each
    /// request of a quarter of an hour.
    checked: Mutex<LruCache<[u8; 32], Claims>>,
}

/// One key with the algorithm that it is for: HS256, and no other.
struct Key {
    /// Tells in a token's header which key signed it.
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    /// The key from 64 hexadecimal digits.
    fn from_hex(text: &str) -> anyhow::Result<Self> {
        let secret: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        let secret = secret.unwrap_or_default();
        ensure!(secret.len() == 32, "a signing key must be 64 hexadecimal digits");
        ensure!(
            secret.iter().any(|byte| *byte != secret[0]),
            "a signing key must be random: openssl rand -hex 32"
        );
        let digest = Sha256::new().chain_update("nephrocast key id").chain_update(&secret);
        Ok(Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(&digest.finalize()[..9]),
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
        })
    }
}

impl Keys {
    /// The keys from lines of 64 hexadecimal digits each: first the one that signs.
    pub fn from_hex(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(Key::from_hex).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!keys.is_empty(), "a signing key is needed: openssl rand -hex 32");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library would ask the machine's clock; `verify` asks ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self { known: keys, validation, checked: Mutex::new(LruCache::new(REMEMBERED)) })
    }

    /// An access token for a session.
    pub fn issue(&self, sub: UserId, sid: SessionId, now: DateTime<Utc>) -> anyhow::Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub,
            sid,
            jti: Uuid::new_v4(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + ACCESS_LIFETIME).timestamp(),
        };
        let key = &self.known[0];
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, &claims, &key.encoding)?)
    }

    /// What a token says, if one of these keys signed it and its time is now.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenProblem> {
        let claims = self.signed(token)?;
        if claims.exp <= now.timestamp() - LEEWAY_SECONDS {
            return Err(TokenProblem::Expired);
        }
        if now.timestamp() + LEEWAY_SECONDS < claims.nbf {
            return Err(TokenProblem::TooEarly);
        }
        Ok(claims)
    }

    /// What a token says, if one of these keys signed it, whenever that is good.
    fn signed(&self, token: &str) -> Result<Claims, TokenProblem> {
        let digest = Sha256::digest(token).into();
        if let Some(claims) = self.checked().get(&digest) {
            return Ok(claims.clone());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenProblem::Forged)?;
        let key = self.known.iter().find(|key| Some(&key.id) == header.kid.as_ref());
        let key = key.ok_or(TokenProblem::Forged)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation)
            .map_err(|_| TokenProblem::Forged)?;
        self.checked().put(digest, decoded.claims.clone());
        Ok(decoded.claims)
    }

    fn checked(&self) -> MutexGuard<'_, LruCache<[u8; 32], Claims>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const OTHER: &str = "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn token(keys: &Keys) -> String {
        keys.issue(UserId(Uuid::nil()), SessionId(Uuid::nil()), at(0)).unwrap()
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour() {
        let keys = Keys::from_hex(KEY).unwrap();
        let token = token(&keys);
        assert!(keys.verify(&token, at(0)).is_ok());
        assert!(keys.verify(&token, at(899)).is_ok());
        assert_eq!(keys.verify(&token, at(906)).unwrap_err(), TokenProblem::Expired);
        assert_eq!(keys.verify(&token, at(-10)).unwrap_err(), TokenProblem::TooEarly);
    }

    #[test]
    fn another_key_and_another_algorithm_are_refused() {
        let keys = Keys::from_hex(KEY).unwrap();
        let token = token(&keys);
        let other = Keys::from_hex(OTHER).unwrap();
        assert_eq!(other.verify(&token, at(0)).unwrap_err(), TokenProblem::Forged);

        let payload = token.split('.').nth(1).unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let unsigned = format!("{header}.{payload}.");
        assert_eq!(keys.verify(&unsigned, at(0)).unwrap_err(), TokenProblem::Forged);
    }

    #[test]
    fn another_signature_below_a_token_that_was_checked_is_refused() {
        let keys = Keys::from_hex(KEY).unwrap();
        let token = token(&keys);
        for _ in 0..2 {
            assert_eq!(keys.verify(&token, at(0)).unwrap().sub, UserId(Uuid::nil()));
            let (signed, _) = token.rsplit_once('.').unwrap();
            let forged = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode([7; 32]));
            assert_eq!(keys.verify(&forged, at(0)).unwrap_err(), TokenProblem::Forged);
            assert_eq!(keys.verify(&token, at(906)).unwrap_err(), TokenProblem::Expired);
        }
    }

    #[test]
    fn a_key_is_replaced_while_tokens_of_the_one_before_are_in_use() {
        let before = Keys::from_hex(OTHER).unwrap();
        let old = token(&before);
        let both = Keys::from_hex(&format!("{KEY}\n{OTHER}\n")).unwrap();
        assert!(both.verify(&old, at(0)).is_ok(), "the old one still counts");
        let new = token(&both);
        let after = Keys::from_hex(KEY).unwrap();
        assert!(after.verify(&new, at(0)).is_ok(), "the first key signs");
        assert_eq!(after.verify(&old, at(0)).unwrap_err(), TokenProblem::Forged);
    }

    #[test]
    fn a_token_without_its_keys_id_is_refused() {
        let keys = Keys::from_hex(KEY).unwrap();
        let claims = token(&keys).split('.').nth(1).unwrap().to_owned();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let signed = |kid: Option<&str>| {
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
            jsonwebtoken::encode(&header, &claims, &keys.known[0].encoding).unwrap()
        };
        assert!(keys.verify(&signed(Some(&keys.known[0].id)), at(0)).is_ok());
        for kid in [None, Some(""), Some("../secret-key")] {
            assert_eq!(keys.verify(&signed(kid), at(0)).unwrap_err(), TokenProblem::Forged);
        }
    }

    #[test]
    fn a_weak_key_is_refused() {
        assert!(Keys::from_hex("").is_err());
        assert!(Keys::from_hex("abc").is_err());
        assert!(Keys::from_hex(&"0".repeat(64)).is_err());
        assert!(Keys::from_hex(&"zz".repeat(32)).is_err());
        assert!(Keys::from_hex(&format!("{KEY}\n{}", "0".repeat(64))).is_err());
    }
}
