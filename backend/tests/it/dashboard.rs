//! The dashboard: how the patients stand whom a caller sees.

use std::{collections::HashMap, time::Duration};

use backend::{dashboards::KeptCounts, jobs::predict, router::router};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};
use sqlx::AssertSqlSafe;

use crate::{
    care_teams::{colleague, confine},
    predictions::{measure, patient},
    support::{Client, TestApp, start},
};

const DASHBOARD: &str = "/api/v1/dashboard";

/// What the row of a patient says of the latest values and the latest prediction.
#[derive(Clone, Copy, Default)]
struct Row {
    egfr: Option<f64>,
    egfr_at: Option<&'static str>,
    uacr: Option<f64>,
    uacr_at: Option<&'static str>,
    upcr: Option<f64>,
    risk: Option<(f64, f64, &'static str)>,
}

async fn add(app: &TestApp, mrn: &str, row: Row) -> PatientId {
    let id = patient(app, mrn, "1960-01-01", "female").await;
    let time = |at: Option<&str>| -> Option<DateTime<Utc>> { at.map(|at| at.parse().unwrap()) };
    sqlx::query(
        "update patients
        set latest_egfr = $2, latest_egfr_at = $3, latest_uacr = $4, latest_uacr_at = $5,
            latest_upcr = $6, risk_2y = $7, risk_5y = $8, risk_category = $9,
            risk_source = 'kfre', risk_at = $10
        where id = $1",
    )
    .bind(id)
    .bind(row.egfr)
    .bind(time(row.egfr_at.or(row.egfr.map(|_| "2026-05-30T08:00:00Z"))))
    .bind(row.uacr)
    .bind(time(row.uacr_at.or(row.uacr.map(|_| "2026-05-30T08:00:00Z"))))
    .bind(row.upcr)
    .bind(row.risk.map(|(risk_2y, ..)| risk_2y))
    .bind(row.risk.map(|(_, risk_5y, _)| risk_5y))
    .bind(row.risk.map(|(.., category)| category))
    .bind(row.risk.map(|_| start()))
    .execute(&app.db)
    .await
    .unwrap();
    id
}

async fn dashboard(client: &Client) -> Value {
    client.get(DASHBOARD).await.ok()
}

/// The cells that anybody is in, `G4 A3` or `? A3`.
fn cells(dashboard: &Value) -> HashMap<String, i64> {
    let cells = dashboard["kdigo"].as_array().unwrap();
    assert_eq!(cells.len(), 7 * 4);
    let name = |category: &Value| category.as_str().unwrap_or("?").to_owned();
    let counted = cells.iter().filter(|cell| cell["patients"] != 0);
    counted
        .map(|cell| {
            let name = format!("{} {}", name(&cell["g"]), name(&cell["a"]));
            (name, cell["patients"].as_i64().unwrap())
        })
        .collect()
}

/// The counts of a list, by what each item is called.
fn counts(list: &Value, name: &str) -> HashMap<String, i64> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| {
            let name = item[name].as_str().map_or_else(|| item[name].to_string(), str::to_owned);
            (name, item["patients"].as_i64().unwrap())
        })
        .filter(|(_, patients)| *patients != 0)
        .collect()
}

fn expected(pairs: &[(&str, i64)]) -> HashMap<String, i64> {
    pairs.iter().map(|(name, patients)| ((*name).to_owned(), *patients)).collect()
}

