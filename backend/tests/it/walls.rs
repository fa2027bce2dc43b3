//! The walls below the handlers: what the running program's role may do in the database, and what a
//! caller's transaction sees when its queries forget to ask whose rows they are.

use std::{process::Command, time::Duration};

use backend::db::{
    emergency_accesses::{self, NewAccess},
    walls::{Sight, begin, build},
};
use futures::poll;
use shared::{
    access::Role,
    id::{EmergencyAccessId, PatientId, UserId},
};
use sqlx::{AssertSqlSafe, PgConnection, PgTransaction, postgres::PgPoolOptions};
use tokio::time::sleep;

use crate::{
    access::fixture,
    support::{TestApp, audit_key_file},
};

/// An application with two whole records, of which the first one is the patient account's own.
async fn two_records() -> (TestApp, PatientId) {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let own = fixture(&clinician, "own", true).await.patient;
    let other = fixture(&clinician, "other", true).await.patient;
    for patient in [&own, &other] {
        let outcome = serde_json::json!({ "kind": "dialysis", "occurred_on": "2026-02-01" });
        clinician.post(&format!("/api/v1/patients/{patient}/outcomes"), outcome).await.created();
    }
    let own = PatientId(own.parse().unwrap());
    app.link_patient(own).await;
    (app, own)
}

async fn account(app: &TestApp, role: &str) -> UserId {
    sqlx::query_scalar("select id from users where role = $1")
        .bind(role)
        .fetch_one(&app.db)
        .await
        .unwrap()
}

/// A transaction of the patient's account.
async fn as_patient(app: &TestApp) -> PgTransaction<'static> {
    let viewer = account(app, "patient").await;
    begin(&app.db, Sight::OwnRecord(viewer), app.clock.now()).await.unwrap()
}

/// A transaction of a clinician where only care teams see records.
async fn in_care(app: &TestApp, viewer: UserId) -> PgTransaction<'static> {
    begin(&app.db, Sight::InCare(viewer), app.clock.now()).await.unwrap()
}

/// Every table with rows about a patient, and the column that says which.
async fn tables(app: &TestApp) -> Vec<(String, &'static str)> {
    let names: Vec<String> = sqlx::query_scalar(
        "select table_name::text
        from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE' and column_name = 'patient_id'
        order by table_name",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let mut tables = vec![("patients".to_owned(), "id")];
    tables.extend(names.into_iter().map(|name| (name, "patient_id")));
    for name in ["observations", "therapies", "biopsies", "outcomes", "predictions", "audit_events"]
    {
        assert!(tables.iter().any(|(table, _)| table == name), "{name} is not among {tables:?}");
    }
    tables
}

/// Whose rows a query without any filter gives, and how often.
async fn owners(db: &mut PgConnection, table: &str, column: &str) -> Vec<Option<PatientId>> {
    sqlx::query_scalar(AssertSqlSafe(format!("select {column} from {table}")))
        .fetch_all(db)
        .await
        .unwrap()
}

async fn refused(db: &mut PgConnection, statement: &str) -> String {
    let mut attempt = sqlx::Connection::begin(db).await.unwrap();
    let ended = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *attempt).await;
    let Err(error) = ended else { panic!("{statement}: was done") };
    attempt.rollback().await.unwrap();
    error.to_string()
}

#[tokio::test]
async fn a_server_is_ready_when_the_walls_of_its_own_tables_stand() {
    let app = TestApp::new().await;
    let ready = async |status| app.anonymous().get("/readyz").await.expect(status);
    ready(204).await;
    for since in ["'20261125000000'", "null"] {
        let older = format!("comment on function guard(regclass, text, text, text) is {since}");
        let older = sqlx::AssertSqlSafe(older);
        sqlx::query(older).execute(&mut app.owner().await).await.unwrap();
        let told = ready(503).await;
        assert_eq!(told["detail"], "try again in a few seconds");
    }
    let owner = PgPoolOptions::new().connect(&app.owner_url).await.unwrap();
    build(&owner).await.unwrap();
    ready(204).await;
}

