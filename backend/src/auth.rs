//! Who calls, and whether they may.

pub mod api_token;
pub mod device;
pub mod guesses;
pub mod lockout;
pub mod password;
pub mod password_rules;
pub mod secret;
pub mod session;
pub mod token;
pub mod totp;
pub mod vault;

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    access::{Permission, Reach, Role, Scope, SitePolicy},
    id::{PatientId, SessionId, TokenId, UserId},
    patient::Patient,
    phrase,
};
use sqlx::PgConnection;

use crate::{
    auth::api_token::ApiToken,
    db,
    db::{audit::Actor, sessions::Origin, walls::Sight},
    error::{Error, Result},
    limits, refusals,
    state::AppState,
    telemetry,
};

/// Uses of a session this close together are noted once.
const USES_APART: TimeDelta = TimeDelta::minutes(1);

/// With what a caller showed who they are.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The access token of a session: a person who signed in.
    Session(SessionId),
    /// An API token: a program.
    Token {
        /// The token.
        id: TokenId,
        /// What it was made for.
        scopes: Vec<Scope>,
    },
}

/// Whoever a request speaks for, looked up anew on every request: a revoked session or token, a
/// changed role and a deactivated account count at once.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// What the account may do.
    pub role: Role,
    /// With what they showed it.
    pub shown: Shown,
    /// For a patient's account: the record it is linked to.
    pub patient_id: Option<PatientId>,
    /// What the site's settings leave of the policy.
    pub site: SitePolicy,
    /// When they asked: until when an emergency lasts is compared with it.
    pub at: DateTime<Utc>,
    /// Nothing but their own account is open until they have set up a second factor.
    pub must_enrol: bool,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Caller {
    /// Whether the caller may do this at all: by role and, with an API token, by its scopes.
    pub fn allows(&self, permission: Permission) -> bool {
        match &self.shown {
            Shown::Session(_) => self.role.allows_at(permission, self.site),
            Shown::Token { scopes, .. } => self.role.allows_token(scopes, permission),
        }
    }

    /// For an operation that needs a second permission too: whoever may write but not read, as a
    /// token may, is not answered the whole record.
    pub fn may_also(&self, permission: Permission) -> Result<()> {
        if self.allows(permission) { Ok(()) } else { Err(Error::NotAllowed) }
    }

    /// The session, for what only people who signed in may do.
    pub const fn session(&self) -> Result<SessionId> {
        match self.shown {
            Shown::Session(id) => Ok(id),
            Shown::Token { .. } => Err(Error::NotAllowed),
        }
    }

    /// Whether the session or token still lives, and the role, the site's policy and what is required
    /// of the account are what they were, for answers that go on for long.
    pub async fn still_lives(&self, state: &AppState) -> bool {
        let now = state.clock.now();
        let standing = match self.shown {
            Shown::Session(id) => {
                let live = state.together.sessions.ask(id).await.ok().flatten();
                live.map(|live| (live.role, live.site(), live.must_enrol))
            }
            Shown::Token { id, .. } => {
                db::tokens::standing_of_live(&state.db, id, now).await.ok().flatten()
            }
        };
        standing == Some((self.role, self.site, self.must_enrol))
    }

    /// The caller as the audit log names them.
    pub fn actor(&self) -> Actor {
        let (session_id, token_id) = match self.shown {
            Shown::Session(id) => (Some(id), None),
            Shown::Token { id, .. } => (None, Some(id)),
        };
        Actor {
            user_id: Some(self.user_id),
            role: Some(self.role),
            session_id,
            token_id,
            address: self.address.clone(),
            request_id: telemetry::request_id(),
        }
    }

    /// What the database shows the caller's transactions of the records.
    pub const fn sight(&self) -> Sight {
        match self.role.reach_at(self.site) {
            Reach::Everyone => Sight::Everything,
            Reach::InCare => Sight::InCare(self.user_id),
            Reach::OwnRecord => Sight::OwnRecord(self.user_id),
            Reach::Nobody => Sight::Nothing(self.user_id),
        }
    }

    /// Whether the caller sees this record.
    async fn sees(&self, db: &mut PgConnection, patient: &Patient) -> Result<bool> {
        match self.role.reach_at(self.site) {
            Reach::Everyone => Ok(true),
            Reach::InCare => {
                Ok(db::care_teams::cares_for(db, self.user_id, patient.id, self.at).await?)
            }
            Reach::OwnRecord => Ok(self.patient_id == Some(patient.id) && patient.own_access),
            Reach::Nobody => Ok(false),
        }
    }

    /// Whose care a list of patients is confined to; `None` when it is not.
    pub fn in_care_of(&self) -> Option<UserId> {
        (self.role.reach_at(self.site) != Reach::Everyone).then_some(self.user_id)
    }

    /// The one place where a record turns out to be none of the caller's: then there is no such
    /// patient.
    async fn seen(&self, db: &mut PgConnection, found: Option<Patient>) -> Result<Patient> {
        let patient = found.ok_or(Error::NotFound("patient"))?;
        if self.sees(db, &patient).await? { Ok(patient) } else { Err(Error::NotFound("patient")) }
    }

    /// The record, if there is one that the caller sees; otherwise there is no such patient.
    pub async fn patient(&self, db: &mut PgConnection, id: PatientId) -> Result<Patient> {
        let found = db::patients::find(&mut *db, id).await?;
        self.seen(db, found).await
    }

    /// The record, locked against changes until the transaction ends.
    pub async fn patient_locked(&self, db: &mut PgConnection, id: PatientId) -> Result<Patient> {
        let found = db::patients::find_for_update(&mut *db, id).await?;
        self.seen(db, found).await
    }

    /// The record, locked against changes until the transaction ends, for a change of something
    /// in it. An archived record is read-only.
    pub async fn patient_to_change(&self, db: &mut PgConnection, id: PatientId) -> Result<Patient> {
        let patient = self.patient_locked(db, id).await?;
        if patient.archived_at.is_some() {
            return Err(Error::Conflict(
                phrase!("the record is archived; restore it first").to_owned(),
            ));
        }
        Ok(patient)
    }
}

