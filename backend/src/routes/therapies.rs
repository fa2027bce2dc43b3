//! Handlers of therapies.
