//! The audit log, sealed: no change of it goes unnoticed.

use std::{
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use backend::{
    audit::{
        checkpoint::{Checkpoint, SealingKey},
        merkle::{Tree, leaf_hash},
        proof::{self, ProofProblem},
        verify::verify,
    },
    db::{
        self,
        audit::{Actor, Event},
    },
    jobs::seal::{Leader, Sealer},
};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::{
    access::Role,
    audit::{AuditFault, AuditFaultKind, AuditVerdict, AuditVerification},
};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::{
    support::{TestApp, audit_key_file, sealing_key},
    worker::Worker,
};

/// Adds entries, each in a transaction of its own.
pub(crate) async fn write(app: &TestApp, count: usize) {
    for number in 0..count {
        let mut connection = app.db.acquire().await.unwrap();
        let event = Event::new("test.entry").details(json!({ "number": number, "value": 1.50 }));
        let now = app.clock.now();
        db::audit::record(&mut connection, &Actor::default(), event, now).await.unwrap();
    }
}

pub(crate) async fn seal(app: &TestApp) {
    app.sealer().try_lead().await.unwrap().expect("nobody else seals").seal().await.unwrap();
}

async fn check(app: &TestApp, elsewhere: Option<&Checkpoint>) -> AuditVerification {
    verify(&app.db, &app.state.audit_keys, elsewhere, None).await.unwrap()
}

#[track_caller]
fn fault(found: AuditVerification) -> AuditFault {
    assert_eq!(found.verdict, AuditVerdict::Broken, "{found:?}");
    found.fault.unwrap()
}

/// Three batches of five entries, sealed ten minutes apart, and the last checkpoint.
async fn sealed_log() -> (TestApp, Checkpoint) {
    let app = TestApp::new().await;
    for _ in 0..3 {
        write(&app, 5).await;
        seal(&app).await;
        app.clock.advance(TimeDelta::minutes(10));
    }
    let found = check(&app, None).await;
    assert_eq!((found.verdict, found.checked, found.unsealed), (AuditVerdict::Whole, 15, 0));
    let checkpoint = app.state.audit_keys.open(&found.checkpoint.unwrap()).unwrap();
    assert_eq!(checkpoint.tree_size, 15);
    assert_eq!(check(&app, Some(&checkpoint)).await.verdict, AuditVerdict::Whole);
    (app, checkpoint)
}

/// What the database's owner can do: everything.
async fn tamper(app: &TestApp, statements: &str) {
    let mut connection = app.owner().await;
    for table in ["audit_events", "audit_leaves", "audit_checkpoints"] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(format!("delete from {table}")));
        let error = refused.execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    let script = format!(
        "alter table audit_events disable trigger user;
        alter table audit_leaves disable trigger user;
        alter table audit_checkpoints disable trigger user;
        {statements};
        alter table audit_events enable trigger user;
        alter table audit_leaves enable trigger user;
        alter table audit_checkpoints enable trigger user"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    for statement in [
        "update audit_events set actor_role = 'clinician' where id = 7",
        "update audit_events set outcome = 'refused' where id >= 7",
        "update audit_events set at = at + interval '1 microsecond' where id = 7",
        "update audit_events set details = '{\"number\": 1, \"value\": 1.50}' where id = 7",
        "update audit_events set details = null where id = 7",
        "update audit_leaves set leaf_hash = sha256('x') where event_id = 7",
    ] {
        let (app, _) = sealed_log().await;
        tamper(&app, statement).await;
        let fault = fault(check(&app, None).await);
        let named = (fault.kind, fault.id, fault.sequence);
        assert_eq!(named, (AuditFaultKind::Edited, Some(7), Some(6)), "{statement}");
    }
}

#[tokio::test]
async fn a_deleted_entry_is_named() {
    let (app, _) = sealed_log().await;
    tamper(&app, "delete from audit_events where id in (9, 12)").await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.id, found.sequence), (AuditFaultKind::Deleted, Some(9), Some(8)));

    tamper(&app, "delete from audit_leaves where event_id = 9").await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Deleted, Some(8)));
}

const BACKDATED: &str = "insert into audit_events (id, at, action, outcome)
    overriding system value values (1000, '2026-06-01T12:00:00Z', 'patient.read', 'success')";

#[tokio::test]
async fn an_inserted_entry_is_named_before_and_after_it_is_sealed() {
    let (app, _) = sealed_log().await;
    tamper(&app, BACKDATED).await;
    let found = fault(check(&app, None).await);
    assert_eq!(
        (found.kind, found.id, found.sequence),
        (AuditFaultKind::Inserted, Some(1000), None)
    );

    seal(&app).await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.id, found.sequence);
    assert_eq!(named, (AuditFaultKind::Inserted, Some(1000), Some(15)));
}

