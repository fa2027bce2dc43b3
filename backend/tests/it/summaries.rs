//! Summaries and exports, as researchers meet them.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};
use serde_json::{Value, json};
use shared::{
    access::{Role, Scope},
    summary::{SummaryField, SummaryMeasure},
};

use crate::support::{Client, TestApp};

const COHORT: &str = "/api/v1/summaries/cohort";

/// Fictional patients with an eGFR each; number `n` of them differs from the others by rules.
async fn populate(app: &TestApp, first: i32, last: i32) {
    for statement in [
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes,
            renal_disease, latest_egfr, latest_uacr, risk_5y, risk_category, created_at, updated_at)
        select gen_random_uuid(), 'S-' || n, 'Ada', 'Testwell-' || n,
            date '1940-01-01' + n * 37 % 18000, case n % 2 when 0 then 'female' else 'male' end,
            case n % 3 when 0 then true when 1 then false end,
            (array['diabetic', 'hypertensive', 'glomerular', 'unknown'])[1 + n % 4],
            10 + n % 90, 5 + n * 7 % 900, (n % 100) / 100.0, case when n % 100 < 3 then 'low' else 'moderate' end,
            '2026-01-01', '2026-01-01'
        from generate_series($1::int, $2::int) n",
        "insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given,
            effective_at, method, recorded_by, recorded_at)
        select gen_random_uuid(), patients.id, 'egfr', latest_egfr + 2 - years, 'mL/min/{1.73_m2}',
            latest_egfr, 'mL/min/{1.73_m2}', timestamptz '2022-02-01' + years * interval '1 year',
            'reported', (select id from users limit 1), '2026-01-01'
        from patients, generate_series(0, 2) years
        where substr(mrn, 3)::int between $1 and $2",
    ] {
        sqlx::query(statement).bind(first).bind(last).execute(&app.db).await.unwrap();
    }
}

/// A site of so many people that has published, and a researcher.
pub async fn published(people: i32) -> (TestApp, Client) {
    let app = TestApp::new().await;
    populate(&app, 1, people).await;
    assert!(app.publish().await);
    let researcher = app.sign_in(Role::Researcher).await;
    (app, researcher)
}

#[tokio::test]
async fn a_researcher_counts_and_measures_the_population() {
    let (app, researcher) = published(600).await;
    let all = researcher.get(COHORT).await.ok();
    assert_eq!(all["publication"]["minimum_cell_size"], 10);
    let whole = &all["groups"][0];
    assert!((595..=605).contains(&whole["people"].as_i64().unwrap()), "{whole}");
    assert_eq!(whole["kidney_failure"], Value::Null, "nobody had it");
    let egfr = whole["measures"].as_array().unwrap().iter().find(|one| one["measure"] == "egfr");
    let mean = egfr.unwrap()["mean"].as_f64().unwrap();
    assert!((mean - 54.0).abs() < 3.0, "{mean}");
    let slope =
        whole["measures"].as_array().unwrap().iter().find(|one| one["measure"] == "egfr_slope");
    assert!((slope.unwrap()["mean"].as_f64().unwrap() + 1.0).abs() < 0.3, "{slope:?}");

    let query = format!("{COHORT}?group_by=sex,stage&sex=female&stage=G4,unknown");
    let some = researcher.get(&query).await.ok();
    let groups: Vec<_> =
        some["groups"].as_array().unwrap().iter().map(|one| &one["group"]).collect();
    assert_eq!(groups, [&json!({ "sex": "female", "stage": "G4" })]);
    assert_eq!(some["withheld"], 1, "everybody's stage is known");
    let details = app.audit_details("summary.read").await;
    assert_eq!(details["question"]["group_by"], "sex,stage");
    assert_eq!(details["question"]["stage"], "G4,unknown");

    let path = "/api/v1/summaries/risk-distribution?group_by=sex";
    let histograms = researcher.get(path).await.ok()["histograms"].clone();
    assert_eq!(histograms.as_array().unwrap().len(), 2);
    let bars = histograms[0]["bars"].as_array().unwrap();
    assert_eq!(bars.len(), 10);
    let sum: i64 = bars.iter().filter_map(|bar| bar["people"].as_i64()).sum();
    assert!((230..=330).contains(&sum), "{sum} of 300");
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let (_app, researcher) = published(30).await;
    let faults = researcher.get(&format!("{COHORT}?group_by=colour&sex=x")).await.faults();
    assert_eq!(faults.len(), 2);
    let four = format!("{COHORT}?group_by=sex,stage,cause&diabetes=yes");
    assert!(researcher.get(&four).await.faults()["/group_by"].contains("at most 3 fields"));
    let sum = format!("{COHORT}?cause=diabetic,other");
    assert!(researcher.get(&sum).await.faults()["/cause"].contains("one value"));
    researcher.get(&format!("{COHORT}?name=Ada")).await.expect(422);
    let risk = "/api/v1/summaries/risk-distribution?group_by=risk_category";
    assert!(researcher.get(risk).await.faults().contains_key("/group_by"));
    researcher.get("/api/v1/summaries/export?format=xlsx").await.expect(422);
}