#[tokio::test]
async fn the_cells_are_divided_as_the_list_divides_them() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let values = [
        (Some(89.5), Some(29.99), None, "G1 A1"),
        (Some(89.49), Some(30.0), None, "G2 A2"),
        (Some(59.5), Some(300.0), None, "G2 A2"),
        (Some(59.49), Some(300.01), None, "G3a A3"),
        (Some(44.49), None, Some(149.99), "G3b A1"),
        (Some(29.49), None, Some(500.0), "G4 A2"),
        (Some(14.49), None, Some(500.01), "G5 A3"),
        // The ACR counts where both were measured.
        (Some(14.5), Some(5.0), Some(2000.0), "G4 A1"),
        (Some(44.5), None, None, "G3a ?"),
        (None, Some(742.0), None, "? A3"),
        (None, None, None, "? ?"),
    ];
    for (number, (egfr, uacr, upcr, _)) in values.into_iter().enumerate() {
        add(&app, &format!("M-{number}"), Row { egfr, uacr, upcr, ..Row::default() }).await;
    }
    let gone = add(&app, "M-gone", Row { egfr: Some(10.0), ..Row::default() }).await;
    sqlx::query("update patients set archived_at = $2 where id = $1")
        .bind(gone)
        .bind(start())
        .execute(&app.db)
        .await
        .unwrap();

    let found = dashboard(&clinician).await;
    assert_eq!(found["patients"], 11);
    assert_eq!(found["counted_at"], json!(start()));
    let mut wanted: HashMap<String, i64> = HashMap::new();
    for (.., cell) in values {
        *wanted.entry(cell.to_owned()).or_default() += 1;
    }
    assert_eq!(cells(&found), wanted);
    let first = &found["kdigo"][0];
    assert_eq!(*first, json!({ "g": "G1", "a": "A1", "risk": "low", "patients": 1 }));
    assert_eq!(found["kdigo"][27]["risk"], Value::Null);
    // And the list says the same of each of them.
    let list = clinician.get("/api/v1/patients?limit=200").await.ok();
    let mut listed: HashMap<String, i64> = HashMap::new();
    for item in list["items"].as_array().unwrap() {
        let kdigo = &item["kdigo"];
        if kdigo.is_object() {
            let a = kdigo["a"].as_str().unwrap_or("?");
            *listed.entry(format!("{} {a}", kdigo["g"].as_str().unwrap())).or_default() += 1;
        }
    }
    wanted.retain(|cell, _| !cell.starts_with('?'));
    assert_eq!(listed, wanted);
    assert_lists_as_many(&clinician, &found).await;
    let gaps = expected(&[
        ("missing_egfr", 2),
        ("missing_albuminuria", 2),
        ("pcr_only", 3),
        ("never_predicted", 11),
    ]);
    assert_eq!(counts(&found["data_gaps"], "gap"), gaps);
}

/// Each figure's link leads to as many patients as it says.
async fn assert_lists_as_many(client: &Client, dashboard: &Value) {
    let mut followed = 0;
    for cell in dashboard["kdigo"].as_array().unwrap() {
        if let (Some(g), Some(a)) = (cell["g"].as_str(), cell["a"].as_str()) {
            let listed = listed(client, &format!("kdigo_g={g}&kdigo_a={a}")).await;
            assert_eq!(json!(listed), cell["patients"], "{g} {a}");
            followed += 1;
        }
    }
    assert_eq!(followed, 18);
    for gap in dashboard["data_gaps"].as_array().unwrap() {
        let name = gap["gap"].as_str().unwrap();
        assert_eq!(json!(listed(client, &format!("gap={name}")).await), gap["patients"], "{name}");
    }
    let lost = listed(client, "gap=missing_egfr&kdigo_a=A3").await;
    assert_eq!(json!(lost), dashboard["kdigo"][26]["patients"]);
    client.get("/api/v1/patients?gap=nothing").await.expect(422);
    client.get("/api/v1/patients?kdigo_a=A4").await.expect(422);
}

async fn listed(client: &Client, filter: &str) -> usize {
    let list = client.get(&format!("/api/v1/patients?limit=200&{filter}")).await.ok();
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn risks_stand_in_bars_and_categories() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for (number, risk) in [
        (0.0, 0.0099, "low"),
        (0.01, 0.03, "moderate"),
        (0.1, 0.31, "moderate"),
        (0.100_001, 0.3, "high"),
        (0.4, 0.79, "high"),
        (0.41, 1.0, "very_high"),
    ]
    .into_iter()
    .enumerate()
    {
        add(&app, &format!("M-{number}"), Row { risk: Some(risk), ..Row::default() }).await;
    }
    add(&app, "M-none", Row::default()).await;
    let found = dashboard(&clinician).await;
    let bars = found["risk_2y"].as_array().unwrap();
    assert_eq!((&bars[0]["from"], &bars[9]["to"]), (&json!(0.0), &json!(1.0)));
    assert!(bars.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]));
    let of_2y = expected(&[("0.0", 1), ("0.01", 1), ("0.1", 2), ("0.4", 2)]);
    assert_eq!(counts(&found["risk_2y"], "from"), of_2y);
    let of_5y = expected(&[("0.0", 1), ("0.03", 1), ("0.3", 2), ("0.6", 1), ("0.8", 1)]);
    assert_eq!(counts(&found["risk_5y"], "from"), of_5y);
    let categories = expected(&[("low", 1), ("moderate", 2), ("high", 2), ("very_high", 1)]);
    assert_eq!(counts(&found["risk_categories"], "category"), categories);
    assert_eq!(counts(&found["data_gaps"], "gap")["never_predicted"], 1);
}

