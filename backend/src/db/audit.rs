//! The audit log: added to in the transaction of what it records, never changed.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    access::Role,
    id::{PatientId, SessionId, TokenId, UserId},
};
use sqlx::PgConnection;
use uuid::Uuid;

/// Who did it, and through which request.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The account; absent for the worker, and for a failed sign-in to an unknown account.
    pub user_id: Option<UserId>,
    /// The account's role at that moment.
    pub role: Option<Role>,
    /// The session.
    pub session_id: Option<SessionId>,
    /// The API token, where it was not a session.
    pub token_id: Option<TokenId>,
    /// Where the request came from.
    pub address: Option<String>,
    /// The request's id, as in the server's log.
    pub request_id: Option<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Refused,
    /// It was tried and did not work.
    Failure,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// `noun.verb`, such as `patient.read`.
    pub action: &'static str,
    /// What it was done to.
    pub object_id: Option<Uuid>,
    /// Whose record it concerns.
    pub patient_id: Option<PatientId>,
    /// How it ended.
    pub outcome: Outcome,
    /// What changed; never a secret.
    pub details: Option<Value>,
}

impl Event {
    /// Something that was done, to nothing in particular yet.
    pub const fn new(action: &'static str) -> Self {
        Self { action, object_id: None, patient_id: None, outcome: Outcome::Success, details: None }
    }

    /// … to this object.
    #[must_use]
    pub const fn object(mut self, id: Uuid) -> Self {
        self.object_id = Some(id);
        self
    }

    /// … in this patient's record.
    #[must_use]
    pub const fn patient(mut self, id: PatientId) -> Self {
        self.patient_id = Some(id);
        self
    }

    /// … with this end.
    #[must_use]
    pub const fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// … with these details.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// Adds an entry. It takes a connection, not the pool, so that it stands in the transaction of
/// what it records.
pub async fn record(
    db: &mut PgConnection,
    actor: &Actor,
    event: Event,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into audit_events
            (at, actor_id, actor_role, session_id, action, object_id, patient_id, outcome, address,
             request_id, details, token_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        at,
        actor.user_id as Option<UserId>,
        actor.role as Option<Role>,
        actor.session_id as Option<SessionId>,
        event.action,
        event.object_id,
        event.patient_id as Option<PatientId>,
        event.outcome as Outcome,
        actor.address,
        actor.request_id,
        event.details,
        actor.token_id as Option<TokenId>,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds many entries of one moment in one go.
pub async fn record_all(
    db: &mut PgConnection,
    actor: &Actor,
    events: &[Event],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let actions: Vec<String> = events.iter().map(|event| event.action.to_owned()).collect();
    let objects: Vec<Option<Uuid>> = events.iter().map(|event| event.object_id).collect();
    let patients: Vec<Option<Uuid>> =
        events.iter().map(|event| event.patient_id.map(|id| id.0)).collect();
    let outcomes: Vec<Outcome> = events.iter().map(|event| event.outcome).collect();
    let details: Vec<Option<Value>> = events.iter().map(|event| event.details.clone()).collect();
    sqlx::query!(
        "insert into audit_events
            (at, actor_id, actor_role, session_id, token_id, address, request_id, action, object_id,
             patient_id, outcome, details)
        select $1, $2, $3, $4, $5, $6, $7, entries.*
        from unnest($8::text[], $9::uuid[], $10::uuid[], $11::text[], $12::jsonb[]) as entries",
        at,
        actor.user_id as Option<UserId>,
        actor.role as Option<Role>,
        actor.session_id as Option<SessionId>,
        actor.token_id as Option<TokenId>,
        actor.address,
        actor.request_id,
        &actions,
        objects as _,
        patients as _,
        outcomes as _,
        details as _,
    )
    .execute(db)
    .await?;
    Ok(())
}