#[tokio::test]
async fn before_the_first_publication_there_is_nothing() {
    let app = TestApp::new().await;
    let researcher = app.sign_in(Role::Researcher).await;
    researcher.get(COHORT).await.expect(404);
    assert!(app.publish().await);
    assert_eq!(researcher.get(COHORT).await.ok()["groups"], json!([]), "nobody is few people");
    assert_eq!(app.audit_details("summary.publish").await["publication"], 1);
}

#[tokio::test]
async fn a_publication_stays_until_enough_people_have_changed() {
    let (app, researcher) = published(200).await;
    let first = researcher.get(&format!("{COHORT}?group_by=stage")).await.ok();
    populate(&app, 201, 205).await;
    app.clock.advance(TimeDelta::days(2));
    assert!(!app.publish().await, "five new people would be the difference");
    let researcher = app.sign_in(Role::Researcher).await;
    assert_eq!(researcher.get(&format!("{COHORT}?group_by=stage")).await.ok(), first);
    populate(&app, 206, 230).await;
    assert!(app.publish().await);
    let second = researcher.get(&format!("{COHORT}?group_by=stage")).await.ok();
    assert_ne!(second["publication"]["id"], first["publication"]["id"]);
}

#[tokio::test]
async fn the_minimum_is_a_setting_and_counts_from_the_next_publication() {
    let (app, researcher) = published(120).await;
    let stages = format!("{COHORT}?group_by=stage");
    let before = researcher.get(&stages).await.ok()["withheld"].as_i64().unwrap();
    let admin = app.sign_in(Role::Administrator).await;
    admin.patch("/api/v1/settings", 1, json!({ "minimum_cell_size": 4 })).await.expect(422);
    admin.patch("/api/v1/settings", 1, json!({ "minimum_cell_size": 40 })).await.ok();
    assert_eq!(researcher.get(&stages).await.ok()["withheld"], before);
    assert!(app.publish().await);
    let after = researcher.get(&stages).await.ok();
    assert_eq!(after["publication"]["minimum_cell_size"], 40);
    assert!(before < after["withheld"].as_i64().unwrap());
}

/// Risks that both voices told in 2018 to those below `last`, and what happened since: whoever has
/// a number that is far enough down fails, the network told half of what KFRE did.
async fn follow(app: &TestApp, last: i32) {
    for statement in [
        "insert into predictions (id, patient_id, status, requested_by, requested_at, completed_at,
            inputs, result)
        select gen_random_uuid(), patients.id, 'succeeded', (select id from users limit 1),
            '2018-06-01', '2018-06-01', '{}', jsonb_build_object(
                'kfre', jsonb_build_object('risk_2y', risk / 2, 'risk_5y', risk),
                'risk', jsonb_build_array(
                    jsonb_build_object('year', 2, 'probability', risk / 4),
                    jsonb_build_object('year', 5, 'probability', risk / 2)))
        from patients, lateral (select substr(mrn, 3)::int % 60 / 100.0 as risk) told
        where substr(mrn, 3)::int < $1",
        "insert into outcomes (id, patient_id, kind, occurred_on, created_at)
        select gen_random_uuid(), id, 'dialysis',
            date '2018-07-01' + (substr(mrn, 3)::int * 7 % 1700), '2026-01-01'
        from patients
        where substr(mrn, 3)::int < $1
            and substr(mrn, 3)::int * 37 % 100 < substr(mrn, 3)::int % 60",
    ] {
        sqlx::query(statement).bind(last).execute(&app.db).await.unwrap();
    }
}