#[tokio::test]
async fn an_entry_that_is_put_into_the_tree_as_well_is_found() {
    let (app, _) = sealed_log().await;
    tamper(
        &app,
        "insert into audit_leaves (sequence, event_id, format, leaf_hash)
        values (15, 1000, 1, sha256('x'))",
    )
    .await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Inserted, Some(15)));
}

#[tokio::test]
async fn entries_that_changed_places_are_named() {
    let swap_numbers = "update audit_events set id = -4 where id = 4;
        update audit_events set id = 4 where id = 8;
        update audit_events set id = 8 where id = -4";
    let (app, _) = sealed_log().await;
    // The column is an identity: its owner can make it an ordinary one.
    tamper(&app, "alter table audit_events alter column id drop identity").await;
    tamper(&app, swap_numbers).await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.id, found.sequence), (AuditFaultKind::Edited, Some(4), Some(3)));
}

#[tokio::test]
async fn leaves_that_changed_places_are_named() {
    let (app, _) = sealed_log().await;
    tamper(
        &app,
        "alter table audit_leaves drop constraint audit_leaves_sequence_check;
        update audit_leaves set sequence = -7 where sequence = 6;
        update audit_leaves set sequence = 6 where sequence = 8;
        update audit_leaves set sequence = 8 where sequence = -7",
    )
    .await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.id, found.sequence);
    assert_eq!(named, (AuditFaultKind::Reordered, Some(8), Some(7)));
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found() {
    let (app, checkpoint) = sealed_log().await;
    tamper(
        &app,
        "delete from audit_events where id > 10;
        delete from audit_leaves where sequence >= 10",
    )
    .await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Truncated, Some(10)));

    tamper(&app, "delete from audit_checkpoints where tree_size > 10").await;
    let alone = check(&app, None).await;
    assert_eq!((alone.verdict, alone.checked), (AuditVerdict::Whole, 10), "nothing inside tells");
    let found = fault(check(&app, Some(&checkpoint)).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Truncated, Some(10)));
    assert_eq!(found.last_sequence, Some(14));
}

/// Puts other leaves in place of the entries' own, as an owner who knows how would.
async fn reseal(app: &TestApp, key: SealingKey) {
    tamper(app, "delete from audit_leaves where sequence >= 5").await;
    tamper(app, "delete from audit_checkpoints where tree_size > 5").await;
    let database = app.db.connect_options().as_ref().clone();
    let sealer = Sealer::new(database, app.clock.clone(), Arc::new(key));
    sealer.try_lead().await.unwrap().unwrap().seal().await.unwrap();
}

#[tokio::test]
async fn hashes_that_were_made_anew_do_not_hide_a_change() {
    let (app, _) = sealed_log().await;
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    let leaf: String = sqlx::query_scalar(
        "select (select jsonb_object_agg(key, value)::text
            from jsonb_each(to_jsonb(audit_events)) where value <> 'null')
        from audit_events where id = 7",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    let hash = hex::encode(leaf_hash(leaf.as_bytes()));
    let anew = format!("update audit_leaves set leaf_hash = '\\x{hash}' where event_id = 7");
    tamper(&app, &anew).await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.sequence, found.last_sequence);
    assert_eq!(named, (AuditFaultKind::Rewritten, Some(5), Some(9)), "the batch it is in");
}

#[tokio::test]
async fn a_log_that_was_sealed_anew_contradicts_the_checkpoint_from_elsewhere() {
    let (app, checkpoint) = sealed_log().await;
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    reseal(&app, sealing_key()).await;
    let found = fault(check(&app, Some(&checkpoint)).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Rewritten, Some(5)));

    let (app, _) = sealed_log().await;
    let another = SealingKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    reseal(&app, another).await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Forged, Some(14)));
}

#[tokio::test]
async fn the_check_answers_in_words_and_is_on_record() {
    let (app, _) = sealed_log().await;
    let admin = app.sign_in(Role::Administrator).await;
    let found = admin.get("/api/v1/audit-events/verify").await.ok();
    assert_eq!(found["verdict"], "whole");
    assert_eq!(found["checked"], 15);
    assert_eq!(found["unsealed"], 1, "the sign-in");
    assert!(found["checkpoint"].as_str().unwrap().starts_with("nephrocast-audit-log\n15\n"));
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.verify success");

    tamper(&app, "update audit_events set address = '192.0.2.1' where id = 3").await;
    let found = admin.get("/api/v1/audit-events/verify").await.ok();
    assert_eq!(found["verdict"], "broken");
    assert_eq!(found["fault"]["id"], 3);
    assert!(found["fault"]["message"].as_str().unwrap().starts_with("entry 3 does not say"));
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.verify failure");

    let none = verify(&app.db, &app.state.audit_keys, None, Some(Duration::ZERO)).await.unwrap();
    assert_eq!((none.verdict, none.checked), (AuditVerdict::Unfinished, 0));
}

