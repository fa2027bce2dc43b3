//! Numbers of records that somebody meets without seeing the records.
//!
//! Medical record numbers are unique in the installation, so registering a patient with a number that
//! is taken tells that there is such a record. Where not everybody sees every record, that is a guess
//! as good as one at an emergency access: it is counted with those, put on record with the numbers, and
//! too many of them have to wait.

use serde_json::json;

use crate::{
    auth::{Caller, lockout::Attempt},
    db::{
        self,
        audit::{Event, Outcome},
    },
    error::{Error, Result},
    state::AppState,
};

/// Where guesses at numbers are counted.
pub const PLACE: &str = "emergency access";
/// Beyond so many, one more of a file changes nothing about the delay.
const COUNTED: usize = 10;

/// Refuses whoever has guessed too often and has to wait.
pub async fn admit(state: &AppState, caller: &Caller) -> Result<()> {
    if caller.in_care_of().is_none() {
        return Ok(());
    }
    let mut tx = state.begin(caller).await?;
    let user = db::users::find(&mut *tx, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    Attempt::admit(&mut tx, &user.email, PLACE, state.clock.now()).await
}

/// Of numbers that are taken, those of records that the caller does not see: counted and put on
/// record, in a transaction of their own.
pub async fn met(state: &AppState, caller: &Caller, taken: &[String]) -> Result<Vec<String>> {
    if caller.in_care_of().is_none() || taken.is_empty() {
        return Ok(Vec::new());
    }
    let now = state.clock.now();
    let mut tx = state.begin(caller).await?;
    let seen = db::patients::lock_with_mrns(&mut tx, taken, caller.in_care_of(), caller.at).await?;
    let is_seen = |mrn: &String| seen.iter().any(|patient| patient.mrn == *mrn);
    let hidden: Vec<String> = taken.iter().filter(|mrn| !is_seen(mrn)).cloned().collect();
    if hidden.is_empty() {
        return Ok(hidden);
    }
    let user = db::users::find(&mut *tx, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    for _ in hidden.iter().take(COUNTED) {
        match Attempt::at(&mut tx, &user.email, PLACE.to_owned(), now).await {
            Ok(_) => {}
            // They have to wait already.
            Err(Error::TooManyRequests(_)) => break,
            Err(error) => return Err(error),
        }
    }
    let event = Event::new("patient.create").outcome(Outcome::Refused);
    let event = event.details(json!({ "mrns": hidden }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(hidden)
}