#[tokio::test]
async fn a_value_is_stale_after_a_year() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    // Today is 2026-06-01: 365 days ago is the first day that still counts.
    let old = Some("2025-05-31T23:59:59Z");
    let recent = Some("2025-06-01T00:00:00Z");
    let row = Row { egfr: Some(30.0), uacr: Some(30.0), ..Row::default() };
    add(&app, "M-1", Row { egfr_at: recent, uacr_at: recent, ..row }).await;
    assert!(!counts(&dashboard(&clinician).await["data_gaps"], "gap").contains_key("stale"));
    add(&app, "M-2", Row { egfr_at: old, uacr_at: recent, ..row }).await;
    add(&app, "M-3", Row { egfr_at: recent, uacr_at: old, ..row }).await;
    add(&app, "M-4", Row { egfr_at: old, uacr_at: old, ..row }).await;
    let found = dashboard(&clinician).await;
    assert_eq!(counts(&found["data_gaps"], "gap")["stale"], 3);
    assert_lists_as_many(&clinician, &found).await;
}

/// Predicts with these values, measured on this day: long apart, so that nobody thinks of an acute
/// injury, and the published equation answers.
async fn predict(app: &TestApp, by: &Client, id: PatientId, egfr: f64, uacr: f64, days_ago: i64) {
    measure(app, id, "egfr", egfr, days_ago).await;
    measure(app, id, "uacr", uacr, days_ago).await;
    by.post(&format!("/api/v1/patients/{id}/predictions"), json!({})).await.expect(202);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
    app.clock.advance(TimeDelta::seconds(1));
}

const MIGRATION: &str =
    include_str!("../../../migrations/20261126230000_create_threshold_crossings.sql");

async fn kept_crossings(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar(
        "select crossing::text from threshold_crossings as crossing order by threshold",
    )
    .fetch_all(&app.db)
    .await
    .unwrap()
}

fn crossed(dashboard: &Value) -> Vec<(String, String)> {
    let patients = dashboard["crossings"]["patients"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    patients.map(|one| (text(&one["mrn"]), text(&one["threshold"]))).collect()
}

#[tokio::test]
async fn whoever_comes_over_a_threshold_is_named_until_the_month_ends_or_the_risk_falls() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let worse = patient(&app, "M-worse", "1966-01-15", "female").await;
    let first = patient(&app, "M-first", "1966-01-15", "female").await;
    // Low, then G4 A3: over three thresholds at once. With a first prediction nobody crosses.
    predict(&app, &clinician, worse, 58.0, 5.0, 1500).await;
    predict(&app, &clinician, first, 28.0, 742.0, 1500).await;
    let before = dashboard(&clinician).await;
    assert_eq!(before["crossings"]["since"], "2026-06-01");
    assert!(crossed(&before).is_empty());
    assert!(counts(&before["crossings"]["thresholds"], "threshold").is_empty());
    predict(&app, &clinician, worse, 28.0, 742.0, 1100).await;

    let found = dashboard(&clinician).await;
    assert_eq!(crossed(&found), [("M-worse".to_owned(), "multidisciplinary".to_owned())]);
    let thresholds = expected(&[("consider_referral", 1), ("refer", 1), ("multidisciplinary", 1)]);
    assert_eq!(counts(&found["crossings"]["thresholds"], "threshold"), thresholds);
    let one = &found["crossings"]["patients"][0];
    assert_eq!(one["patient_id"], json!(worse));
    assert!(one["risk_before"].as_f64().unwrap() < 0.01, "{one}");
    assert!((one["risk_after"].as_f64().unwrap() - 0.124_185).abs() < 5e-7, "{one}");
    // A look at a name is on record for that patient.
    let details = app.audit_details("dashboard.read").await;
    assert_eq!(details, json!({ "patients": [worse] }));

    // Still over it with the next prediction: that is the same crossing.
    predict(&app, &clinician, worse, 27.0, 760.0, 800).await;
    assert_eq!(dashboard(&clinician).await["crossings"], found["crossings"]);
    // Between the thresholds: one is left behind, the other two stand.
    predict(&app, &clinician, worse, 33.0, 300.0, 500).await;
    let better = dashboard(&clinician).await;
    assert_eq!(crossed(&better), [("M-worse".to_owned(), "refer".to_owned())]);
    predict(&app, &clinician, worse, 58.0, 5.0, 300).await;
    assert!(crossed(&dashboard(&clinician).await).is_empty());
    predict(&app, &clinician, worse, 28.0, 742.0, 2).await;
    assert_eq!(crossed(&dashboard(&clinician).await).len(), 1);

    // A database from before crossings were kept is told the same by its predictions.
    let kept = kept_crossings(&app).await;
    assert_eq!(kept.len(), 3);
    let (_, backfill) = MIGRATION.split_once("-- What the predictions so far tell").unwrap();
    let again = format!("delete from threshold_crossings; -- {backfill}");
    sqlx::raw_sql(AssertSqlSafe(again)).execute(&app.db).await.unwrap();
    assert_eq!(kept_crossings(&app).await, kept);

    // Next month it is old news. The sign-in is over by then.
    app.clock.advance(TimeDelta::days(30));
    let clinician = app.sign_in(Role::Clinician).await;
    let later = dashboard(&clinician).await;
    assert_eq!(later["crossings"]["since"], "2026-07-01");
    assert!(crossed(&later).is_empty());
}

