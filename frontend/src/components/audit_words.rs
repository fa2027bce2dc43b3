//! What the audit log's actions mean, in words.

use shared::phrase;

use crate::language::t;

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

/// The fields that entries speak of.
const FIELDS: [&str; 43] = [
    phrase!("account privacy budget"),
    phrase!("birth date"),
    phrase!("cardiovascular disease"),
    phrase!("care team"),
    phrase!("diabetes"),
    phrase!("diagnosis"),
    phrase!("display name"),
    phrase!("email"),
    phrase!("emergency access minutes"),
    phrase!("ended on"),
    phrase!("family name"),
    phrase!("given name"),
    phrase!("heart failure"),
    phrase!("hypertension"),
    phrase!("kfre region"),
    phrase!("kind"),
    phrase!("language"),
    phrase!("minimum cell size"),
    phrase!("mrn"),
    phrase!("name"),
    phrase!("note"),
    phrase!("occurred on"),
    phrase!("own access"),
    phrase!("patients see risk"),
    phrase!("performed on"),
    phrase!("renal disease"),
    phrase!("retention years"),
    phrase!("role"),
    phrase!("second factor required"),
    phrase!("session hours"),
    phrase!("session idle minutes"),
    phrase!("sex"),
    phrase!("smoker"),
    phrase!("started on"),
    phrase!("status"),
    phrase!("title"),
    phrase!("token privacy budget"),
    phrase!("unit"),
    phrase!("unit as given"),
    phrase!("units"),
    phrase!("value"),
    phrase!("value as given"),
    phrase!("visibility"),
];

/// A field's name on the wire, for people; one that is not known here as it is.
pub fn field(name: &str) -> String {
    let words = name.replace('_', " ");
    let known = FIELDS.into_iter().find(|field| *field == words);
    known.map_or(words, |field| t(field).to_owned())
}

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
        "prediction.list" => t("Read the predictions"),
        "prediction.read" => t("Read a prediction"),
        "prediction.request" => t("Requested a prediction"),
        "prediction.finish" => t("Finished a prediction"),
        "prediction.cancel" => t("Called off a prediction"),
        "audit.list" => t("Read the audit log"),
        "audit.read" => t("Read an entry of the audit log"),
        "audit.verify" => t("Checked the audit log"),
        "audit.prove" => t("Had an entry of the audit log proved"),
        "audit.export" => t("Exported the audit log"),
        "session.revoke" => t("Ended a session"),
        "session.revoke_others" => t("Ended their other sessions"),
        "password.change" => t("Changed the password"),
        "password.set" => t("Set the password"),
        "password.check" => t("Gave the password once more"),
        "second_factor.begin" => t("Began to set up a second factor"),
        "second_factor.confirm" => t("Finished setting up a second factor"),
        "second_factor.remove" => t("Removed the second factor"),
        "second_factor.renew_codes" => t("Renewed the recovery codes"),
        "user.create" => t("Made an account"),
        "user.update" => t("Changed an account"),
        "user.unlock" => t("Unlocked an account"),
        "user.reset_password" => t("Reset a password"),
        "user.remove_second_factor" => t("Removed the second factor of an account"),
        "token.list" => t("Listed API tokens"),
        "token.create" => t("Made an API token"),
        "token.revoke" => t("Revoked an API token"),
        "settings.update" => t("Changed the settings"),
        "dashboard.read" => t("Read the dashboard"),
        "patient.list_archived" => t("Listed archived records"),
        "patient.import" => t("Imported a file"),
        "patient.erase" => t("Erased a record for good"),
        "therapy.create" => t("Recorded a therapy"),
        "therapy.update" => t("Changed a therapy"),
        "therapy.delete" => t("Deleted a therapy"),
        "biopsy.create" => t("Recorded a biopsy"),
        "biopsy.update" => t("Changed a biopsy"),
        "biopsy.delete" => t("Deleted a biopsy"),
        "outcome.create" => t("Recorded an outcome"),
        "document.list" => t("Listed documents"),
        "document.create" => t("Added a document"),
        "document.read" => t("Read about a document"),
        "document.open" => t("Opened a document"),
        "document.delete" => t("Deleted a document"),
        "care_team.read" => t("Read the care team"),
        "care_team.add" => t("Added somebody to the care team"),
        "care_team.remove" => t("Took somebody out of the care team"),
        "care_team.leave" => t("Left the care team"),
        "care_team.hand_over" => t("Handed the patient over"),
        "emergency_access.list" => t("Listed openings in an emergency"),
        "emergency_access.open" => t("Opened a record in an emergency"),
        "emergency_access.end" => t("Ended an emergency access"),
        "prediction_batch.request" => t("Requested predictions of a list"),
        "prediction_batch.read" => t("Read how far predictions of a list are"),
        "prediction_batch.cancel" => t("Called off predictions of a list"),
        "model.activate" => t("Made a version of the network the active one"),
        "model.shadow" => t("Changed which version runs as shadow"),
        other => return generic(other),
    };
    words.to_owned()
}

/// `ward_round.sign_off` as “Ward round: sign off”.
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
        assert_eq!(action("ward_round.sign_off"), "Ward round: sign off");
        assert_eq!(action("boot"), "Boot");
    }
}
