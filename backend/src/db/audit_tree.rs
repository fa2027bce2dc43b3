//! The audit log's Merkle tree: leaves and signed checkpoints, added to by the sealer only.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// The advisory lock of the one worker that seals.
const LEADER: i64 = 7_207_801;

/// Becomes the one who seals, until the connection ends; `false` while somebody else is.
pub async fn lead(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "leads!""#, LEADER)
        .fetch_one(db)
        .await
}

/// The highest number that an entry may have by now, visible or not.
pub async fn last_number(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(
            pg_sequence_last_value(pg_get_serial_sequence('audit_events', 'id')::regclass), 0
        ) as "number!""#
    )
    .fetch_one(db)
    .await
}

/// The transactions that may have taken a number for an entry that nobody sees yet: each holds
/// this lock from before it takes the number until its entry is visible, or never will be.
pub async fn writers(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select virtualtransaction as "writer!"
        from pg_locks
        where locktype = 'relation'
            and database = (select oid from pg_database where datname = current_database())
            and relation = 'audit_events'::regclass
            and mode = 'RowExclusiveLock'
            and granted"#
    )
    .fetch_all(db)
    .await
}

// An entry is written down as all its columns that are not null. Nulls inside of the details stay,
// so those are put beside the rest; most entries are looks without details, and the short way costs
// less.

/// An entry that has no place in the tree yet.
#[derive(Clone, Debug)]
pub struct Unsealed {
    /// Its number.
    pub id: i64,
    /// The entry, written down for hashing.
    pub leaf: String,
}

/// How many columns an entry has of which this program knows.
const COLUMNS: i64 = 14;

/// Visible entries with a number above `reached` that have no place yet, lowest number first.
///
/// Which those are is found in the indexes alone, as a sealer begins with going through all of the
/// log. Asked for within the other statement, a plan that knows no limit reads every entry there is.
///
/// They are written down here, as PostgreSQL would, in a fifth of the time; by PostgreSQL where a program
/// to come has given them another column.
pub async fn unsealed(
    db: &mut PgConnection,
    reached: i64,
    limit: i64,
) -> sqlx::Result<Vec<Unsealed>> {
    let ids = sqlx::query_scalar!(
        "select id from audit_events
        where $1 < id
            and not exists (
                select from audit_leaves where event_id = audit_events.id and $1 < event_id
            )
        order by id
        limit $2",
        reached,
        limit,
    )
    .fetch_all(&mut *db)
    .await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let entries = sqlx::query_as!(
        Entry,
        r#"select id, to_json(at)::text as "at!", action, address, nullif(details, 'null')::text as details,
            outcome, actor_id, token_id, object_id, actor_role, patient_id, request_id, session_id,
            emergency_access_id,
            (
                select count(*) from pg_attribute
                where attrelid = 'audit_events'::regclass and 0 < attnum and not attisdropped
            ) as "columns!"
        from audit_events
        where id = any($1)
        order by id"#,
        &ids,
    )
    .fetch_all(&mut *db)
    .await?;
    if entries.iter().all(|entry| entry.columns == COLUMNS) {
        return entries.iter().map(Entry::unsealed).collect();
    }
    sqlx::query_as!(
        Unsealed,
        r#"select id, case
                when details is null or details = 'null'
                    then jsonb_strip_nulls(to_jsonb(audit_events))::text
                else (
                    jsonb_strip_nulls(to_jsonb(audit_events) - 'details')
                    || jsonb_build_object('details', details)
                )::text
            end as "leaf!"
        from audit_events
        where id = any($1)
        order by id"#,
        &ids,
    )
    .fetch_all(db)
    .await
}

/// An entry's columns; what PostgreSQL writes best is JSON already.
struct Entry {
    id: i64,
    at: String,
    action: String,
    address: Option<String>,
    details: Option<String>,
    outcome: String,
    actor_id: Option<Uuid>,
    token_id: Option<Uuid>,
    object_id: Option<Uuid>,
    actor_role: Option<String>,
    patient_id: Option<Uuid>,
    request_id: Option<String>,
    session_id: Option<Uuid>,
    emergency_access_id: Option<Uuid>,
    columns: i64,
}

