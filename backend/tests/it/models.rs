//! Released networks: what the folder holds, which one answers, the shadow, the drift.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use backend::{
    jobs::predict::{self, Engine, LEASE},
    models::Releases,
};
use chrono::TimeDelta;
use model::predictor::{CONFIG, WEIGHTS, sha256};
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId, model::ModelCard};
use uuid::Uuid;

use crate::{
    predictions::persona,
    support::{ARTIFACTS, Client, TestApp, audit_key_file},
};

/// A second version of the released network: the same weights under another name.
pub const NEXT: &str = "90.1.0";
/// A version whose weights are no numbers.
pub const POISONED: &str = "90.2.0";
/// A version that cannot be loaded.
const BROKEN: &str = "90.3.0";

/// A model folder of a test's own: the release that the product comes with, and others inside.
pub struct ModelFolder(PathBuf);

impl ModelFolder {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("nephrocast-models-{}", Uuid::now_v7()));
        let made = Self(folder);
        made.add("", |_| ());
        made
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The released network once more, changed.
    fn add(&self, name: &str, change: impl FnOnce(&Path)) {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(ARTIFACTS).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() {
                fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
            }
        }
        change(&folder);
    }

    /// With [`NEXT`] in it, whole but for a card.
    pub fn with_next(self) -> Self {
        self.add("next", |folder| {
            name_version(folder, NEXT);
            fs::remove_file(folder.join("card.json")).unwrap();
        });
        self
    }

    /// With [`POISONED`] in it: it loads, and fails whenever it is asked.
    pub fn with_poisoned(self) -> Self {
        self.add("poisoned", |folder| {
            name_version(folder, POISONED);
            fs::remove_file(folder.join("card.json")).unwrap();
            let file = folder.join(WEIGHTS);
            let mut weights = fs::read(&file).unwrap();
            // A header's length, the header, then the weights as 32-bit numbers.
            let header: [u8; 8] = weights[..8].try_into().unwrap();
            let start = 8 + usize::try_from(u64::from_le_bytes(header)).unwrap();
            for weight in weights[start..].chunks_exact_mut(4) {
                weight.copy_from_slice(&f32::NAN.to_le_bytes());
            }
            fs::write(&file, &weights).unwrap();
            change_config(folder, |config| config["weights_sha256"] = json!(sha256(&weights)));
        });
        self
    }

    /// With [`BROKEN`] in it: its weights are cut short.
    fn with_broken(self) -> Self {
        self.add("broken", |folder| {
            name_version(folder, BROKEN);
            let weights = fs::read(folder.join(WEIGHTS)).unwrap();
            fs::write(folder.join(WEIGHTS), &weights[..weights.len() / 2]).unwrap();
        });
        self
    }
}

impl Drop for ModelFolder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn change_config(folder: &Path, change: impl FnOnce(&mut Value)) {
    let file = folder.join(CONFIG);
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    fs::write(file, config.to_string()).unwrap();
}

fn name_version(folder: &Path, version: &str) {
    change_config(folder, |config| config["model"]["version"] = json!(version));
}

/// The version that the product comes with.
fn standard(app: &TestApp) -> String {
    app.standard().version().to_owned()
}

async fn request(clinician: &Client, patient: PatientId) -> String {
    let path = format!("/api/v1/patients/{patient}/predictions");
    let queued = clinician.post(&path, json!({})).await.expect(202);
    format!("/api/v1/predictions/{}", queued["id"].as_str().unwrap())
}

async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}

fn of_version<'a>(list: &'a Value, version: &str) -> &'a Value {
    let items = list["items"].as_array().unwrap();
    items.iter().find(|item| item["version"] == version).unwrap()
}

#[tokio::test]
async fn every_release_of_the_folder_is_listed_the_broken_one_with_its_reason() {
    let folder = ModelFolder::new().with_next().with_broken();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    let list = admin.get("/api/v1/models").await.ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 3);

    let own = of_version(&list, &standard(&app));
    assert_eq!((&own["active"], &own["has_card"]), (&json!(true), &json!(true)));
    assert_eq!(own["problem"], Value::Null);
    let next = of_version(&list, NEXT);
    assert_eq!((&next["active"], &next["has_card"]), (&json!(false), &json!(false)));
    let broken = of_version(&list, BROKEN);
    let problem = broken["problem"].as_str().unwrap();
    assert!(problem.contains("weights.safetensors"), "{problem}");
}

