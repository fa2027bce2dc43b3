//! TLS, where this program is the one that asks: a store of documents, a collector of traces.

use rustls::crypto::ring;

/// Chooses the cryptography that TLS stands on, for the whole process: the libraries leave that to
/// the program.
pub fn prepare() {
    // It may have been chosen already, and is the same then.
    drop(ring::default_provider().install_default());
}
