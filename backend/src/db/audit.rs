//! The audit log: added to in the transaction of what it records, never changed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    access::Role,
    audit::{AccessEvent, AuditActor, AuditEvent, AuditOutcome},
    id::{EmergencyAccessId, PatientId, SessionId, TokenId, UserId},
};
use sqlx::{PgConnection, PgExecutor};
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
pub type Outcome = AuditOutcome;

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
    /// What changed; never a secret. Those who look at the same share it.
    pub details: Option<Arc<Value>>,
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
    pub fn details(mut self, details: impl Into<Arc<Value>>) -> Self {
        self.details = Some(details.into());
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
             request_id, details, token_id, emergency_access_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, emergency_of($2, $7, $1))",
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
        event.details.as_deref(),
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
    let details: Vec<Option<&Value>> =
        events.iter().map(|event| event.details.as_deref()).collect();
    sqlx::query!(
        "insert into audit_events
            (at, actor_id, actor_role, session_id, token_id, address, request_id, action, object_id,
             patient_id, outcome, details, emergency_access_id)
        select $1, $2, $3, $4, $5, $6, $7, action, object, patient, outcome, details,
            -- Asked once for all of them: mostly the actor is in no emergency.
            case when (select exists(
                select from emergency_accesses where user_id = $2 and $1 < open_until
            )) then emergency_of($2, patient, $1) end
        from unnest($8::text[], $9::uuid[], $10::uuid[], $11::text[], $12::jsonb[])
            as entries (action, object, patient, outcome, details)",
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

/// A look at something: who, at what, and when.
#[derive(Clone, Debug)]
pub struct Look {
    /// Who looked.
    pub actor: Actor,
    /// At what.
    pub event: Event,
    /// When.
    pub at: DateTime<Utc>,
}

/// Adds entries of several people by one statement; over the pool, in a commit of its own.
pub async fn record_looks(db: impl PgExecutor<'_>, looks: &[Look]) -> sqlx::Result<()> {
    fn column<'a, T>(looks: &'a [Look], of: impl Fn(&'a Look) -> T) -> Vec<T> {
        looks.iter().map(of).collect()
    }
    sqlx::query!(
        "insert into audit_events
            (at, actor_id, actor_role, session_id, token_id, address, request_id, action, object_id,
             patient_id, outcome, details, emergency_access_id)
        select at, actor, role, session, token, address, request, action, object, patient, outcome,
            details,
            -- Asked once for all of them: mostly there is no emergency anywhere.
            case when (select exists(select from emergency_accesses where $13 < open_until))
                then emergency_of(actor, patient, at) end
        from unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[],
            $7::text[], $8::text[], $9::uuid[], $10::uuid[], $11::text[], $12::jsonb[])
            as looks (at, actor, role, session, token, address, request, action, object, patient,
                outcome, details)",
        &column(looks, |look| look.at),
        column(looks, |look| look.actor.user_id.map(|id| id.0)) as _,
        column(looks, |look| look.actor.role) as _,
        column(looks, |look| look.actor.session_id.map(|id| id.0)) as _,
        column(looks, |look| look.actor.token_id.map(|id| id.0)) as _,
        column(looks, |look| look.actor.address.as_deref()) as _,
        column(looks, |look| look.actor.request_id.as_deref()) as _,
        column(looks, |look| look.event.action) as _,
        column(looks, |look| look.event.object_id) as _,
        column(looks, |look| look.event.patient_id.map(|id| id.0)) as _,
        column(looks, |look| look.event.outcome) as _,
        column(looks, |look| look.event.details.as_deref()) as _,
        looks.iter().map(|look| look.at).min(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Done by this account.
    pub actor: Option<UserId>,
    /// In this patient's record.
    pub patient: Option<PatientId>,
    /// This action, or all of this noun.
    pub action: Option<String>,
    /// With this end.
    pub outcome: Option<Outcome>,
    /// Done in an emergency, or not.
    pub emergency: Option<bool>,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

/// An entry with the names of whom it speaks of, as they are now.
struct Row {
    id: i64,
    at: DateTime<Utc>,
    actor_id: Option<UserId>,
    actor_name: Option<String>,
    actor_email: Option<String>,
    actor_role: Option<Role>,
    session_id: Option<SessionId>,
    token_id: Option<TokenId>,
    action: String,
    object_id: Option<Uuid>,
    patient_id: Option<PatientId>,
    patient_name: Option<String>,
    outcome: Outcome,
    emergency_access_id: Option<EmergencyAccessId>,
    address: Option<String>,
    request_id: Option<String>,
    details: Option<Value>,
    sequence: Option<i64>,
}

impl From<Row> for AuditEvent {
    fn from(row: Row) -> Self {
        let (display_name, email) = (row.actor_name, row.actor_email);
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor_id.map(|id| AuditActor { id, display_name, email }),
            actor_role: row.actor_role,
            session_id: row.session_id,
            token_id: row.token_id,
            action: row.action,
            object_id: row.object_id,
            patient_id: row.patient_id,
            patient_name: row.patient_name,
            outcome: row.outcome,
            emergency_access_id: row.emergency_access_id,
            address: row.address,
            request_id: row.request_id,
            details: row.details,
            sequence: row.sequence,
        }
    }
}

macro_rules! entries {
    ($rest:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"select audit_events.id, at, actor_id as "actor_id: UserId",
                users.display_name as "actor_name?", users.email as "actor_email?",
                actor_role as "actor_role: Role", session_id as "session_id: SessionId",
                token_id as "token_id: TokenId", action, object_id, audit_events.patient_id as "patient_id: PatientId",
                patients.family_name || ', ' || patients.given_name as patient_name,
                outcome as "outcome: Outcome",
                emergency_access_id as "emergency_access_id: EmergencyAccessId", address, request_id, details,
                sequence as "sequence?"
            from audit_events
            left join users on users.id = actor_id
            left join patients on patients.id = audit_events.patient_id
            left join audit_leaves on event_id = audit_events.id
            "# + $rest,
            $($argument),*
        )
    };
}

/// Entries, the newest first, from below the number `before`.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<AuditEvent>> {
    let rows = entries!(
        "where ($1::bigint is null or audit_events.id < $1)
            and ($2::uuid is null or actor_id = $2)
            and ($3::uuid is null
                or audit_events.patient_id = $3
                or (details ? 'patients'
                    and details -> 'patients' @> jsonb_build_array($3)))
            and ($4::text is null or action = $4 or starts_with(action, $4 || '.'))
            and ($5::text is null or outcome = $5)
            and ($6::timestamptz is null or $6 <= at)
            and ($7::timestamptz is null or at < $7)
            and ($8::boolean is null or (emergency_access_id is not null) = $8)
        order by audit_events.id desc
        limit $9",
        before,
        filter.actor as Option<UserId>,
        filter.patient as Option<PatientId>,
        filter.action,
        filter.outcome as Option<Outcome>,
        filter.from,
        filter.to,
        filter.emergency,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(AuditEvent::from).collect())
}

/// One entry.
pub async fn find(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<AuditEvent>> {
    let row = entries!("where audit_events.id = $1", id).fetch_optional(db).await?;
    Ok(row.map(AuditEvent::from))
}

/// Who looked at or changed a record, or had it in a list, the newest first, from below the number
/// `before`.
pub async fn accesses(
    db: impl PgExecutor<'_>,
    patient: PatientId,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<AccessEvent>> {
    sqlx::query_as!(
        AccessEvent,
        r#"select looks.id as "id!", at as "at!", display_name as "actor_name?",
            actor_role as "actor_role: Role", action as "action!",
            outcome as "outcome!: Outcome", emergency as "emergency!"
        from (
            (
                select id, at, actor_id, actor_role, action, outcome,
                    emergency_access_id is not null as emergency
                from audit_events
                where patient_id = $1 and ($2::bigint is null or id < $2)
                order by id desc
                limit $3
            )
            union all
            select id, at, actor_id, actor_role, action, outcome, emergency
            from lists_that_showed($1, $2, $3)
        ) as looks
        left join users on users.id = actor_id
        order by looks.id desc
        limit $3"#,
        patient as PatientId,
        before,
        limit,
    )
    .fetch_all(db)
    .await
}