#[tokio::test]
async fn told_risks_are_compared_with_what_happened_since() {
    const PERFORMANCE: &str = "/api/v1/summaries/model-performance";
    let (app, researcher) = published(600).await;
    assert_eq!(researcher.get(PERFORMANCE).await.ok()["voices"], json!([]), "nobody was followed");
    follow(&app, 500).await;
    assert!(app.publish().await);
    let answer = researcher.get(PERFORMANCE).await.ok();
    let voices = answer["voices"].as_array().unwrap();
    let named: Vec<_> = voices.iter().map(|one| (&one["source"], &one["years"])).collect();
    assert_eq!(
        named,
        [
            (&json!("kfre"), &json!(2)),
            (&json!("kfre"), &json!(5)),
            (&json!("network"), &json!(2)),
            (&json!("network"), &json!(5))
        ]
    );
    let (kfre, network) = (&voices[1], &voices[3]);
    assert!((490..=510).contains(&kfre["people"].as_i64().unwrap()), "{kfre:#}");
    assert_eq!(kfre["observed"], network["observed"], "the same people");
    assert!(0.65 < kfre["c_statistic"].as_f64().unwrap());
    let ratio = |one: &Value| one["ratio"].as_f64().unwrap();
    assert!((0.85..1.15).contains(&ratio(kfre)), "{kfre:#}");
    assert!((ratio(network) / ratio(kfre) - 2.0).abs() < 0.2, "it told half");
    for voice in voices {
        let groups = voice["groups"].as_array().unwrap();
        assert!(1 < groups.len() && groups[0]["from"] == 0.0);
        assert!(groups.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]));
        let people: Vec<_> = groups.iter().map(|one| one["people"].as_i64().unwrap()).collect();
        assert!(people.iter().all(|people| 20 <= *people && people % 5 == 0), "{people:?}");
    }
    assert_eq!(app.audit_details("summary.read").await["model_performance"], true);
}

