//! How the program is linked, and on what it depends that no code names.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A migration that is new is in no file that was compiled before.
    println!("cargo::rerun-if-changed=../migrations");
    let target = |what| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // Where in the program addresses are to be filled in: as a list of 24 bytes each it is 1.7 MB that every
    // process reads when it starts and has in memory from then on; packed it is 17 kB.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