#[tokio::test]
async fn an_entry_is_proved_to_whoever_trusts_the_key() {
    let (app, _) = sealed_log().await;
    let admin = app.sign_in(Role::Administrator).await;
    for id in [1, 7, 15] {
        let proof = admin.get(&format!("/api/v1/audit-events/{id}/proof")).await.ok();
        let mut proof: shared::audit::AuditProof = serde_json::from_value(proof).unwrap();
        assert_eq!(proof::check(&proof, &app.state.audit_keys), Ok(()));
        proof.leaf = proof.leaf.replace("success", "refused");
        assert_eq!(proof::check(&proof, &app.state.audit_keys), Err(ProofProblem::NotIncluded));
    }
    let latest: i64 =
        sqlx::query_scalar("select max(id) from audit_events").fetch_one(&app.db).await.unwrap();
    admin.get(&format!("/api/v1/audit-events/{latest}/proof")).await.expect(409);
    admin.get("/api/v1/audit-events/999999/proof").await.expect(404);
}

#[tokio::test]
async fn an_export_streams_the_very_lines_that_were_hashed() {
    let app = TestApp::new().await;
    write(&app, 1234).await;
    seal(&app).await;
    let admin = app.sign_in(Role::Administrator).await;
    let request = admin.request("GET", "/api/v1/audit-events/export").body(Body::empty()).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(pieces.len(), 3, "it comes in batches");
    let text = String::from_utf8(pieces.concat()).unwrap();
    let mut tree = Tree::default();
    text.lines().for_each(|line| tree.push(leaf_hash(line.as_bytes())));
    let note = check(&app, None).await.checkpoint.unwrap();
    let checkpoint = app.state.audit_keys.open(&note).unwrap();
    assert_eq!((tree.size(), tree.root()), (checkpoint.tree_size, checkpoint.root));
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["action"], "test.entry");
    assert_eq!(first.get("actor_id"), None, "what is not known is left out");
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.export success");

    let none = admin.get("/api/v1/audit-events/export?from=2026-06-02T00:00:00Z").await.ok();
    assert_eq!(none, "");
}

/// What an entry says that is not plain: characters that JSON escapes, and those it does not, nulls inside
/// of details, numbers and times at their ends, and every column.
const ODD: &str = r#"
    insert into audit_events (at, action, outcome) values
        ('2026-06-01 10:00:00.1234+00', 'test.entry', 'success'),
        ('0001-01-01 00:00:00+00', 'test.entry', 'failure'),
        ('9999-12-31 23:59:59.999999+00', 'test.entry', 'refused');
    insert into audit_events (at, action, outcome, details) values
        ('2026-06-01', 'test.entry', 'success', 'null'),
        ('2026-06-01', 'test.entry', 'success', '[]'),
        ('2026-06-01', 'test.entry', 'success', '"null"'),
        ('2026-06-01', 'test.entry', 'success',
            '{"b": null, "aa": [null, 1.50, 1e-7, 123456789012345678901234567890], "a": {"c": "\u001f\u20ac"}}');
    insert into audit_events (at, action, outcome, address, request_id, actor_id, actor_role, token_id,
        object_id, patient_id, session_id, emergency_access_id, details)
    select '2026-06-01', 'test."entry"', 'success', chr(character) || '\', 'é€😀' || chr(character),
        gen_random_uuid(), 'clinician', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
        gen_random_uuid(), gen_random_uuid(), jsonb_build_object('said', chr(character))
    from generate_series(1, 300) as character"#;

#[tokio::test]
async fn whatever_an_entry_says_is_written_down_as_it_is_checked() {
    let app = TestApp::new().await;
    sqlx::raw_sql(ODD).execute(&app.db).await.unwrap();
    seal(&app).await;
    let found = check(&app, None).await;
    assert_eq!((found.verdict, found.checked), (AuditVerdict::Whole, 307), "{found:?}");
}

