//! What the audit log's actions mean, in words.

use shared::phrase;

use crate::{format, language::t};

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

/// What is done with a record, in words.
const OF_A_RECORD: [(&str, &str); 46] = [
    ("request.refuse", phrase!("Tried what is not allowed, or not there for them")),
    ("request.repeat", phrase!("Repeated a request")),
    ("patient.read", phrase!("Read the record")),
    ("patient.list", phrase!("Listed patients")),
    ("patient.export_list", phrase!("Exported the patient list")),
    ("patient.create", phrase!("Registered the patient")),
    ("patient.update", phrase!("Changed the patient's facts")),
    ("patient.archive", phrase!("Archived the record")),
    ("patient.restore", phrase!("Restored the record")),
    ("patient.export", phrase!("Exported the whole record")),
    ("observation.list", phrase!("Read values")),
    ("observation.create", phrase!("Recorded values")),
    ("observation.compare", phrase!("Compared a file with the values")),
    ("observation.correct", phrase!("Corrected a value")),
    ("observation.void", phrase!("Took out a value")),
    ("therapy.list", phrase!("Read therapies")),
    ("biopsy.list", phrase!("Read biopsies")),
    ("outcome.list", phrase!("Read outcomes")),
    ("prediction.list", phrase!("Read the predictions")),
    ("prediction.read", phrase!("Read a prediction")),
    ("prediction.request", phrase!("Requested a prediction")),
    ("prediction.finish", phrase!("Finished a prediction")),
    ("prediction.cancel", phrase!("Called off a prediction")),
    ("patient.list_archived", phrase!("Listed archived records")),
    ("patient.import", phrase!("Imported a file")),
    ("patient.erase", phrase!("Erased a record for good")),
    ("therapy.create", phrase!("Recorded a therapy")),
    ("therapy.update", phrase!("Changed a therapy")),
    ("therapy.delete", phrase!("Deleted a therapy")),
    ("biopsy.create", phrase!("Recorded a biopsy")),
    ("biopsy.update", phrase!("Changed a biopsy")),
    ("biopsy.delete", phrase!("Deleted a biopsy")),
    ("outcome.create", phrase!("Recorded an outcome")),
    ("document.list", phrase!("Listed documents")),
    ("document.create", phrase!("Added a document")),
    ("document.read", phrase!("Read about a document")),
    ("document.open", phrase!("Opened a document")),
    ("document.delete", phrase!("Deleted a document")),
    ("care_team.read", phrase!("Read the care team")),
    ("care_team.add", phrase!("Added somebody to the care team")),
    ("care_team.remove", phrase!("Took somebody out of the care team")),
    ("care_team.leave", phrase!("Left the care team")),
    ("care_team.hand_over", phrase!("Handed the patient over")),
    ("emergency_access.list", phrase!("Listed openings in an emergency")),
    ("emergency_access.open", phrase!("Opened a record in an emergency")),
    ("emergency_access.end", phrase!("Ended an emergency access")),
];

/// What is done elsewhere, in words; no patient page needs it.
const OF_THE_SITE: [(&str, &str); 42] = [
    ("session.sign_in", phrase!("Signed in")),
    ("session.sign_out", phrase!("Signed out")),
    ("session.ask_second_factor", phrase!("Gave the password; was asked for the second factor")),
    ("session.second_factor", phrase!("Gave a code of the second factor")),
    ("session.refresh", phrase!("Used a session's token twice")),
    ("preferences.update", phrase!("Changed their own language, units or KFRE baseline")),
    ("view.create", phrase!("Saved a view of the patient list")),
    ("view.update", phrase!("Changed a saved view")),
    ("view.delete", phrase!("Deleted a saved view")),
    ("summary.read", phrase!("Asked for summaries")),
    ("summary.count_privately", phrase!("Counted people privately")),
    ("summary.export", phrase!("Exported rows without identity")),
    ("summary.publish", phrase!("Published summaries")),
    ("audit.list", phrase!("Read the audit log")),
    ("audit.read", phrase!("Read an entry of the audit log")),
    ("audit.verify", phrase!("Checked the audit log")),
    ("audit.prove", phrase!("Had an entry of the audit log proved")),
    ("audit.export", phrase!("Exported the audit log")),
    ("session.revoke", phrase!("Ended a session")),
    ("session.revoke_others", phrase!("Ended their other sessions")),
    ("password.change", phrase!("Changed the password")),
    ("password.set", phrase!("Set the password")),
    ("password.check", phrase!("Gave the password once more")),
    ("second_factor.begin", phrase!("Began to set up a second factor")),
    ("second_factor.confirm", phrase!("Finished setting up a second factor")),
    ("second_factor.remove", phrase!("Removed the second factor")),
    ("second_factor.renew_codes", phrase!("Renewed the recovery codes")),
    ("user.create", phrase!("Made an account")),
    ("user.update", phrase!("Changed an account")),
    ("user.unlock", phrase!("Unlocked an account")),
    ("user.reset_password", phrase!("Reset a password")),
    ("user.remove_second_factor", phrase!("Removed the second factor of an account")),
    ("token.list", phrase!("Listed API tokens")),
    ("token.create", phrase!("Made an API token")),
    ("token.revoke", phrase!("Revoked an API token")),
    ("settings.update", phrase!("Changed the settings")),
    ("dashboard.read", phrase!("Read the dashboard")),
    ("prediction_batch.request", phrase!("Requested predictions of a list")),
    ("prediction_batch.read", phrase!("Read how far predictions of a list are")),
    ("prediction_batch.cancel", phrase!("Called off predictions of a list")),
    ("model.activate", phrase!("Made a version of the network the active one")),
    ("model.shadow", phrase!("Changed which version runs as shadow")),
];

/// An action in words; one that is not known here, such as of a newer server, as it is.
pub fn action(action: &str) -> String {
    words(&OF_THE_SITE, action).unwrap_or_else(|| of_a_record(action))
}

/// An action of a record's own log in words.
pub fn of_a_record(action: &str) -> String {
    words(&OF_A_RECORD, action).unwrap_or_else(|| generic(action))
}

fn words(known: &[(&str, &'static str)], action: &str) -> Option<String> {
    known.iter().find(|(name, _)| *name == action).map(|(_, words)| t(words).to_owned())
}

/// `ward_round.sign_off` as “Ward round: sign off”.
fn generic(action: &str) -> String {
    let words = action.replace('_', " ");
    let (noun, verb) = words.split_once('.').unwrap_or((&words, ""));
    let noun = format::capitalised(noun);
    if verb.is_empty() { noun } else { format!("{noun}: {verb}") }
}

#[cfg(test)]
mod tests {
    use super::action;

    #[test]
    fn an_action_is_said_in_words() {
        assert_eq!(action("patient.read"), "Read the record");
        assert_eq!(action("token.list"), "Listed API tokens");
    }
}
