//! The walls below the handlers: what the program's own role may do, and transactions that see a
//! part of the records, whatever their queries ask for.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use shared::id::UserId;
use sqlx::{PgConnection, PgExecutor, PgPool, PgTransaction, Postgres, pool::PoolConnection};

/// What a transaction sees of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Every record.
    Everything,
    /// The records of the patients whom the viewer cares for, or sees in an emergency.
    InCare(UserId),
    /// The record that the viewer's account is linked to, while it is open to them.
    OwnRecord(UserId),
    /// No record.
    Nothing(UserId),
}

/// What a look at the records goes through.
#[derive(Debug)]
pub enum Reading {
    /// Whoever sees everything needs no transaction: each statement sees what is committed, as it
    /// would in one.
    Everything(PoolConnection<Postgres>),
    /// What is seen is the transaction's.
    Part(PgTransaction<'static>),
}

impl Reading {
    /// Begins to look, and sees so much.
    pub async fn begin(db: &PgPool, sight: Sight, at: DateTime<Utc>) -> sqlx::Result<Self> {
        Ok(match sight {
            Sight::Everything => Self::Everything(db.acquire().await?),
            Sight::InCare(_) | Sight::OwnRecord(_) | Sight::Nothing(_) => {
                Self::Part(begin(db, sight, at).await?)
            }
        })
    }

    /// Ends it; without it, it ends a little later.
    pub async fn end(self) -> sqlx::Result<()> {
        match self {
            Self::Everything(_) => Ok(()),
            Self::Part(tx) => tx.commit().await,
        }
    }
}

impl Deref for Reading {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Everything(connection) => connection,
            Self::Part(tx) => tx,
        }
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Everything(connection) => connection,
            Self::Part(tx) => tx,
        }
    }
}

/// Begins a transaction that sees so much. The claims are sent along with `begin`, so they cost no
/// round trip, and end with the transaction, so the connection can be anybody's afterwards.
pub async fn begin(
    db: &PgPool,
    sight: Sight,
    at: DateTime<Utc>,
) -> sqlx::Result<PgTransaction<'static>> {
    let (reach, viewer) = match sight {
        Sight::Everything => return super::begin(db).await,
        Sight::InCare(viewer) => ("in_care", viewer),
        Sight::OwnRecord(viewer) => ("own_record", viewer),
        Sight::Nothing(viewer) => ("nothing", viewer),
    };
    // An identifier and a time: nothing in them can end the quotation.
    let (viewer, at) = (viewer.0, at.to_rfc3339());
    let statement = format!(
        "begin;
        set local role nephrocast_restricted;
        set local nephrocast.reach = '{reach}';
        set local nephrocast.viewer = '{viewer}';
        set local nephrocast.at = '{at}'"
    );
    super::begin_with(db, statement).await
}

/// Lets the rest of a transaction see everything, for what the program does on its own account.
pub async fn lift(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("set local role none").execute(db).await?;
    Ok(())
}

/// Builds the walls anew, as the database's owner.
pub async fn build(db: &PgPool) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    sqlx::raw_sql(include_str!("walls.sql")).execute(&mut *tx).await?;
    tx.commit().await
}

/// The newest migration of whose tables the walls were built; absent if they never were.
pub async fn built_for(db: impl PgExecutor<'_>) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select obj_description(to_regprocedure('guard(regclass,text,text,text)'), 'pg_proc')::bigint"
    )
    .fetch_one(db)
    .await
}

/// What a connection's role could do beyond what the program needs.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The role.
    pub role: String,
    /// It can act as the owner of the tables.
    pub owns: bool,
    /// It can change or remove entries of the audit log.
    pub rewrites_audit: bool,
    /// Walls between rows do not hold it.
    pub passes_walls: bool,
}

/// What the role that signed in could do.
pub async fn standing(db: impl PgExecutor<'_>) -> sqlx::Result<Standing> {
    sqlx::query_as!(
        Standing,
        r#"select rolname::text as "role!",
            pg_has_role(oid, (
                select relowner from pg_class where oid = 'audit_events'::regclass
            ), 'member') as "owns!",
            has_table_privilege(oid, 'audit_events', 'update, delete, truncate')
                or has_table_privilege(oid, 'audit_leaves', 'update, delete, truncate')
                or has_table_privilege(oid, 'audit_checkpoints', 'update, delete, truncate')
                as "rewrites_audit!",
            rolsuper or rolbypassrls as "passes_walls!"
        from pg_roles
        where rolname = session_user"#
    )
    .fetch_one(db)
    .await
}