#[tokio::test]
async fn a_patients_transaction_sees_its_own_rows_whatever_it_asks_for() {
    let (app, own) = two_records().await;
    let mut tx = as_patient(&app).await;
    let mut owner = app.owner().await;
    for (table, column) in tables(&app).await {
        let all = owners(&mut owner, &table, column).await;
        let seen = owners(&mut tx, &table, column).await;
        // Colleagues' accounts and one's own deeds speak of no patient.
        let strangers = seen.iter().flatten().filter(|patient| **patient != own).count();
        assert_eq!(strangers, 0, "{table}");
        let mine =
            |rows: &[Option<PatientId>]| rows.iter().filter(|row| **row == Some(own)).count();
        assert_eq!(mine(&seen), mine(&all), "{table}");
        if !["users", "care_team_members", "emergency_accesses"].contains(&&*table) {
            let unseen = all.iter().flatten().any(|patient| *patient != own);
            assert!(unseen || all.is_empty(), "{table} has nothing that could have been seen");
        }
    }
}

#[tokio::test]
async fn every_table_about_patients_is_guarded() {
    let (app, _) = two_records().await;
    for (table, _) in tables(&app).await {
        let guarded: bool = sqlx::query_scalar(
            "select relrowsecurity and 2 <= (
                select count(*) from pg_policies
                where schemaname = 'public' and tablename = relname
                    and roles && array['nephrocast_restricted', 'nephrocast_app']::name[]
            )
            from pg_class where oid = $1::regclass",
        )
        .bind(&table)
        .fetch_one(&app.db)
        .await
        .unwrap();
        assert!(guarded, "{table}: nephrocast migrate must guard it (db/walls.sql)");
    }
}

#[tokio::test]
async fn a_patients_transaction_reaches_nothing_of_other_accounts() {
    let (app, _) = two_records().await;
    let clinician = app.sign_in(Role::Clinician).await;
    clinician.token(&[shared::access::Scope::PatientsRead]).await;
    let therapy = serde_json::json!({ "mrn": "kept", "given_name": "Kept", "family_name": "Answer",
        "birth_date": "1960-01-01", "sex": "male" });
    clinician.post_once("once", "/api/v1/patients", therapy).await.created();
    let italian = serde_json::json!({ "language": "it" });
    clinician.patch("/api/v1/me/preferences", 1, italian).await.ok();
    clinician.post("/api/v1/me/views", serde_json::json!({ "name": "mine" })).await.created();
    app.sign_in(Role::Patient).await;
    let (viewer, mut owner) = (account(&app, "patient").await, app.owner().await);
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text
        from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
        group by table_name
        having bool_or(column_name = 'user_id') and not bool_or(column_name = 'patient_id')",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let mut tx = as_patient(&app).await;
    let filled = ["sessions", "api_tokens", "idempotency_keys", "user_preferences", "views"];
    for table in filled {
        assert!(tables.iter().any(|name| name == table), "{table} is not among {tables:?}");
        let all: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
            "select count(*) from {table} where user_id <> $1"
        )))
        .bind(viewer)
        .fetch_one(&mut owner)
        .await
        .unwrap();
        assert!(0 < all, "{table} has nothing that could have been seen");
    }
    for table in tables {
        let whose: Vec<UserId> =
            sqlx::query_scalar(AssertSqlSafe(format!("select user_id from {table}")))
                .fetch_all(&mut *tx)
                .await
                .unwrap();
        assert!(whose.iter().all(|user| *user == viewer), "{table}");
        if !["privacy_spendings"].contains(&&*table) {
            let gone =
                sqlx::query(AssertSqlSafe(format!("delete from {table} where user_id <> $1")))
                    .bind(viewer)
                    .execute(&mut *tx)
                    .await
                    .unwrap();
            assert_eq!(gone.rows_affected(), 0, "{table}");
        }
    }
    for statement in ["select password_hash from users", "select hash from refresh_tokens"] {
        let told = refused(&mut tx, statement).await;
        assert!(told.contains("permission denied"), "{told}");
    }
}