/// A permission that a handler's signature can name.
pub trait Needs: Send + Sync {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! needs {
    ($($name:ident),* $(,)?) => {$(
        #[doc = concat!("Names [`Permission::", stringify!($name), "`] in a handler's signature.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Needs for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )*};
}

needs!(
    UseOwnAccount,
    ListPatients,
    KeepViews,
    ReadPatients,
    EditPatients,
    ReadPredictions,
    RequestPredictions,
    PreviewPredictions,
    UseTokens,
    ManageSettings,
    ReadModels,
    ManageModels,
    ReadSummaries,
    ReadAudit,
    ReadAccessLog,
    ReadCareTeams,
    ManageCareTeams,
    BreakGlass,
    ManageUsers,
    EraseRecords,
);

/// Proof that the caller may do `P`, by role and scopes: a handler that takes it cannot forget to check.
#[derive(Clone, Debug)]
pub struct Allowed<P> {
    /// Who calls.
    pub caller: Caller,
    needs: PhantomData<P>,
}

impl<P: Needs> FromRequestParts<AppState> for Allowed<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let caller = authenticate(parts, state).await?;
        if !caller.allows(P::PERMISSION) {
            return Err(Error::NotAllowed);
        }
        if caller.must_enrol && P::PERMISSION != Permission::UseOwnAccount {
            return Err(Error::SecondFactorMissing);
        }
        Ok(Self { caller, needs: PhantomData })
    }
}

async fn authenticate(parts: &Parts, state: &AppState) -> Result<Caller> {
    let shown = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(Error::NotSignedIn)?;
    let address = address(&parts.headers);
    let caller = if shown.starts_with(api_token::PREFIX) {
        // Boxed, or every request would have room for it.
        Box::pin(by_token(shown, address, state)).await?
    } else {
        by_session(shown, address, state).await?
    };
    refusals::note(&parts.extensions, &caller);
    let standing = match caller.shown {
        Shown::Session(_) => state.limits.account(caller.user_id, state.clock.now()),
        Shown::Token { id, .. } => state.limits.token(id, state.clock.now()),
    };
    limits::note(&parts.extensions, standing)?;
    Ok(caller)
}

async fn by_session(shown: &str, address: Option<String>, state: &AppState) -> Result<Caller> {
    let now = state.clock.now();
    let claims = state.keys.verify(shown, now).map_err(|_| Error::NotSignedIn)?;
    let found = state
        .together
        .sessions
        .ask(claims.sid)
        .await?
        .filter(|session| session.user_id == claims.sub)
        .ok_or(Error::NotSignedIn)?;
    // One write a minute, not one per request.
    if found.last_used_at + USES_APART < now {
        Box::pin(db::sessions::mark_used(&state.db, claims.sid, now)).await?;
    }
    Ok(Caller {
        user_id: found.user_id,
        role: found.role,
        shown: Shown::Session(claims.sid),
        patient_id: found.patient_id,
        site: found.site(),
        at: now,
        must_enrol: found.must_enrol,
        address,
    })
}

async fn by_token(shown: &str, address: Option<String>, state: &AppState) -> Result<Caller> {
    let now = state.clock.now();
    let hash = ApiToken::received(shown).ok_or(Error::NotSignedIn)?.hash();
    let found = db::tokens::find_live(&state.db, &hash, now).await?.ok_or(Error::NotSignedIn)?;
    let today = now.date_naive();
    // One write per day and address, not one per request.
    if found.last_used_on != Some(today) || found.last_used_address != address {
        db::tokens::mark_used(&state.db, found.id, today, address.as_deref()).await?;
    }
    let site = found.site();
    Ok(Caller {
        user_id: found.user_id,
        role: found.role,
        shown: Shown::Token { id: found.id, scopes: found.scopes },
        patient_id: found.patient_id,
        site,
        at: now,
        must_enrol: found.must_enrol,
        address,
    })
}

/// Where a session begins, and with what.
pub fn origin(headers: &HeaderMap) -> Origin {
    Origin { address: address(headers), device: device::device(headers) }
}

/// The caller's address, as NGINX (which overwrites the header) saw it.
pub fn address(headers: &HeaderMap) -> Option<String> {
    let forwarded = headers.get("x-forwarded-for")?.to_str().ok()?;
    forwarded.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}