#[tokio::test]
async fn a_column_that_a_later_program_adds_is_sealed_too() {
    let app = TestApp::new().await;
    write(&app, 1).await;
    seal(&app).await;
    let mut owner = app.owner().await;
    sqlx::raw_sql("alter table audit_events add column later text")
        .execute(&mut owner)
        .await
        .unwrap();
    write(&app, 1).await;
    let later = "insert into audit_events (at, action, outcome, later) values (now(), 'test.entry', 'success', 'so')";
    sqlx::raw_sql(later).execute(&mut owner).await.unwrap();
    seal(&app).await;
    let found = check(&app, None).await;
    assert_eq!((found.verdict, found.checked), (AuditVerdict::Whole, 3), "{found:?}");
    tamper(&app, "update audit_events set later = 'or not' where later is not null").await;
    assert_eq!(fault(check(&app, None).await).id, Some(3));
}

/// Every entry has exactly one place, and the places have no gap.
async fn assert_sealed_once(app: &TestApp) {
    let (entries, leaves, last): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from audit_events), (select count(*) from audit_leaves),
            (select max(sequence) + 1 from audit_leaves)",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!((leaves, last), (entries, entries));
    let found = check(app, None).await;
    assert_eq!((found.verdict, found.unsealed), (AuditVerdict::Whole, 0), "{found:?}");
}

#[tokio::test]
async fn whoever_commits_late_is_sealed_all_the_same() {
    let app = TestApp::new().await;
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    let mut late = app.db.begin().await.unwrap();
    let event = Event::new("test.late");
    db::audit::record(&mut late, &Actor::default(), event, app.clock.now()).await.unwrap();
    // Many rounds go by with entries of higher numbers, and one that never commits.
    for round in 0..12 {
        let mut gone = app.db.begin().await.unwrap();
        let event = Event::new("test.gone");
        db::audit::record(&mut gone, &Actor::default(), event, app.clock.now()).await.unwrap();
        gone.rollback().await.unwrap();
        write(&app, 3).await;
        leader.seal().await.unwrap();
        let sealed: i64 = sqlx::query_scalar("select count(*) from audit_leaves")
            .fetch_one(&app.db)
            .await
            .unwrap();
        assert_eq!(sealed, 3 * (round + 1), "nobody waits for the late one");
    }
    late.commit().await.unwrap();
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
    // And when nothing is open, old numbers are not looked at again, yet new ones are.
    for _ in 0..3 {
        leader.seal().await.unwrap();
        write(&app, 2).await;
    }
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
}

#[tokio::test]
async fn whoever_commits_late_behind_thousands_is_sealed_too() {
    let app = TestApp::new().await;
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    for round in 1..4 {
        let mut late = app.db.begin().await.unwrap();
        let event = Event::new("test.late");
        db::audit::record(&mut late, &Actor::default(), event, app.clock.now()).await.unwrap();
        // Less than a batch, more than one, more than two.
        sqlx::query(
            "insert into audit_events (at, action, outcome)
            select $1, 'test.crowd', 'success' from generate_series(1, $2::integer)",
        )
        .bind(app.clock.now())
        .bind(700 * round)
        .execute(&app.db)
        .await
        .unwrap();
        // Once in the middle of going through all of them, once after that.
        let more = leader.seal_batch().await.unwrap();
        assert_eq!(more, 1000 < 700 * round);
        if round == 2 {
            leader.seal().await.unwrap();
        }
        late.commit().await.unwrap();
        for _ in 0..3 {
            leader.seal().await.unwrap();
        }
        assert_sealed_once(&app).await;
    }
}

#[tokio::test]
async fn sealing_a_few_does_not_read_the_whole_log() {
    let app = TestApp::new().await;
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    let crowd = "insert into audit_events (at, action, outcome)
        select $1, 'test.crowd', 'success' from generate_series(1, 20000)";
    sqlx::query(crowd).bind(app.clock.now()).execute(&app.db).await.unwrap();
    leader.seal().await.unwrap();
    sqlx::query("vacuum analyze audit_events, audit_leaves")
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    // What a connection has counted is told once a second at most.
    let read = async |leader: &mut Leader| -> i64 {
        sleep(Duration::from_millis(1100)).await;
        leader.seal().await.unwrap();
        let read = "select seq_tup_read from pg_stat_user_tables where relname = 'audit_events'";
        sqlx::query_scalar(read).fetch_one(&app.db).await.unwrap()
    };
    let before = read(&mut leader).await;
    // So often that its plans are those that it keeps.
    for _ in 0..10 {
        write(&app, 5).await;
        leader.seal().await.unwrap();
    }
    assert_eq!(read(&mut leader).await, before);
    assert_sealed_once(&app).await;
}