#[tokio::test]
async fn a_card_can_be_read_by_whoever_reads_predictions() {
    let folder = ModelFolder::new().with_next().with_broken();
    let app = TestApp::with_models(folder.path()).await;
    for role in [Role::Administrator, Role::Clinician, Role::Patient] {
        let reader = app.sign_in(role).await;
        let card = reader.get(&format!("/api/v1/models/{}", standard(&app))).await.ok();
        let card: ModelCard = serde_json::from_value(card).unwrap();
        assert_eq!(card.faults(), Vec::<String>::new());
    }
    let admin = app.sign_in(Role::Administrator).await;
    admin.get("/api/v1/models/0.0.0-unheard").await.expect(404);
    admin.get(&format!("/api/v1/models/{NEXT}")).await.expect(404);
    admin.get(&format!("/api/v1/models/{BROKEN}")).await.expect(409);
}

#[tokio::test]
async fn an_activation_counts_from_the_next_prediction_on_in_every_process() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    // The engine of another process: it hears of the activation through the database alone.
    let (db, clock) = (app.db.clone(), app.clock.clone());
    let releases = Arc::new(Releases::load(folder.path()).unwrap());
    let engine = Engine::new(db, clock, releases, LEASE);
    let (admin, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    let before = request(&clinician, persona(&app, "M-1").await).await;
    assert_eq!(engine.drain().await.unwrap(), 1);

    let activated = admin.post(&format!("/api/v1/models/{NEXT}/activate"), json!({})).await.ok();
    assert_eq!(activated["active"], true);
    let after = request(&clinician, persona(&app, "M-2").await).await;
    assert_eq!(engine.drain().await.unwrap(), 1);

    let version = async |path: &str| clinician.get(path).await.ok()["model"]["version"].clone();
    assert_eq!(version(&before).await, standard(&app));
    assert_eq!(version(&after).await, NEXT);
    let details = app.audit_details("model.activate").await;
    assert_eq!(details, json!({ "from": standard(&app), "to": NEXT }));
    let list = admin.get("/api/v1/models").await.ok();
    assert_eq!(of_version(&list, &standard(&app))["active"], false);
}

#[tokio::test]
async fn what_is_not_loaded_cannot_be_given_a_role() {
    let folder = ModelFolder::new().with_broken();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    for verb in ["activate", "shadow"] {
        let of = |version: &str| format!("/api/v1/models/{version}/{verb}");
        admin.post(&of("0.0.0-unheard"), json!({})).await.expect(404);
        let refused = admin.post(&of(BROKEN), json!({})).await.expect(409);
        assert!(refused["detail"].as_str().unwrap().contains("not loaded"), "{refused}");
    }
    let of_itself = format!("/api/v1/models/{}/shadow", standard(&app));
    admin.post(&of_itself, json!({})).await.expect(409);
    assert_eq!(count(&app, "select count(*) from model_roles").await, 0);
}

#[tokio::test]
async fn a_process_without_the_active_network_leaves_predictions_to_others() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&format!("/api/v1/models/{NEXT}/activate"), json!({})).await.ok();
    let clinician = app.sign_in(Role::Clinician).await;
    request(&clinician, persona(&app, "M-1").await).await;

    let without = Arc::new(Releases::load(ARTIFACTS.as_ref()).unwrap());
    let engine = Engine::new(app.db.clone(), app.clock.clone(), without, LEASE);
    let refused = format!("{:#}", engine.drain().await.unwrap_err());
    assert!(refused.contains(NEXT), "{refused}");
    let untouched = "select count(*) from predictions where status = 'queued' and attempts = 0";
    assert_eq!(count(&app, untouched).await, 1);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
}

#[tokio::test]
async fn a_start_without_the_active_network_fails_with_one_sentence() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&format!("/api/v1/models/{NEXT}/activate"), json!({})).await.ok();
    let refused = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .args(["worker", "--log", "off"])
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_MODEL_DIR", ARTIFACTS)
        .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.starts_with(&format!("nephrocast: the active network, version {NEXT}")), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
}

