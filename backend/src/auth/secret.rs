//! Secrets that travel once: 256 random bits, of which only the hash is stored. They are wiped from
//! memory when they are dropped.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// 256 random bits in a form that fits a cookie and a link.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

impl Secret {
    /// A new one.
    pub fn random() -> Self {
        let mut bits = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut bits[..]).expect("the system gives random bits");
        Self(BASE64_URL_SAFE_NO_PAD.encode(&bits[..]))
    }

    /// One that somebody sent.
    pub fn received(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}
