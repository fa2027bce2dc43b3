//! What the audit log's actions mean, in words.

use crate::language::t;
use shared::phrase;

/// The nouns of the log's actions, and their names.
pub const NOUNS: [(&str, &str); 19] = [
    ("session", phrase!("Sign-ins")),
    ("user", phrase!("Accounts")),
    ("token", phrase!("API tokens")),
    ("settings", phrase!("Settings")),
    ("preferences", phrase!("Own choices")),
    ("view", phrase!("Saved views")),
    ("patient", phrase!("Patients")),
    ("observation", phrase!("Values")),
    ("therapy", phrase!("Therapies")),
    ("biopsy", phrase!("Biopsies")),
    ("care_team", phrase!("Care teams")),
    ("emergency_access", phrase!("Emergencies")),
    ("outcome", phrase!("Outcomes")),
    ("document", phrase!("Documents")),
    ("prediction", phrase!("Predictions")),
    ("model", phrase!("Models")),
    ("summary", phrase!("Summaries")),
    ("audit", phrase!("Audit log")),
    ("request", phrase!("Refused and repeated requests")),
];

/// An action in words; one that is not known here, such as of a newer server, as it is.
pub fn action(action: &str) -> String {
    let words = match action {
        "session.sign_in" => t("Signed in"),
        "session.sign_out" => t("Signed out"),
        "session.ask_second_factor" => t("Gave the password; was asked for the second factor"),
        "session.second_factor" => t("Gave a code of the second factor"),
        "session.refresh" => t("Used a session's token twice"),
        "preferences.update" => t("Changed their own language, units or KFRE baseline"),
        "view.create" => t("Saved a view of the patient list"),
        "view.update" => t("Changed a saved view"),
        "view.delete" => t("Deleted a saved view"),
        "request.refuse" => t("Tried what is not allowed, or not there for them"),
        "request.repeat" => t("Repeated a request"),
        "summary.read" => t("Asked for summaries"),
        "summary.count_privately" => t("Counted people privately"),
        "summary.export" => t("Exported rows without identity"),
        "summary.publish" => t("Published summaries"),
        "patient.read" => t("Read the record"),
        "patient.list" => t("Listed patients"),
        "patient.export_list" => t("Exported the patient list"),
        "patient.create" => t("Registered the patient"),
        "patient.update" => t("Changed the patient's facts"),
        "patient.archive" => t("Archived the record"),
        "patient.restore" => t("Restored the record"),
        "patient.export" => t("Exported the whole record"),
        "observation.list" => t("Read values"),
        "observation.create" => t("Recorded values"),
        "observation.compare" => t("Compared a file with the values"),
        "observation.correct" => t("Corrected a value"),
        "observation.void" => t("Took out a value"),
        "therapy.list" => t("Read therapies"),
        "biopsy.list" => t("Read biopsies"),
        "outcome.list" => t("Read outcomes"),
        "prediction.list" => t("Read predictions"),
        "prediction.read" => t("Read a prediction"),
        "prediction.request" => t("Requested a prediction"),
        "prediction.finish" => t("Finished a prediction"),
        "prediction.cancel" => t("Called off a prediction"),
        "audit.list" => t("Read the audit log"),
        "audit.read" => t("Read an entry of the audit log"),
        "audit.verify" => t("Checked the audit log"),
        "audit.prove" => t("Had an entry of the audit log proved"),
        "audit.export" => t("Exported the audit log"),
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