#[tokio::test]
async fn a_shadow_answers_unseen_on_the_same_inputs() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let (admin, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    let set = admin.post(&format!("/api/v1/models/{NEXT}/shadow"), json!({})).await.ok();
    assert_eq!((&set["shadow"], &set["active"]), (&json!(true), &json!(false)));
    let path = request(&clinician, persona(&app, "M-1").await).await;
    predict::drain(&app.state).await.unwrap();

    let shown = clinician.get(&path).await.ok();
    assert_eq!(shown["model"]["version"], standard(&app));
    assert!(!shown.to_string().contains(NEXT), "a clinician sees nothing of the shadow");
    app.clock.advance(TimeDelta::seconds(1));
    let compared = admin.get(&format!("/api/v1/models/{NEXT}/comparison")).await.ok();
    assert_eq!(compared["against"], standard(&app));
    assert_eq!((&compared["predictions"], &compared["failures"]), (&json!(1), &json!(0)));
    // The same weights say the same.
    assert_eq!(compared["horizons"][1]["mean_difference"], 0.0);
    assert_eq!(compared["horizons"][1]["mean_shown"], shown["result"]["risk"][4]["probability"]);
    assert_eq!(compared["category_change"], 0.0);

    admin.delete(&format!("/api/v1/models/{NEXT}/shadow")).await.expect(204);
    request(&clinician, persona(&app, "M-2").await).await;
    predict::drain(&app.state).await.unwrap();
    assert_eq!(count(&app, "select count(*) from shadow_predictions").await, 1);
    let changes = "select count(*) from audit_events where action = 'model.shadow'";
    assert_eq!(count(&app, changes).await, 2);
}

#[tokio::test]
async fn a_failing_shadow_harms_no_prediction() {
    let folder = ModelFolder::new().with_poisoned();
    let app = TestApp::with_models(folder.path()).await;
    let (admin, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    admin.post(&format!("/api/v1/models/{POISONED}/shadow"), json!({})).await.ok();
    let path = request(&clinician, persona(&app, "M-1").await).await;
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
    assert_eq!(clinician.get(&path).await.ok()["status"], "succeeded");

    app.clock.advance(TimeDelta::seconds(1));
    let compared = admin.get(&format!("/api/v1/models/{POISONED}/comparison")).await.ok();
    assert_eq!((&compared["predictions"], &compared["failures"]), (&json!(0), &json!(1)));
    assert_eq!(compared["horizons"][0]["mean_difference"], Value::Null);
}

#[tokio::test]
async fn a_shadow_that_is_activated_is_a_shadow_no_more() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&format!("/api/v1/models/{NEXT}/shadow"), json!({})).await.ok();
    let activated = admin.post(&format!("/api/v1/models/{NEXT}/activate"), json!({})).await.ok();
    assert_eq!((&activated["active"], &activated["shadow"]), (&json!(true), &json!(false)));
}

