//! Encryption of what must be stored and read again: the secrets of second factors.

use std::fmt;

use anyhow::{Context, anyhow};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes that say which key sealed something.
const ID: usize = 4;
const NONCE: usize = 12;

/// Keys derived from the keys that sign access tokens: the first seals, all of them open, so that
/// a key can be replaced.
pub struct Vault(Vec<VaultKey>);

struct VaultKey {
    id: [u8; ID],
    cipher: ChaCha20Poly1305,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// From the lines of the secret key file, which the signing keys have been read from already.
    pub fn new(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Self(lines.map(VaultKey::derive).collect::<anyhow::Result<_>>()?))
    }

    /// Seals bytes that belong to `about`: they open for nothing else.
    pub fn seal(&self, bytes: &[u8], about: &[u8]) -> anyhow::Result<Vec<u8>> {
        let key = self.0.first().context("there is no key")?;
        let mut nonce = [0_u8; NONCE];
        getrandom::fill(&mut nonce).expect("the system gives random bits");
        let payload = Payload { msg: bytes, aad: about };
        let sealed = key.cipher.encrypt(&nonce.into(), payload);
        let sealed = sealed.map_err(|_| anyhow!("sealing failed"))?;
        Ok([&key.id[..], &nonce[..], &sealed[..]].concat())
    }

    /// Opens what one of the keys sealed.
    pub fn open(&self, sealed: &[u8], about: &[u8]) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let (id, rest) = sealed.split_at_checked(ID).context("too short")?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().context("too short")?;
        let key = self.0.iter().find(|key| key.id == id);
        let key = key.context("sealed with a key that is not in the secret key file any more")?;
        let payload = Payload { msg: text, aad: about };
        let opened = key.cipher.decrypt(&(*nonce).into(), payload);
        opened.map(Zeroizing::new).map_err(|_| anyhow!("the sealed secret was changed"))
    }

    /// Whether something was sealed with another key than the one that seals now.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        self.0.first().is_none_or(|key| !sealed.starts_with(&key.id))
    }
}

impl VaultKey {
    fn derive(line: &str) -> anyhow::Result<Self> {
        // As entropy goes, the hexadecimal digits are the key.
        let secret = Zeroizing::new(line.to_ascii_lowercase());
        let mut derived = Zeroizing::new([0_u8; 32 + ID]);
        Hkdf::<Sha256>::new(None, secret.as_bytes())
            .expand(b"nephrocast second factors", &mut derived[..])
            .map_err(|error| anyhow!("deriving a key: {error}"))?;
        let (key, id) = derived.split_at(32);
        let cipher = ChaCha20Poly1305::new_from_slice(key).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { id: id.try_into()?, cipher })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn what_is_sealed_opens_unchanged_for_its_owner_only() {
        let vault = Vault::new(OLD).unwrap();
        let mut sealed = vault.seal(b"secret", b"ada").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(vault.open(&sealed, b"ada").unwrap().as_slice(), b"secret");
        assert!(vault.open(&sealed, b"bea").is_err());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(vault.open(&sealed, b"ada").is_err());
        assert!(vault.open(b"abc", b"ada").is_err());
    }

    #[test]
    fn a_key_is_replaced_while_the_one_before_still_opens() {
        let sealed = Vault::new(OLD).unwrap().seal(b"secret", b"ada").unwrap();
        let both = Vault::new(&format!("{NEW}\n{}\n", OLD.to_uppercase())).unwrap();
        assert_eq!(both.open(&sealed, b"ada").unwrap().as_slice(), b"secret");
        assert!(both.is_outdated(&sealed));
        let again = both.seal(b"secret", b"ada").unwrap();
        assert!(!both.is_outdated(&again));
        let after = Vault::new(NEW).unwrap();
        assert_eq!(after.open(&again, b"ada").unwrap().as_slice(), b"secret");
        assert!(after.open(&sealed, b"ada").is_err());
    }
}