#[tokio::test]
async fn a_care_team_sees_itself_counted_and_nobody_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, other_id) = colleague(&app, "Bea").await;
    let theirs = patient(&app, "M-theirs", "1966-01-15", "female").await;
    let not_theirs = patient(&app, "M-not-theirs", "1966-01-15", "female").await;
    for id in [theirs, not_theirs] {
        predict(&app, &clinician, id, 58.0, 5.0, 1500).await;
        predict(&app, &clinician, id, 28.0, 742.0, 1100).await;
    }
    sqlx::query(
        "insert into care_team_members (patient_id, user_id, since) values ($1, $2::uuid, $3)",
    )
    .bind(theirs)
    .bind(&other_id)
    .bind(start())
    .execute(&app.db)
    .await
    .unwrap();
    // The latest values are kept by the handlers, which these tests go around.
    let mut connection = app.db.acquire().await.unwrap();
    backend::db::worklist::refresh(&mut connection, &[theirs, not_theirs], None).await.unwrap();
    assert_eq!(dashboard(&other).await["patients"], 2);
    confine(&app).await;

    let seen = dashboard(&other).await;
    assert_eq!(seen["patients"], 1);
    assert_eq!(cells(&seen), expected(&[("G4 A3", 1)]));
    assert_eq!(counts(&seen["risk_categories"], "category"), expected(&[("high", 1)]));
    assert_eq!(crossed(&seen), [("M-theirs".to_owned(), "multidisciplinary".to_owned())]);
    assert_eq!(counts(&seen["crossings"]["thresholds"], "threshold")["refer"], 1);
    // Whoever cares for nobody sees nobody, administrators everybody.
    let nobody = dashboard(&clinician).await;
    assert_eq!((&nobody["patients"], crossed(&nobody).len()), (&json!(0), 0));
    let admin = app.sign_in(Role::Administrator).await;
    let everybody = dashboard(&admin).await;
    assert_eq!((&everybody["patients"], crossed(&everybody).len()), (&json!(2), 2));
}

#[tokio::test]
async fn counts_over_many_are_kept_for_a_while_and_say_of_when_they_are() {
    let app = TestApp::new().await;
    // Here one patient is many.
    let state = app.state.with(|state| state.dashboards = KeptCounts::new(1));
    let mut clinician = app.sign_in(Role::Clinician).await;
    clinician.router = router(state);
    add(&app, "M-1", Row::default()).await;
    assert_eq!(dashboard(&clinician).await["patients"], 1);
    add(&app, "M-2", Row::default()).await;
    app.clock.advance(TimeDelta::seconds(59));
    let kept = dashboard(&clinician).await;
    assert_eq!((&kept["patients"], &kept["counted_at"]), (&json!(1), &json!(start())));

    // A minute old: the answer is the old one, and the next ones are new.
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(dashboard(&clinician).await["patients"], 1);
    let counted = async {
        while dashboard(&clinician).await["patients"] == 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    let now = start() + TimeDelta::minutes(1);
    assert_eq!(dashboard(&clinician).await["counted_at"], json!(now));

    // Too old to answer with.
    add(&app, "M-3", Row::default()).await;
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(dashboard(&clinician).await["patients"], 3);

    // Those who see only whom they care for are counted for themselves, always anew.
    confine(&app).await;
    assert_eq!(dashboard(&clinician).await["patients"], 0);
}