#[tokio::test]
async fn a_record_that_is_closed_to_its_patient_is_closed_below_the_handlers() {
    let (app, own) = two_records().await;
    sqlx::query("update patients set own_access = false").execute(&app.db).await.unwrap();
    let mut tx = as_patient(&app).await;
    for table in ["patients", "observations", "predictions"] {
        let column = if table == "patients" { "id" } else { "patient_id" };
        assert!(!owners(&mut tx, table, column).await.contains(&Some(own)), "{table}");
    }
}

/// How many rows a table has about each patient, and how many a transaction sees of them.
async fn assert_sees_only(app: &TestApp, viewer: UserId, patients: &[PatientId]) {
    let mut tx = in_care(app, viewer).await;
    let mut owner = app.owner().await;
    for (table, column) in tables(app).await {
        let all = owners(&mut owner, &table, column).await;
        let seen = owners(&mut tx, &table, column).await;
        let strangers = seen.iter().flatten().filter(|patient| !patients.contains(patient));
        // One's own part in a care, and one's own deeds, are no secret.
        if !["care_team_members", "emergency_accesses", "audit_events"].contains(&&*table) {
            assert_eq!(strangers.count(), 0, "{table}");
        }
        for patient in patients {
            let of = |rows: &[Option<PatientId>]| {
                rows.iter().filter(|row| **row == Some(*patient)).count()
            };
            assert_eq!(of(&seen), of(&all), "{table}");
        }
    }
}

#[tokio::test]
async fn a_clinicians_transaction_sees_those_in_their_care_and_nobody_else() {
    let (app, own) = two_records().await;
    let clinician = account(&app, "clinician").await;
    let both: Vec<PatientId> =
        owners(&mut app.owner().await, "patients", "id").await.into_iter().flatten().collect();
    assert_eq!(both.len(), 2);
    assert_sees_only(&app, clinician, &both).await;

    // Out of one team, the other patient is all that is left.
    sqlx::query("delete from care_team_members where patient_id <> $1")
        .bind(own)
        .execute(&app.db)
        .await
        .unwrap();
    assert_sees_only(&app, clinician, &[own]).await;
    // An emergency opens a record until it ends, or its time is up.
    let other = both.into_iter().find(|patient| *patient != own).unwrap();
    let (id, now) = (EmergencyAccessId(uuid::Uuid::now_v7()), app.clock.now());
    let new = NewAccess { id, patient: other, user: clinician, reason: "x", opened_at: now };
    let mut program = app.db.acquire().await.unwrap();
    emergency_accesses::insert(&mut program, &new).await.unwrap();
    assert_sees_only(&app, clinician, &[own, other]).await;
    emergency_accesses::end(&mut program, id, clinician, now).await.unwrap().unwrap();
    assert_sees_only(&app, clinician, &[own]).await;
    let id = EmergencyAccessId(uuid::Uuid::now_v7());
    emergency_accesses::insert(&mut program, &NewAccess { id, ..new }).await.unwrap();
    app.clock.advance(chrono::TimeDelta::minutes(60));
    assert_sees_only(&app, clinician, &[own]).await;
    // Nor does the function that reads lists of several patients tell of a stranger.
    let listed = "select count(*) from lists_that_showed($1, null, 10)";
    let mut tx = in_care(&app, clinician).await;
    let told: i64 = sqlx::query_scalar(listed).bind(other).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(told, 0);
}