impl Entry {
    /// Written down as PostgreSQL writes `jsonb`: short names come before long ones.
    fn unsealed(&self) -> sqlx::Result<Unsealed> {
        /// About how long the rest is.
        const AROUND: usize = 512;
        let details = self.details.as_deref();
        let mut leaf = String::with_capacity(AROUND + details.map_or(0, str::len));
        write!(leaf, r#"{{"at": {}, "id": {}"#, self.at, self.id).map_err(not_written)?;
        text(&mut leaf, "action", Some(&self.action))?;
        text(&mut leaf, "address", self.address.as_deref())?;
        if let Some(details) = details {
            leaf.push_str(r#", "details": "#);
            leaf.push_str(details);
        }
        text(&mut leaf, "outcome", Some(&self.outcome))?;
        uuid(&mut leaf, "actor_id", self.actor_id)?;
        uuid(&mut leaf, "token_id", self.token_id)?;
        uuid(&mut leaf, "object_id", self.object_id)?;
        text(&mut leaf, "actor_role", self.actor_role.as_deref())?;
        uuid(&mut leaf, "patient_id", self.patient_id)?;
        text(&mut leaf, "request_id", self.request_id.as_deref())?;
        uuid(&mut leaf, "session_id", self.session_id)?;
        uuid(&mut leaf, "emergency_access_id", self.emergency_access_id)?;
        leaf.push('}');
        Ok(Unsealed { id: self.id, leaf })
    }
}

fn text(leaf: &mut String, name: &str, value: Option<&str>) -> sqlx::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let value = serde_json::to_string(value).map_err(not_written)?;
    write!(leaf, r#", "{name}": {value}"#).map_err(not_written)
}

fn uuid(leaf: &mut String, name: &str, value: Option<Uuid>) -> sqlx::Result<()> {
    let Some(value) = value else { return Ok(()) };
    write!(leaf, r#", "{name}": "{value}""#).map_err(not_written)
}

fn not_written(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

/// Gives entries their places, from `first` on.
pub async fn add_leaves(
    db: &mut PgConnection,
    first: i64,
    events: &[i64],
    hashes: &[Vec<u8>],
    format: i16,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into audit_leaves (sequence, event_id, format, leaf_hash)
        select $1 + place - 1, event_id, $4, leaf_hash
        from unnest($2::bigint[], $3::bytea[]) with ordinality as leaves (event_id, leaf_hash, place)",
        first,
        events,
        hashes,
        format,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sorts into their index whom entries showed, which waits in a list until then.
pub async fn sort_shown(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query_scalar!("select sort_shown_patients()").fetch_one(db).await?;
    Ok(())
}

/// Keeps a signed checkpoint.
pub async fn add_checkpoint(db: &mut PgConnection, size: i64, note: &str) -> sqlx::Result<()> {
    sqlx::query!("insert into audit_checkpoints (tree_size, note) values ($1, $2)", size, note)
        .execute(db)
        .await?;
    Ok(())
}

/// The hashes of leaves from `first` on, at most `limit`.
pub async fn leaf_hashes(
    db: impl PgExecutor<'_>,
    first: i64,
    limit: i64,
) -> sqlx::Result<Vec<Vec<u8>>> {
    sqlx::query_scalar!(
        "select leaf_hash from audit_leaves where $1 <= sequence order by sequence limit $2",
        first,
        limit,
    )
    .fetch_all(db)
    .await
}

/// A place in the tree and what stands there now.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The place.
    pub sequence: i64,
    /// The entry's number.
    pub event_id: i64,
    /// How it was written down.
    pub format: i16,
    /// Its hash when it was sealed.
    pub leaf_hash: Vec<u8>,
    /// When it happened; absent if the entry is gone.
    pub at: Option<DateTime<Utc>>,
    /// The entry as it is now, written down for hashing; absent if it is gone.
    pub leaf: Option<String>,
}

macro_rules! sealed {
    ($where:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Sealed,
            r#"select sequence, event_id, format, leaf_hash, audit_events.at as "at?", case
                    when details is null or details = 'null'
                        then jsonb_strip_nulls(to_jsonb(audit_events))::text
                    else (
                        jsonb_strip_nulls(to_jsonb(audit_events) - 'details')
                        || jsonb_build_object('details', details)
                    )::text
                end as leaf
            from audit_leaves
            left join audit_events on audit_events.id = event_id
            where "# + $where,
            $($argument),*
        )
    };
}

/// What stands in the places from `first` on, at most `limit` of them.
pub async fn sealed(db: impl PgExecutor<'_>, first: i64, limit: i64) -> sqlx::Result<Vec<Sealed>> {
    sealed!("$1 <= sequence order by sequence limit $2", first, limit).fetch_all(db).await
}

/// What stands in an entry's place, if it has one.
pub async fn sealed_event(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<Sealed>> {
    sealed!("event_id = $1", id).fetch_optional(db).await
}

/// Which entries to give out.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Not those in places before this one.
    pub first: i64,
    /// Not those from this place on.
    pub end: i64,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

/// The first `limit` entries of an export, in the order of their places.
pub async fn exported(
    db: impl PgExecutor<'_>,
    wanted: Export,
    limit: i64,
) -> sqlx::Result<Vec<Sealed>> {
    let Export { first, end, from, to } = wanted;
    sealed!(
        "$1 <= sequence
            and sequence < $2
            and ($3::timestamptz is null or $3 <= audit_events.at)
            and ($4::timestamptz is null or audit_events.at < $4)
        order by sequence
        limit $5",
        first,
        end,
        from,
        to,
        limit
    )
    .fetch_all(db)
    .await
}

/// A checkpoint as it is kept.
#[derive(Clone, Debug)]
pub struct KeptCheckpoint {
    /// How many leaves it covers.
    pub tree_size: i64,
    /// The signed note.
    pub note: String,
}

/// Checkpoints of more than `size` leaves, the smallest first.
pub async fn checkpoints(
    db: impl PgExecutor<'_>,
    size: i64,
    limit: i64,
) -> sqlx::Result<Vec<KeptCheckpoint>> {
    sqlx::query_as!(
        KeptCheckpoint,
        "select tree_size, note from audit_checkpoints
        where $1 < tree_size
        order by tree_size
        limit $2",
        size,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The latest checkpoint.
pub async fn latest_checkpoint(db: impl PgExecutor<'_>) -> sqlx::Result<Option<KeptCheckpoint>> {
    sqlx::query_as!(
        KeptCheckpoint,
        "select tree_size, note from audit_checkpoints order by tree_size desc limit 1"
    )
    .fetch_optional(db)
    .await
}

/// How large the tree is, by its leaves and by its checkpoints: the same number, unless somebody
/// took some away.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// One more than the last leaf's place.
    pub leaves: i64,
    /// The size of the latest checkpoint.
    pub checkpoint: i64,
}

/// Where the tree ends now.
pub async fn ends(db: impl PgExecutor<'_>) -> sqlx::Result<Ends> {
    sqlx::query_as!(
        Ends,
        r#"select coalesce((select max(sequence) + 1 from audit_leaves), 0) as "leaves!",
            coalesce((select max(tree_size) from audit_checkpoints), 0) as "checkpoint!""#
    )
    .fetch_one(db)
    .await
}

/// What is not sealed yet.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// How many entries.
    pub entries: i64,
    /// When the oldest of them happened.
    pub since: Option<DateTime<Utc>>,
}

/// What is not sealed yet, roughly and cheaply, for whoever watches: entries with a number above that
/// of the leaf a thousand places before the tree's end, at most a hundred thousand.
pub async fn backlog(db: impl PgExecutor<'_>) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"select count(*) as "entries!", min(at) as since
        from (
            select at
            from audit_events
            where id > coalesce((
                    select event_id from audit_leaves order by sequence desc offset 1000 limit 1
                ), 0)
                and not exists (select from audit_leaves where event_id = audit_events.id)
            order by id
            limit 100000
        ) as unsealed"#
    )
    .fetch_one(db)
    .await
}

/// What a stretch of the log holds that is not sealed.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The last number of the stretch; absent when there is none.
    pub last: Option<i64>,
    /// How many entries of it have no place.
    pub unsealed: i64,
    /// When the oldest of those happened.
    pub since: Option<DateTime<Utc>>,
    /// The first of those that is older than it could be.
    pub backdated: Option<i64>,
}

/// The next `limit` entries above a number: which of them have no place, and which of those say
/// that they happened before `sealed_before`, when everything had a place.
pub async fn stretch(
    db: impl PgExecutor<'_>,
    above: i64,
    limit: i64,
    sealed_before: Option<DateTime<Utc>>,
) -> sqlx::Result<Stretch> {
    sqlx::query_as!(
        Stretch,
        r#"select max(id) as last, count(*) filter (where not sealed) as "unsealed!",
            min(at) filter (where not sealed) as since,
            min(id) filter (where not sealed and at < $3) as backdated
        from (
            select id, at, exists(
                select from audit_leaves where event_id = audit_events.id
            ) as sealed
            from audit_events
            where $1 < id
            order by id
            limit $2
        ) as entries"#,
        above,
        limit,
        sealed_before,
    )
    .fetch_one(db)
    .await
}
