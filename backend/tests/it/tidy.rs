//! The directions between the layers, and words that have one place.

use std::{fs, path::Path};

fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

#[track_caller]
fn none_mentions(folder: &str, words: &[&str], unless_in: &[&str]) {
    for (path, text) in sources(folder) {
        if unless_in.iter().any(|exempt| path.ends_with(exempt)) {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{path} mentions {word}");
        }
    }
}

#[test]
fn the_database_layer_knows_no_http() {
    none_mentions("backend/src/db", &["axum", "crate::routes", "StatusCode"], &[]);
}

#[test]
fn handlers_hold_no_sql() {
    none_mentions("backend/src/routes", &["sqlx::query", "query!(", "query_as!("], &[]);
    none_mentions("backend/src/auth", &["sqlx::query", "query!(", "query_as!("], &[]);
}

#[test]
fn handlers_begin_transactions_as_their_callers() {
    // Where nobody has signed in yet.
    let exempt = ["session.rs", "passwords.rs", "second_factors.rs"];
    none_mentions("backend/src/routes", &["db.begin()"], &exempt);
    // Where handlers look beyond what their callers see: each says why.
    none_mentions("backend/src/routes", &["begin_beyond("], &["emergency_accesses.rs"]);
}

#[test]
fn nobody_but_the_router_imports_handlers() {
    let exempt = ["router.rs", "lib.rs"];
    for folder in ["backend/src/db", "backend/src/auth", "backend/src/jobs"] {
        none_mentions(folder, &["crate::routes"], &exempt);
    }
}

#[test]
fn roles_are_named_in_the_policy_only() {
    let roles = ["Role::Administrator", "Role::Clinician", "Role::Researcher", "Role::Patient"];
    none_mentions("backend/src", &roles, &["seed.rs"]);
    none_mentions("frontend/src", &roles, &[]);
}

#[test]
fn text_is_only_ever_shown_as_text() {
    none_mentions("frontend/src", &["inner_html", "insert_adjacent_html", "js_sys::eval"], &[]);
}

#[test]
fn the_server_starts_no_program() {
    // The commands `backup` and `restore` are no server.
    let exempt = ["backup/tools.rs"];
    none_mentions("backend/src", &["process::Command", "process::{Command"], &exempt);
}

#[test]
fn the_browser_knows_neither_server_nor_network() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    for name in ["backend", "model", "sqlx", "tokio", "utoipa"] {
        assert!(!manifest.lines().any(|line| line.starts_with(name)), "frontend depends on {name}");
    }
}