#[tokio::test]
async fn a_clinicians_transaction_changes_nothing_out_of_their_care() {
    let (app, own) = two_records().await;
    let clinician = account(&app, "clinician").await;
    sqlx::query("delete from care_team_members where patient_id <> $1")
        .bind(own)
        .execute(&app.db)
        .await
        .unwrap();
    let other: PatientId = sqlx::query_scalar("select id from patients where id <> $1")
        .bind(own)
        .fetch_one(&app.db)
        .await
        .unwrap();
    let mut tx = in_care(&app, clinician).await;
    let smuggled = |patient: PatientId| {
        format!(
            "insert into therapies (id, patient_id, kind, started_on, created_at)
            values (gen_random_uuid(), '{patient}', 'statin', '2026-03-01', '2026-03-01')"
        )
    };
    let error = refused(&mut tx, &smuggled(other)).await;
    assert!(error.contains("row-level security"), "{error}");
    sqlx::query(AssertSqlSafe(smuggled(own))).execute(&mut *tx).await.unwrap();
    let error = refused(&mut tx, &format!("update observations set patient_id = '{other}'")).await;
    assert!(error.contains("row-level security"), "{error}");
    for (table, column) in tables(&app).await {
        // What a search looks in is nobody's to write.
        if ["users", "audit_events", "erasures", "patient_search_texts"].contains(&&*table) {
            continue;
        }
        let changed = format!("update {table} set {column} = {column} where {column} = '{other}'");
        let done = sqlx::query(AssertSqlSafe(changed)).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{table}");
    }
}

#[tokio::test]
async fn a_researchers_transaction_sees_no_record() {
    let (app, _) = two_records().await;
    let viewer = account(&app, "researcher").await;
    let mut tx = begin(&app.db, Sight::Nothing(viewer), app.clock.now()).await.unwrap();
    for (table, column) in tables(&app).await {
        assert_eq!(owners(&mut tx, &table, column).await.iter().flatten().count(), 0, "{table}");
    }
    let leaves = refused(&mut tx, "select * from audit_leaves").await;
    assert!(leaves.contains("permission denied"), "{leaves}");
    let shadows = refused(&mut tx, "select * from shadow_predictions").await;
    assert!(shadows.contains("permission denied"), "{shadows}");
}

