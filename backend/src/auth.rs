//! Who calls, and whether they may.

pub mod password;
pub mod session;
pub mod token;

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use chrono::{DateTime, Utc};
use shared::{
    access::{Permission, Reach, Role},
    id::{PatientId, SessionId, UserId},
    patient::Patient,
};
use sqlx::PgConnection;

use crate::{
    db,
    db::audit::Actor,
    error::{Error, Result},
    state::AppState,
    telemetry,
};

/// Whoever a request speaks for, looked up anew on every request: a revoked session, a changed
/// role and a deactivated account count at once.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// What the account may do.
    pub role: Role,
    /// The session whose token was shown.
    pub session_id: SessionId,
    /// For a patient's account: the record it is linked to.
    pub patient_id: Option<PatientId>,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Caller {
    /// The caller as the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor {
            user_id: Some(self.user_id),
            role: Some(self.role),
            session_id: Some(self.session_id),
            address: self.address.clone(),
            request_id: telemetry::request_id(),
        }
    }

    /// Whether the caller's role reaches this record.
    pub fn reaches(&self, patient: &Patient) -> bool {
        match self.role.reach() {
            Reach::Everyone => true,
            Reach::OwnRecord => self.patient_id == Some(patient.id) && patient.own_access,
            Reach::Nobody => false,
        }
    }

    /// The record, if there is one that the caller reaches; otherwise there is no such patient.
    pub async fn patient(&self, db: &mut PgConnection, id: PatientId) -> Result<Patient> {
        db::patients::find(&mut *db, id)
            .await?
            .filter(|patient| self.reaches(patient))
            .ok_or(Error::NotFound("patient"))
    }

    /// The record, locked against changes until the transaction ends, for a change of something
    /// in it. An archived record is read-only.
    pub async fn patient_to_change(&self, db: &mut PgConnection, id: PatientId) -> Result<Patient> {
        let patient = db::patients::find_for_update(&mut *db, id)
            .await?
            .filter(|patient| self.reaches(patient))
            .ok_or(Error::NotFound("patient"))?;
        if patient.archived_at.is_some() {
            return Err(Error::Conflict("the record is archived; restore it first".to_owned()));
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
    ReadPatients,
    EditPatients,
    ReadPredictions,
    RequestPredictions,
    PreviewPredictions,
);

/// Proof that the caller's role allows `P`: a handler that takes it cannot forget to check.
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
        if !caller.role.allows(P::PERMISSION) {
            return Err(Error::NotAllowed);
        }
        Ok(Self { caller, needs: PhantomData })
    }
}

async fn authenticate(parts: &Parts, state: &AppState) -> Result<Caller> {
    let token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(Error::NotSignedIn)?;
    let now = state.clock.now();
    let claims = state.keys.verify(token, now).map_err(|_| Error::NotSignedIn)?;
    let found = db::sessions::find_live(&state.db, claims.sid, idle_since(state, now), now)
        .await?
        .filter(|session| session.user_id == claims.sub)
        .ok_or(Error::NotSignedIn)?;
    Ok(Caller {
        user_id: found.user_id,
        role: found.role,
        session_id: claims.sid,
        patient_id: found.patient_id,
        address: address(&parts.headers),
    })
}

/// A session that was last used before this moment has ended.
pub fn idle_since(state: &AppState, now: DateTime<Utc>) -> DateTime<Utc> {
    now - state.settings.session_idle
}

/// The caller's address, as NGINX (which overwrites the header) saw it.
pub fn address(headers: &HeaderMap) -> Option<String> {
    let forwarded = headers.get("x-forwarded-for")?.to_str().ok()?;
    forwarded.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}
