//! What the audit log's actions mean, in words.

/// The nouns of the log's actions, and their names.
pub const NOUNS: [(&str, &str); 19] = [
    ("session", "Sign-ins"),
    ("user", "Accounts"),
    ("token", "API tokens"),
    ("settings", "Settings"),
    ("preferences", "Own choices"),
    ("view", "Saved views"),
    ("patient", "Patients"),
    ("observation", "Values"),
    ("therapy", "Therapies"),
    ("biopsy", "Biopsies"),
    ("care_team", "Care teams"),
    ("emergency_access", "Emergencies"),
    ("outcome", "Outcomes"),
    ("document", "Documents"),
    ("prediction", "Predictions"),
    ("model", "Models"),
    ("summary", "Summaries"),
    ("audit", "Audit log"),
    ("request", "Refused and repeated requests"),
];

/// An action in words; one that is not known here, such as of a newer server, as it is.
pub fn action(action: &str) -> String {
    let words = match action {
        "session.sign_in" => "Signed in",
        "session.sign_out" => "Signed out",
        "session.ask_second_factor" => "Gave the password; was asked for the second factor",
        "session.second_factor" => "Gave a code of the second factor",
        "session.refresh" => "Used a session's token twice",
        "preferences.update" => "Changed their own language, units or KFRE baseline",
        "view.create" => "Saved a view of the patient list",
        "view.update" => "Changed a saved view",
        "view.delete" => "Deleted a saved view",
        "request.refuse" => "Tried what is not allowed, or not there for them",
        "request.repeat" => "Repeated a request",
        "summary.read" => "Asked for summaries",
        "summary.count_privately" => "Counted people privately",
        "summary.export" => "Exported rows without identity",
        "summary.publish" => "Published summaries",
        "patient.read" => "Read the record",
        "patient.list" => "Listed patients",
        "patient.export_list" => "Exported the patient list",
        "patient.create" => "Registered the patient",
        "patient.update" => "Changed the patient's facts",
        "patient.archive" => "Archived the record",
        "patient.restore" => "Restored the record",
        "patient.export" => "Exported the whole record",
        "observation.list" => "Read values",
        "observation.create" => "Recorded values",
        "observation.compare" => "Compared a file with the values",
        "observation.correct" => "Corrected a value",
        "observation.void" => "Took out a value",
        "therapy.list" => "Read therapies",
        "biopsy.list" => "Read biopsies",
        "outcome.list" => "Read outcomes",
        "prediction.list" => "Read predictions",
        "prediction.read" => "Read a prediction",
        "prediction.request" => "Requested a prediction",
        "prediction.finish" => "Finished a prediction",
        "prediction.cancel" => "Called off a prediction",
        "audit.list" => "Read the audit log",
        "audit.read" => "Read an entry of the audit log",
        "audit.verify" => "Checked the audit log",
        "audit.prove" => "Had an entry of the audit log proved",
        "audit.export" => "Exported the audit log",
        other => return generic(other),
    };
    words.to_owned()
}

/// `therapy.create` as “Therapy: create”.
fn generic(action: &str) -> String {
    let words = action.replace('_', " ");
    let (noun, verb) = words.split_once('.').unwrap_or((&words, ""));
    let mut letters = noun.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let noun = first.unwrap_or_default() + letters.as_str();
    if verb.is_empty() { noun } else { format!("{noun}: {verb}") }
}

#[cfg(test)]
mod tests {
    use super::action;

    #[test]
    fn an_unknown_action_is_still_readable() {
        assert_eq!(action("patient.read"), "Read the record");
        assert_eq!(action("care_team.hand_over"), "Care team: hand over");
        assert_eq!(action("boot"), "Boot");
    }
}