#[tokio::test]
async fn many_writers_and_a_sealer_leave_nothing_out() {
    let app = Arc::new(TestApp::new().await);
    let writers: Vec<_> = (0..6_u64)
        .map(|writer| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                for number in 0..60_u64 {
                    let mut tx = app.db.begin().await.unwrap();
                    let event = Event::new("test.entry");
                    let now = app.clock.now();
                    db::audit::record(&mut tx, &Actor::default(), event, now).await.unwrap();
                    // Numbers become visible out of order.
                    sleep(Duration::from_millis((writer * 7 + number * 3) % 11)).await;
                    if (writer + number) % 9 == 0 {
                        tx.rollback().await.unwrap();
                    } else {
                        tx.commit().await.unwrap();
                    }
                }
            })
        })
        .collect();
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    assert!(app.sealer().try_lead().await.unwrap().is_none(), "one seals at a time");
    while writers.iter().any(|writer| !writer.is_finished()) {
        leader.seal().await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
    let checkpoints: i64 = sqlx::query_scalar("select count(*) from audit_checkpoints")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(5 < checkpoints, "it sealed while they wrote: {checkpoints}");
}

#[tokio::test]
async fn an_entry_is_sealed_within_a_second() {
    let app = TestApp::new().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sealing = tokio::spawn(app.sealer().run(stopped));
    let unsealed = "select exists(select from audit_events
        where id not in (select event_id from audit_leaves))";
    let mut waits = Vec::new();
    // Each comes when the one before has just been sealed: it waits for a whole round.
    for _ in 0..5 {
        write(&app, 1).await;
        let since = Instant::now();
        while sqlx::query_scalar(unsealed).fetch_one(&app.db).await.unwrap() {
            assert!(since.elapsed() < Duration::from_secs(20), "nobody seals");
            sleep(Duration::from_millis(10)).await;
        }
        waits.push(since.elapsed());
    }
    stop.send_replace(true);
    sealing.await.unwrap();
    // Whoever else uses the machine at the moment delays some of them, but hardly all.
    waits.sort_unstable();
    assert!(waits[1] < Duration::from_secs(1), "{waits:?}");
}

#[tokio::test]
async fn a_sealer_that_is_killed_is_followed_by_another() {
    let app = TestApp::new().await;
    for milliseconds in [250, 420, 700] {
        let worker = Worker::start(&app);
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(milliseconds) {
            write(&app, 5).await;
        }
        worker.kill();
    }
    let last = Worker::start(&app);
    let since = Instant::now();
    let unsealed =
        "select count(*) from audit_events where id not in (select event_id from audit_leaves)";
    while 0_i64 < sqlx::query_scalar(unsealed).fetch_one(&app.db).await.unwrap() {
        assert!(since.elapsed() < Duration::from_mins(1), "nobody seals");
        sleep(Duration::from_millis(50)).await;
    }
    last.kill();
    let mut leader = None;
    while leader.is_none() {
        sleep(Duration::from_millis(50)).await;
        leader = app.sealer().try_lead().await.unwrap();
    }
    let (entries, leaves, places): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from audit_events), count(distinct event_id), max(sequence) + 1
        from audit_leaves",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!((leaves, places), (entries, entries));
}

fn nephrocast(app: &TestApp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .args(arguments)
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_line_checks_against_a_checkpoint_that_was_kept() {
    let (app, _) = sealed_log().await;
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let key = text(&nephrocast(&app, &["audit", "public-key"]));
    assert_eq!(key.trim(), sealing_key().public().to_string());

    let note = text(&nephrocast(&app, &["audit", "checkpoint"]));
    let file = std::env::temp_dir().join(format!("nephrocast-checkpoint-{}", std::process::id()));
    std::fs::write(&file, &note).unwrap();
    let verify = ["audit", "verify", "--checkpoint", file.to_str().unwrap()];
    let whole = nephrocast(&app, &verify);
    assert!(whole.status.success(), "{whole:?}");
    assert_eq!(text(&whole), "The audit log is whole: 15 sealed entries checked.\n");

    tamper(
        &app,
        "delete from audit_events where id > 10;
        delete from audit_leaves where sequence >= 10;
        delete from audit_checkpoints where tree_size > 10",
    )
    .await;
    assert!(nephrocast(&app, &["audit", "verify"]).status.success());
    let cut = nephrocast(&app, &verify);
    assert!(!cut.status.success());
    let said = String::from_utf8(cut.stderr).unwrap();
    assert!(said.contains("ends after 10 sealed entries"), "{said}");

    std::fs::write(&file, note.replace("\n15\n", "\n10\n")).unwrap();
    let forged = nephrocast(&app, &verify);
    let said = String::from_utf8(forged.stderr).unwrap();
    assert!(said.contains("no trusted key has signed it"), "{said}");
    std::fs::remove_file(file).unwrap();
}