#[tokio::test]
async fn a_patients_transaction_changes_no_record_and_no_other_account() {
    let (app, own) = two_records().await;
    let mut tx = as_patient(&app).await;
    let other = account(&app, "administrator").await;
    for statement in [
        format!(
            "insert into outcomes select gen_random_uuid(), '{own}', 'transplant', '2026-03-01', created_at from outcomes"
        ),
        format!(
            "insert into therapies (id, patient_id, kind, started_on, created_at)
            values (gen_random_uuid(), '{own}', 'statin', '2026-03-01', '2026-03-01')"
        ),
        "insert into users (id, email, display_name, role, password_hash, created_at)
            values (gen_random_uuid(), 'x@example.org', 'X', 'administrator', '', '2026-03-01')"
            .to_owned(),
    ] {
        let error = refused(&mut tx, &statement).await;
        assert!(error.contains("row-level security"), "{statement}: {error}");
    }
    for statement in ["update settings set patients_see_risk = true", "delete from users"] {
        let error = refused(&mut tx, statement).await;
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
    for statement in [
        "update patients set own_access = true".to_owned(),
        "delete from observations".to_owned(),
        "update predictions set error = 'x'".to_owned(),
        format!("update users set role = 'administrator' where id = '{other}'"),
    ] {
        let done = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{statement}");
    }
}

#[tokio::test]
async fn the_claims_end_with_the_transaction() {
    let (app, _) = two_records().await;
    let one = sqlx::postgres::PgPoolOptions::new().max_connections(1);
    let pool = one.connect(&app.database_url).await.unwrap();
    let viewer = account(&app, "patient").await;
    for commits in [true, false] {
        let mut tx = begin(&pool, Sight::OwnRecord(viewer), app.clock.now()).await.unwrap();
        let role: String =
            sqlx::query_scalar("select current_user::text").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(role, "nephrocast_restricted");
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        let (role, viewer): (String, String) =
            sqlx::query_as("select current_user::text, current_setting('nephrocast.viewer', true)")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!((role.as_str(), viewer.as_str()), ("nephrocast_app", ""));
    }
}

#[tokio::test]
async fn the_programs_role_has_rows_but_no_objects() {
    let (app, _) = two_records().await;
    let mut connection = app.db.acquire().await.unwrap();
    for statement in [
        "create table mine (id int)",
        "create schema mine",
        "create function mine() returns int language sql return 1",
        "alter table patients add column mine int",
        "alter table patients disable row level security",
        "alter table audit_events disable trigger user",
        "drop policy app on patients",
        "drop table patients",
        "truncate patients cascade",
        "insert into _sqlx_migrations select * from _sqlx_migrations",
        "create role mine",
        "set session_replication_role = replica",
        "set role nephrocast",
        "select guard('patients', 'true', 'true', 'true')",
    ] {
        let error = refused(&mut connection, statement).await;
        let denied = ["permission denied", "must be owner"];
        assert!(denied.iter().any(|words| error.contains(words)), "{statement}: {error}");
    }
}

#[tokio::test]
async fn the_audit_log_is_added_to_only_by_privilege_and_by_trigger() {
    let (app, _) = two_records().await;
    let mut program = app.db.acquire().await.unwrap();
    let mut owner = app.owner().await;
    for (table, column) in
        [("audit_events", "action"), ("audit_leaves", "event_id"), ("audit_checkpoints", "note")]
    {
        for statement in [
            format!("update {table} set {column} = {column}"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let error = refused(&mut program, &statement).await;
            assert!(error.contains("permission denied"), "{statement}: {error}");
        }
        for statement in [format!("delete from {table}"), format!("truncate {table}")] {
            let error = refused(&mut owner, &statement).await;
            assert!(error.contains("append-only"), "{statement}: {error}");
        }
    }
    let error = refused(&mut owner, "update audit_events set action = 'x'").await;
    assert!(error.contains("append-only"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_given_the_owners_address_does_not_start() {
    let app = TestApp::new().await;
    for subcommand in ["worker", "serve", "seed"] {
        let refused = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
            .args([subcommand, "--log", "off"])
            .env("NEPHROCAST_DATABASE_URL", &app.owner_url)
            .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
            .env("NEPHROCAST_SECRET_KEY_FILE", audit_key_file())
            .env("NEPHROCAST_DEMO", "true")
            .output()
            .unwrap();
        assert!(!refused.status.success(), "{subcommand} started");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("owns the tables: only `nephrocast migrate`"), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn the_wall_costs_whoever_sees_everything_no_index() {
    let (app, _) = two_records().await;
    let mut tx = begin(&app.db, Sight::Everything, app.clock.now()).await.unwrap();
    sqlx::query("set local enable_seqscan = off").execute(&mut *tx).await.unwrap();
    let plan: Vec<String> =
        sqlx::query_scalar("explain select id from patients where lower(family_name) = 'testwell'")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("patients_by_name") && !plan.contains("SubPlan"), "{plan}");
}

#[tokio::test]
async fn whoever_goes_away_while_a_transaction_begins_leaves_none_to_the_next() {
    let app = TestApp::new().await;
    let clinician = account(&app, "clinician").await;
    let one = PgPoolOptions::new().max_connections(1).connect(&app.database_url).await.unwrap();
    for sight in [Sight::InCare(clinician), Sight::Everything] {
        for steps in 1..12 {
            let mut beginning = Box::pin(begin(&one, sight, app.clock.now()));
            for _ in 0..steps {
                if poll!(&mut beginning).is_ready() {
                    break;
                }
                sleep(Duration::from_micros(300)).await;
            }
            drop(beginning);
            // What is set for a transaction is gone after a statement that is none.
            let role: String = sqlx::query_scalar(
                "select current_user::text || set_config('walls.probe', 'x', true)",
            )
            .fetch_one(&one)
            .await
            .unwrap();
            assert_eq!(role, "nephrocast_appx", "after {steps} steps of {sight:?}");
            let left: String =
                sqlx::query_scalar("select coalesce(current_setting('walls.probe', true), '')")
                    .fetch_one(&one)
                    .await
                    .unwrap();
            assert_eq!(left, "", "an old transaction after {steps} steps of {sight:?}");
        }
    }
}
