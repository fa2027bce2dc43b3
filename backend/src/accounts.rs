//! Making accounts and letting people set their passwords: what the API and the command line
//! share.

use anyhow::Context;
use chrono::TimeDelta;
use serde_json::json;
use shared::{
    access::Role,
    id::UserId,
    phrase,
    user::{Account, PasswordLink, User},
};
use sqlx::{PgConnection, PgPool};
use unicode_normalization::UnicodeNormalization;

use crate::{
    auth::{lockout, password, secret::Secret, vault::Vault},
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event},
        sessions::EndReason,
        users::Filter,
    },
    error::{Error, Result},
    input::Faults,
};

/// How long a link to set a password is good.
pub const LINK_LIFETIME: TimeDelta = TimeDelta::hours(72);
/// The most characters of a name.
const NAME: usize = 100;
/// The most characters of an e-mail address.
const EMAIL: usize = 254;

/// An e-mail address as accounts are found by it.
pub fn address(email: &str) -> String {
    email.trim().nfc().collect::<String>().to_lowercase()
}

/// A new account's facts as they are kept, with all that is wrong with them.
pub fn checked(faults: &mut Faults, mut user: User) -> User {
    user.email = address(&faults.line("/email", &user.email, EMAIL));
    let parts = user.email.split_once('@');
    let is_address = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !local.contains(':')
    });
    if !is_address || user.email.contains(char::is_whitespace) {
        faults.add("/email", phrase!("must be an e-mail address such as name@example.org"));
    }
    user.display_name = name(faults, &user.display_name);
    user
}

/// A name as it is kept.
pub fn name(faults: &mut Faults, given: &str) -> String {
    faults.line("/display_name", given, NAME)
}

/// Adds an account without a password, and a link to set one; `None` when the address is taken.
/// `unusable` is the hash of a password that nobody knows.
pub async fn invite(
    db: &mut PgConnection,
    clock: &Clock,
    user: &User,
    unusable: &str,
) -> Result<Option<PasswordLink>> {
    if !db::users::insert(&mut *db, user, unusable, clock.now()).await? {
        return Ok(None);
    }
    reset(db, clock, user.id, unusable).await.map(Some)
}

/// Makes an account forget its password, and a link to set a new one.
pub async fn reset(
    db: &mut PgConnection,
    clock: &Clock,
    id: UserId,
    unusable: &str,
) -> Result<PasswordLink> {
    let now = clock.now();
    let secret = Secret::random();
    let expires_at = now + LINK_LIFETIME;
    db::users::forget_password(&mut *db, id, unusable).await?;
    db::password_links::insert(db, id, &secret.hash(), now, expires_at).await?;
    Ok(PasswordLink { path: format!("/set-password#{}", secret.as_str()), expires_at })
}

/// Seals every second factor anew that an earlier key sealed, so that the earlier key can go.
pub async fn reseal(db: &PgPool, vault: &Vault) -> anyhow::Result<()> {
    for (user, before) in db::second_factors::sealed(db).await? {
        if !vault.is_outdated(&before) {
            continue;
        }
        let about = user.0.as_bytes();
        match vault.open(&before, about) {
            Ok(secret) => {
                let after = vault.seal(&secret, about)?;
                db::second_factors::reseal(db, user, &before, &after).await?;
            }
            Err(error) => {
                tracing::warn!(%user, error = format!("{error:#}"), "a second factor is lost");
            }
        }
    }
    Ok(())
}

/// What a password must not be made of.
pub fn about(user: &User) -> Vec<String> {
    let local = user.email.split('@').next().unwrap_or_default().to_owned();
    vec![user.email.clone(), local, user.display_name.clone()]
}

/// The role with this name.
pub fn role(name: &str) -> std::result::Result<Role, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned()))
        .map_err(|_| "must be administrator, clinician, researcher or patient".to_owned())
}

/// Who did it, in the audit log, when it was done at the command line.
const BY_HAND: &str = "command line";

/// Makes an account at the command line: the first administrator of an installation.
pub async fn create_by_hand(
    db: &PgPool,
    clock: &Clock,
    role: Role,
    email: String,
    display_name: String,
) -> anyhow::Result<PasswordLink> {
    let mut faults = Faults::default();
    let id = UserId(clock.new_id());
    let user = User { id, email, display_name, role, patient_id: None };
    let user = checked(&mut faults, user);
    faults.refuse().map_err(in_words)?;
    let mut tx = db::begin(db).await?;
    let link = invite(&mut tx, clock, &user, &unusable()?).await?;
    let link = link.with_context(|| format!("{} belongs to an account already", user.email))?;
    let details = json!({ "email": user.email, "role": user.role, "by": BY_HAND });
    let event = Event::new("user.create").object(id.0).details(details);
    db::audit::record(&mut tx, &Actor::default(), event, clock.now()).await?;
    tx.commit().await?;
    Ok(link)
}

/// Resets a password at the command line.
pub async fn reset_by_hand(
    db: &PgPool,
    clock: &Clock,
    email: &str,
) -> anyhow::Result<PasswordLink> {
    let now = clock.now();
    let mut tx = db::begin(db).await?;
    let found = db::users::find_for_sign_in(&mut *tx, &address(email)).await?;
    let (id, _) = found.with_context(|| format!("there is no open account for {email}"))?;
    let link = reset(&mut tx, clock, id, &unusable()?).await?;
    lockout::unlock(&mut tx, email).await?;
    db::sessions::end_all(&mut tx, id, None, EndReason::PasswordReset, now).await?;
    let details = json!({ "by": BY_HAND });
    let event = Event::new("user.reset_password").object(id.0).details(details);
    db::audit::record(&mut tx, &Actor::default(), event, now).await?;
    tx.commit().await?;
    Ok(link)
}

/// Every account, by name.
pub async fn list_by_hand(db: &PgPool, clock: &Clock) -> anyhow::Result<Vec<Account>> {
    Ok(db::users::list(db, &Filter::default(), None, i64::MAX, clock.now()).await?)
}

/// The hash of a password that nobody knows.
fn unusable() -> anyhow::Result<String> {
    password::hash(Secret::random().as_str().as_bytes())
}

fn in_words(error: Error) -> anyhow::Error {
    match error {
        Error::Invalid(faults) => {
            let words: Vec<_> = faults
                .iter()
                .map(|fault| format!("{} {}", &fault.pointer[1..], fault.message))
                .collect();
            anyhow::anyhow!("{}", words.join("; "))
        }
        error => error.into(),
    }
}
