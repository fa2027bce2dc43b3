//! What backups ask the database: one moment of it, what its tables hold, whether it is empty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool, PgTransaction};
use uuid::Uuid;

use super::documents::Stored;

/// How many documents are listed at once.
const LISTED: i64 = 1000;

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// How many rows.
    pub rows: i64,
    /// The sum over all rows of the first 64 bits of each one's SHA-256: equal for equal rows, in
    /// whatever order they are stored.
    pub checksum: String,
}

/// A transaction that sees one moment, and writes rows down the same way on every server.
pub async fn snapshot(db: &PgPool) -> sqlx::Result<PgTransaction<'static>> {
    db.begin_with(
        "begin isolation level repeatable read read only;
        set local timezone = 'UTC';
        set local datestyle = 'ISO, YMD';
        set local intervalstyle = 'postgres';
        set local bytea_output = 'hex';
        set local extra_float_digits = 1;
        set local statement_timeout = 0;
        set local idle_in_transaction_session_timeout = 0",
    )
    .await
}

/// The name under which another connection can see this transaction's moment.
pub async fn export(db: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select pg_export_snapshot() as "name!""#).fetch_one(db).await
}

/// Every table of the program and of its queue, and what it holds.
pub async fn tables(db: &mut PgConnection) -> sqlx::Result<BTreeMap<String, Rows>> {
    let names = sqlx::query_scalar!(
        r#"select format('%I.%I', nspname, relname) as "name!"
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        where nspname in ('public', 'graphile_worker') and relkind = 'r'
        order by 1"#
    )
    .fetch_all(&mut *db)
    .await?;
    let mut tables = BTreeMap::new();
    for name in names {
        let rows = rows(&mut *db, &name).await?;
        tables.insert(name, rows);
    }
    Ok(tables)
}

/// The name comes from the catalogue, and is quoted by PostgreSQL.
async fn rows(db: &mut PgConnection, name: &str) -> sqlx::Result<Rows> {
    let (rows, checksum) = sqlx::query_as(AssertSqlSafe(format!(
        "select count(*), coalesce(sum(
            ('x' || encode(substr(sha256(convert_to(whole::text, 'UTF8')), 1, 8), 'hex'))
                ::bit(64)::bigint::numeric
        ), 0)::text
        from {name} as whole"
    )))
    .fetch_one(db)
    .await?;
    Ok(Rows { rows, checksum })
}

/// Where the content of documents is that are not deleted, a thousand after a name.
pub async fn documents(db: impl PgExecutor<'_>, after: Uuid) -> sqlx::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        "select stored_as as name, sha256
        from documents
        where $1 < stored_as and deleted_at is null
        order by stored_as
        limit $2",
        after,
        LISTED,
    )
    .fetch_all(db)
    .await
}

/// Whether the database holds nothing of anybody's.
pub async fn is_empty(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists(
            select
            from pg_class
            join pg_namespace on pg_namespace.oid = relnamespace
            where nspname !~ '^pg_' and nspname <> 'information_schema'
        ) as "empty!""#
    )
    .fetch_one(db)
    .await
}

/// Whether the roles that the dump speaks of are there.
pub async fn roles_exist(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select 2 = count(*) as "exist!"
        from pg_roles
        where rolname in ('nephrocast_app', 'nephrocast_restricted')"#
    )
    .fetch_one(db)
    .await
}
