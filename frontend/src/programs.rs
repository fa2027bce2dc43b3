//! Six programs share the site: the clinic, where everybody signs in and clinicians find their
//! patients; the records, a patient's page for those who treat; the patient's own, their record in
//! plain words and any record on paper; the desk, where one writes; the office, where accounts and the
//! installation are run; and what is read: summaries, cards, help. So nobody downloads what only few
//! need. NGINX knows the same addresses (`docker/nginx/nginx.conf.template`).

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Which of the programs runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Signing in, the list of patients, the dashboard, the calculator, the what-if.
    Clinic,
    /// A patient's page with predictions and values, for those who treat.
    Records,
    /// A patient's own record in plain words, and a record's report on paper.
    Own,
    /// The form of a patient, documents, care teams and emergencies, files of patients and values.
    Desk,
    /// Accounts, tokens, settings, the audit log.
    Office,
    /// Summaries for researchers, the networks' cards, help, about.
    Reading,
}

/// The first part of every address of the office.
const OFFICE: [&str; 7] =
    ["account", "archived-records", "audit", "set-password", "settings", "tokens", "users"];

/// The last part of every address of the desk within a record.
const OF_A_RECORD: [&str; 3] = ["care-team", "documents", "edit"];

/// Where a program notes that it has handed an address over.
const HANDED_OVER: &str = "nephrocast-handed-over";

impl Program {
    /// The program that an address belongs to.
    pub fn of(path: &str) -> Self {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["patients", "new"] | ["emergency-access" | "import", ..] => Self::Desk,
            ["patients", _, last] if OF_A_RECORD.contains(&last) => Self::Desk,
            ["patients", _] => Self::Records,
            ["my-record"] | ["patients", _, "report"] => Self::Own,
            [first, ..] if OFFICE.contains(&first) => Self::Office,
            ["about" | "help"] | ["models" | "research", ..] => Self::Reading,
            _ => Self::Clinic,
        }
    }
}

/// Loads another program if the address is one of its own; says whether it is.
pub fn hand_over() -> bool {
    let this = expect_context::<Program>();
    let location = use_location();
    let path = location.pathname.get_untracked();
    if Program::of(&path) == this {
        return false;
    }
    let storage = window().session_storage().ok().flatten();
    let noted = storage.as_ref().and_then(|storage| storage.get_item(HANDED_OVER).ok().flatten());
    // Whoever serves the site without NGINX's rules gets this program again: no circle.
    let came_back = noted.as_ref() == Some(&path);
    if let Some(storage) = storage {
        // The path alone: what follows it may be a secret. Without the note a circle is possible
        // only where the rules are missing.
        let _ = storage.set_item(HANDED_OVER, if came_back { "" } else { &path });
    }
    if !came_back {
        let search = location.search.get_untracked();
        leptos::task::spawn_local(load(path, search));
    }
    !came_back
}

/// Loads an address anew once the router has written it down.
async fn load(path: String, search: String) {
    TimeoutFuture::new(20).await;
    let location = window().location();
    // A browser that refuses to load a page of its own site has been closed.
    let _ = if location.pathname().is_ok_and(|here| here == path) {
        location.reload()
    } else {
        let mark = if search.is_empty() { "" } else { "?" };
        location.assign(&format!("{path}{mark}{search}"))
    };
}

/// The program on this page has come up: the next hand-over may lead here again.
pub fn arrived() {
    if let Some(storage) = window().session_storage().ok().flatten()
        && let Ok(path) = window().location().pathname()
        && expect_context::<Program>() == Program::of(&path)
    {
        // See `hand_over`.
        let _ = storage.remove_item(HANDED_OVER);
    }
}

#[cfg(test)]
mod tests {
    use super::Program;

    #[test]
    fn an_address_belongs_to_one_program() {
        for path in ["/patients/42", "/patients/42/"] {
            assert_eq!(Program::of(path), Program::Records, "{path}");
        }
        for path in ["/my-record", "/patients/42/report"] {
            assert_eq!(Program::of(path), Program::Own, "{path}");
        }
        for path in ["/emergency-access", "/import", "/patients/new", "/patients/42/care-team/"] {
            assert_eq!(Program::of(path), Program::Desk, "{path}");
        }
        for path in ["/users", "/audit", "/account"] {
            assert_eq!(Program::of(path), Program::Office, "{path}");
        }
        for path in ["/about", "/help", "/models/1.0.0", "/research"] {
            assert_eq!(Program::of(path), Program::Reading, "{path}");
        }
        for path in
            ["/", "/sign-in", "/patients", "/calculator", "/dashboard", "/patients/42/what-if"]
        {
            assert_eq!(Program::of(path), Program::Clinic, "{path}");
        }
    }
}
