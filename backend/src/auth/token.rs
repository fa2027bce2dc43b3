//! Tokens: access tokens (JWT, HS256, 15 minutes) and refresh tokens (random, one use).

use anyhow::ensure;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
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
    /// Not a token that this key signed.
    #[error("forged or damaged")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not yet valid")]
    TooEarly,
}

/// The key that signs and checks access tokens.
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Keys {
    /// The key from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> anyhow::Result<Self> {
        let secret: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        let secret = secret.unwrap_or_default();
        ensure!(secret.len() == 32, "the signing key must be 64 hexadecimal digits");
        ensure!(
            secret.iter().any(|byte| *byte != secret[0]),
            "the signing key must be random: openssl rand -hex 32"
        );
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library would ask the machine's clock; `verify` asks ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(Self {
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            validation,
        })
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
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?)
    }

    /// What a token says, if this key signed it and its time is now.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenProblem> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenProblem::Forged)?;
        let claims = decoded.claims;
        if claims.exp <= now.timestamp() - LEEWAY_SECONDS {
            return Err(TokenProblem::Expired);
        }
        if now.timestamp() + LEEWAY_SECONDS < claims.nbf {
            return Err(TokenProblem::TooEarly);
        }
        Ok(claims)
    }
}

/// 256 random bits that keep a session alive once; only its hash is stored.
#[derive(Clone)]
pub struct RefreshToken(String);

impl RefreshToken {
    /// A new one.
    pub fn random() -> Self {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).expect("the system gives random bits");
        Self(BASE64_URL_SAFE_NO_PAD.encode(bits))
    }

    /// One that a browser sent.
    pub fn received(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What travels in the cookie.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
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
    fn a_weak_key_is_refused() {
        assert!(Keys::from_hex("").is_err());
        assert!(Keys::from_hex("abc").is_err());
        assert!(Keys::from_hex(&"0".repeat(64)).is_err());
        assert!(Keys::from_hex(&"zz".repeat(32)).is_err());
    }
}