/// Four pairs with differences −0.05, 0, 0.05 and 0.10 at both horizons, one of which changes the
/// category; and one failure. By hand: mean 0.025, median 0.025, a quarter lies at or below −0.0125
/// (linear between the first two of four), and the correlation of (0.1, 0.2, 0.3, 0.4) with
/// (0.05, 0.2, 0.35, 0.5) is 1.
#[tokio::test]
async fn a_comparison_is_that_of_hand_computed_pairs_in_the_window() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let (admin, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    let pairs = [
        (0.1, Some((0.05, "low"))),
        (0.2, Some((0.2, "moderate"))),
        (0.3, Some((0.35, "moderate"))),
        (0.4, Some((0.5, "moderate"))),
        (0.5, None),
        (0.9, Some((0.1, "low"))),
    ];
    let now = app.clock.now();
    for (number, (shown, shadow)) in pairs.into_iter().enumerate() {
        let path = request(&clinician, persona(&app, &format!("M-{number}")).await).await;
        let id: Uuid = path.rsplit('/').next().unwrap().parse().unwrap();
        // The last one lies before the window.
        let made_at = now - TimeDelta::days(if number == 5 { 30 } else { 1 });
        sqlx::query(
            "insert into shadow_predictions (model_version, prediction_id, made_at, shown_version,
                shown_risk_2y, shown_risk_5y, shown_category, risk_2y, risk_5y, category)
            values ($1, $2, $3, $4, $5, $5, 'moderate', $6, $6, $7)",
        )
        .bind(NEXT)
        .bind(id)
        .bind(made_at)
        .bind(standard(&app))
        .bind(shown)
        .bind(shadow.map(|(risk, _)| risk))
        .bind(shadow.map(|(_, category)| category))
        .execute(&app.db)
        .await
        .unwrap();
    }
    let from = (now - TimeDelta::days(7)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let path = format!("/api/v1/models/{NEXT}/comparison?from={from}");
    let compared = admin.get(&path).await.ok();
    assert_eq!((&compared["predictions"], &compared["failures"]), (&json!(4), &json!(1)));
    assert_eq!(compared["category_change"], 0.25);
    for horizon in compared["horizons"].as_array().unwrap() {
        let near = |value: &Value, wanted: f64| {
            assert!((value.as_f64().unwrap() - wanted).abs() < 1e-9, "{value}, not {wanted}");
        };
        near(&horizon["mean_shown"], 0.25);
        near(&horizon["mean_shadow"], 0.275);
        near(&horizon["mean_difference"], 0.025);
        near(&horizon["correlation"], 1.0);
        near(&horizon["quantiles"][1]["difference"], -0.0125);
        near(&horizon["quantiles"][2]["difference"], 0.025);
    }
    let backwards = format!(
        "/api/v1/models/{NEXT}/comparison?from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z"
    );
    assert!(admin.get(&backwards).await.faults().contains_key("/to"));
}

#[tokio::test]
async fn the_drift_counts_each_answered_prediction_in_its_week() {
    let app = TestApp::new().await;
    let (admin, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    for number in 0..3 {
        request(&clinician, persona(&app, &format!("M-{number}")).await).await;
    }
    predict::drain(&app.state).await.unwrap();
    // One more in the same week, counted into the same row.
    request(&clinician, persona(&app, "M-3").await).await;
    predict::drain(&app.state).await.unwrap();
    // The session ends meanwhile; another Monday.
    app.clock.advance(TimeDelta::weeks(2));
    let (admin_later, clinician) =
        (app.sign_in(Role::Administrator).await, app.sign_in(Role::Clinician).await);
    drop(admin);
    request(&clinician, persona(&app, "M-4").await).await;
    predict::drain(&app.state).await.unwrap();

    let path = format!("/api/v1/models/{}/drift", standard(&app));
    let drift = admin_later.get(&format!("{path}?weeks=3")).await.ok();
    let predictions: Vec<i64> = drift["weeks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["predictions"].as_i64().unwrap())
        .collect();
    assert_eq!(predictions, [4, 0, 1]);
    assert_eq!(drift["weeks"][0]["starts_on"], "2026-06-01");
    assert_eq!(count(&app, "select count(*) from model_input_weeks").await, 2);
    let inputs = drift["inputs"].as_array().unwrap();
    let of = |name: &str| inputs.iter().find(|input| input["input"] == name).unwrap();
    // Four women with an eGFR and without potassium: far from the training data, and too few.
    assert_eq!(of("potassium")["weeks"][0]["missing"], 1.0);
    assert_eq!(of("egfr")["weeks"][0]["missing"], 0.0);
    assert_eq!(of("egfr")["weeks"][0]["level"], "too_few");
    assert!(1.0 < of("egfr")["weeks"][0]["psi"].as_f64().unwrap());
    assert_eq!(of("egfr")["weeks"][1]["psi"], Value::Null);

    assert!(admin_later.get(&format!("{path}?weeks=0")).await.faults().contains_key("/weeks"));
    assert!(admin_later.get(&format!("{path}?weeks=54")).await.faults().contains_key("/weeks"));
    admin_later.get("/api/v1/models/0.0.0-unheard/drift").await.expect(404);
}

#[tokio::test]
async fn a_dropped_answer_is_no_input_of_the_week() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = request(&clinician, persona(&app, "M-1").await).await;
    clinician.post(&format!("{path}/cancel"), json!({})).await.ok();
    predict::drain(&app.state).await.unwrap();
    assert_eq!(count(&app, "select count(*) from model_input_weeks").await, 0);
}