#[tokio::test]
async fn years_show_how_the_population_changes() {
    let (_app, researcher) = published(600).await;
    let trends = "/api/v1/summaries/trends";
    let years = researcher.get(trends).await.ok();
    let shown: Vec<_> = years["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["group"]["calendar_year"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, ["2022", "2023", "2024"]);
    assert_eq!(years["withheld"], 11);
    let egfr = |year: usize| {
        let measures = years["groups"][year]["measures"].as_array().unwrap();
        let egfr = measures.iter().find(|one| one["measure"] == "egfr").unwrap();
        egfr["mean"].as_f64().unwrap()
    };
    assert!((egfr(0) - egfr(2) - 2.0).abs() <= 1.0, "everybody loses 1 a year");
    let some = researcher.get(&format!("{trends}?group_by=stage&stage=G4&sex=female")).await.ok();
    let groups = some["groups"].as_array().unwrap();
    let first = json!({ "calendar_year": "2022", "sex": "female", "stage": "G4" });
    assert_eq!(groups[0]["group"], first);
    let faults = researcher.get(&format!("{trends}?group_by=year")).await.faults();
    assert!(faults["/year"].contains("age_band"));
    assert!(
        researcher
            .get(&format!("{trends}?group_by=sex,stage,cause"))
            .await
            .faults()
            .contains_key("/group_by")
    );
}

const PRIVATE: &str = "/api/v1/summaries/private-counts";

#[tokio::test]
async fn private_counts_are_near_and_paid_for_once() {
    let (app, researcher) = published(600).await;
    let wide = json!({ "group_by": ["sex", "stage", "cause", "diabetes"], "epsilon": 0.5,
        "filters": { "stage": ["G4", "G5"] } });
    let answer = researcher.post(PRIVATE, wide.clone()).await.ok();
    let counts = answer["counts"].as_array().unwrap();
    assert_eq!(counts.len(), 2 * 2 * 6 * 3, "empty groups, too");
    let sum: i64 = counts.iter().map(|one| one["people"].as_i64().unwrap()).sum();
    // 72 noises of standard deviation 2.8.
    assert!((20..260).contains(&sum), "{sum} of about 140");
    assert_eq!((&answer["repeated"], &answer["margin"]), (&json!(false), &json!(6)));
    assert_eq!(answer["budgets"]["account"], json!({ "limit": 4.0, "spent": 0.5, "left": 3.5 }));
    assert_eq!(answer["budgets"]["token"], Value::Null);
    let again = researcher.post(PRIVATE, wide.clone()).await.ok();
    assert_eq!((&again["counts"], &again["repeated"]), (&answer["counts"], &json!(true)));
    assert_eq!(again["budgets"], answer["budgets"], "what was told is told");
    let mut cheaper = wide;
    cheaper["epsilon"] = json!(0.1);
    let other = researcher.post(PRIVATE, cheaper).await.ok();
    assert_ne!(other["counts"], answer["counts"]);
    assert_eq!(other["budgets"]["account"]["spent"], 0.6);
    let details = app.audit_details("summary.count_privately").await;
    assert_eq!((&details["epsilon"], &details["repeated"]), (&json!(0.1), &json!(false)));
    assert_eq!(details["question"]["filters"]["stage"], json!(["G4", "G5"]));
}

#[tokio::test]
async fn nobody_spends_more_than_the_budgets() {
    let (app, researcher) = published(100).await;
    let stages = ["G1", "G2", "G3a", "G3b", "G4", "G5", "unknown"];
    let ask = |n: usize| json!({ "filters": { "stage": [stages[n]] }, "epsilon": 0.3 });
    let token = researcher.token(&[Scope::SummariesRead]).await;
    // All at once: a budget of 1 pays for three of seven.
    let asked = (0..7).map(|n| {
        let token = token.clone();
        async move { token.post(PRIVATE, ask(n)).await }
    });
    let answers = futures::future::join_all(asked).await;
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered, 3);
    let refused = answers.into_iter().find(|answer| answer.status == 422).unwrap();
    assert_eq!(refused.body["type"], "/problems/privacy-budget-spent");
    let fault = refused.body["errors"][0].clone();
    assert_eq!(fault["pointer"], "/epsilon");
    assert_eq!(fault["message"], "0.1 of the 1 that this token may ever spend is left");
    let left = token.get("/api/v1/summaries/privacy-budgets").await.ok();
    assert_eq!((&left["token"]["left"], &left["account"]["left"]), (&json!(0.1), &json!(3.1)));

    // New tokens are new purses, but of the same account.
    let mut paid = 0;
    for _ in 0..4 {
        let next = researcher.token(&[Scope::SummariesRead]).await;
        for n in 0..7 {
            let ask = json!({ "group_by": ["sex"], "filters": ask(n)["filters"], "epsilon": 0.5 });
            let answer = next.post(PRIVATE, ask).await;
            paid += usize::from(answer.status == 200 && answer.body["repeated"] == false);
        }
    }
    assert_eq!(paid, 6, "3.1 pays for six answers of 0.5");
    let ledger = sqlx::query("update privacy_spendings set epsilon_thousandths = 1");
    assert!(ledger.execute(&app.db).await.is_err(), "what was spent stays spent");

    let admin = app.sign_in(Role::Administrator).await;
    admin.patch("/api/v1/settings", 1, json!({ "account_privacy_budget": 101 })).await.expect(422);
    admin.patch("/api/v1/settings", 1, json!({ "account_privacy_budget": 5 })).await.ok();
    let more = researcher.post(PRIVATE, json!({ "epsilon": 0.9 })).await.ok();
    assert_eq!(more["budgets"]["account"]["limit"], 5.0);
}

#[tokio::test]
async fn a_private_question_says_everything_that_is_wrong() {
    let (_app, researcher) = published(30).await;
    let wrong =
        json!({ "epsilon": 0.0105, "group_by": ["sex", "sex"], "filters": { "stage": ["G9"] } });
    let faults = researcher.post(PRIVATE, wrong).await.faults();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults["/filters/stage"].contains("G3a") && faults["/epsilon"].contains("0.01"));
    researcher.post(PRIVATE, json!({ "epsilon": 0.1, "name": "Ada" })).await.expect(422);
    researcher.post(PRIVATE, json!({ "epsilon": 0.1, "group_by": ["colour"] })).await.expect(422);
    let left = researcher.get("/api/v1/summaries/privacy-budgets").await.ok();
    assert_eq!(left["account"]["spent"], 0.0, "what is refused costs nothing");
}

fn lines(answer: &Value) -> Vec<Value> {
    answer.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// By which an outsider may know somebody.
const KNOWN: [&str; 5] = ["sex", "age_band", "cause", "diabetes", "year"];

#[tokio::test]
async fn nobody_is_found_in_the_rows_by_what_is_known_of_them() {
    let (app, researcher) = published(700).await;
    // Somebody whom everybody would know by these facts.
    sqlx::query("update patients set birth_date = '1928-01-01', renal_disease = 'polycystic' where mrn = 'S-5'")
        .execute(&app.db)
        .await
        .unwrap();
    sqlx::query(
        "update patients set smoker = true, diabetes = true where substr(mrn, 3)::int < 40",
    )
    .execute(&app.db)
    .await
    .unwrap();
    assert!(app.publish().await);
    let rows = lines(&researcher.get("/api/v1/summaries/export?format=ndjson").await.ok());
    assert!(650 < rows.len(), "{} rows", rows.len());
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *classes.entry(KNOWN.map(|field| row[field].to_string()).join(" ")).or_default() += 1;
    }
    assert!(classes.values().all(|people| 10 <= *people), "{classes:#?}");
    assert!(1 < classes.len(), "something is still told");
    let text = serde_json::to_string(&rows).unwrap();
    for word in ["S-5", "Testwell", "1928", "Ada", "polycystic"] {
        let told = text.contains(word) && classes.keys().any(|class| class.contains(word));
        assert!(!told, "{word} is in the rows");
    }
    let report = researcher.get("/api/v1/summaries/export-report").await.ok();
    assert_eq!(report["k"], 10);
    assert_eq!(report["fields"].as_array().unwrap().len(), 5);
    let kept = report["rows"].as_i64().unwrap();
    assert_eq!(kept, i64::try_from(rows.len()).unwrap() / 5 * 5);
    assert_eq!(app.audit_details("summary.export").await["format"], "ndjson");
}

#[tokio::test]
async fn two_tokens_cannot_put_their_rows_together() {
    let (_app, researcher) = published(200).await;
    let pull = async |client: &Client| -> HashSet<String> {
        let rows = lines(&client.get("/api/v1/summaries/export?format=ndjson").await.ok());
        rows.iter().map(|row| row["pseudonym"].as_str().unwrap().to_owned()).collect()
    };
    let first = researcher.token(&[Scope::SummariesRead]).await;
    let second = researcher.token(&[Scope::SummariesRead]).await;
    let (one, other) = (pull(&first).await, pull(&second).await);
    assert_eq!(one, pull(&first).await, "one token follows a person");
    assert!(one.is_disjoint(&other));
    assert!(one.is_disjoint(&pull(&researcher).await));
}

#[tokio::test]
async fn the_three_formats_hold_the_same_rows() {
    let (app, researcher) = published(150).await;
    let rows = lines(&researcher.get("/api/v1/summaries/export?format=ndjson").await.ok());
    let csv = researcher.get("/api/v1/summaries/export").await;
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    let csv = csv.ok();
    let mut csv = csv.as_str().unwrap().lines();
    assert!(csv.next().unwrap().starts_with("pseudonym,sex,age_band,"));
    assert_eq!(csv.clone().count(), rows.len());
    assert!(csv.next().unwrap().starts_with(rows[0]["pseudonym"].as_str().unwrap()));

    let request = researcher.request("GET", "/api/v1/summaries/export?format=parquet");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app.router.clone(), request).await.unwrap();
    let file = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let reader = SerializedFileReader::new(file).unwrap();
    let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read.len(), rows.len());
    assert_eq!(read[3].get_string(0).unwrap(), rows[3]["pseudonym"].as_str().unwrap());
    assert_eq!(read[3].get_double(11).unwrap(), rows[3]["egfr"].as_f64().unwrap());
}

#[tokio::test]
async fn the_examples_and_the_dictionary_of_the_documentation_hold() {
    let documentation = include_str!("../../../docs/RESEARCH.md");
    let (_app, researcher) = published(200).await;
    let quoted = documentation.split('"').filter_map(|text| {
        let path = text.strip_prefix("$NEPHROCAST").unwrap_or(text);
        path.starts_with("/summaries/").then(|| format!("/api/v1{path}"))
    });
    let mut asked = 0;
    for path in quoted.filter(|path| !path.ends_with("private-counts")) {
        researcher.get(&path).await.ok();
        asked += 1;
    }
    assert!(6 <= asked, "{asked} examples");
    let [begin, end] = ["-d '", "'\n"];
    let question = documentation.split_once(begin).unwrap().1.split_once(end).unwrap().0;
    researcher.post(PRIVATE, serde_json::from_str(question).unwrap()).await.ok();

    let document = backend::openapi::json();
    let operations = document["paths"].as_object().unwrap().keys();
    let named = operations.filter(|path| path.contains("/summaries/"));
    let fields = SummaryField::ALL.map(|field| format!("| `{}` |", field.name()));
    let measures = SummaryMeasure::ALL.map(|measure| format!("| `{}` |", measure.name()));
    for word in named.cloned().chain(fields).chain(measures) {
        assert!(documentation.contains(&word), "{word} is not documented");
    }
}
