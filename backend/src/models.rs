//! The released networks of a folder: which can be used, and which answers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, ensure};
use model::{
    predictor::{CONFIG, Predictor},
    reference::{REFERENCE, Reference},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::model::{ModelCard, ModelSummary};
use sqlx::PgPool;

use crate::{db, db::models::Roles};

/// The card's file in a released folder.
const CARD: &str = "card.json";

/// Every release that the model folder holds, loaded once at the start.
#[derive(Debug)]
pub struct Releases {
    folder: PathBuf,
    loaded: Vec<Arc<Release>>,
    broken: Vec<Broken>,
    /// The version that answers while nobody has chosen one.
    standard: Option<String>,
}

/// A release that can be used.
#[derive(Debug)]
pub struct Release {
    /// The network.
    pub predictor: Arc<Predictor>,
    /// Its card, if it has one.
    pub card: Option<ModelCard>,
    /// What its inputs looked like in training, if it says so.
    pub reference: Option<Watched>,
}

/// A reference distribution and its identity.
#[derive(Debug)]
pub struct Watched {
    /// The distribution.
    pub reference: Reference,
    /// SHA-256 of its file: counts belong to these bins and no others.
    pub id: [u8; 32],
}

/// A release that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its version, as far as it can be told: its folder's name otherwise.
    pub version: String,
    /// Why not, in one sentence.
    pub problem: String,
}

impl Release {
    /// Its version.
    pub fn version(&self) -> &str {
        &self.predictor.version().version
    }

    fn load(folder: &Path) -> anyhow::Result<Self> {
        let predictor = Predictor::load(folder)
            .with_context(|| format!("the network in {} cannot be loaded", folder.display()))?;
        let card = read_if_there(&folder.join(CARD))?.map(|(file, json)| card(&file, &json));
        let card = card.transpose()?;
        let model = predictor.version();
        if let Some(card) = &card {
            ensure!(
                card.name == model.name && card.version == model.version,
                "the card in {} is that of {} {}",
                folder.display(),
                card.name,
                card.version
            );
        }
        let reference = read_if_there(&folder.join(REFERENCE))?;
        let reference = reference.map(|(file, json)| watched(&file, &json)).transpose()?;
        Ok(Self { predictor: Arc::new(predictor), card, reference })
    }
}

fn read_if_there(file: &Path) -> anyhow::Result<Option<(PathBuf, Vec<u8>)>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some((file.to_owned(), bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

fn card(file: &Path, json: &[u8]) -> anyhow::Result<ModelCard> {
    let card: ModelCard =
        serde_json::from_slice(json).with_context(|| format!("{} is no card", file.display()))?;
    let faults = card.faults();
    ensure!(faults.is_empty(), "{} is not whole: {}", file.display(), faults.join("; "));
    Ok(card)
}

fn watched(file: &Path, json: &[u8]) -> anyhow::Result<Watched> {
    let reference = Reference::from_json(json)
        .with_context(|| format!("{} is no reference distribution", file.display()))?;
    Ok(Watched { reference, id: Sha256::digest(json).into() })
}

impl Releases {
    /// Loads the folder's own release and that of every folder in it. A broken one is reported in
    /// the log and left out.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        let mut releases = Self {
            folder: folder.to_owned(),
            loaded: Vec::new(),
            broken: Vec::new(),
            standard: None,
        };
        if folder.join(CONFIG).exists() {
            releases.standard = Some(releases.add(folder));
        }
        for inner in folders_with_a_release(folder)? {
            releases.add(&inner);
        }
        for Broken { version, problem } in &releases.broken {
            tracing::warn!(version, problem, "a release is left out");
        }
        // A folder of versions alone: which one is meant is plain only if there is one.
        if let ([only], None) = (&*releases.loaded, &releases.standard) {
            releases.standard = Some(only.version().to_owned());
        }
        Ok(releases)
    }

    /// Adds the release of a folder, whole or broken, and says which version it is.
    fn add(&mut self, folder: &Path) -> String {
        let release = Release::load(folder).and_then(|release| {
            let version = release.version().to_owned();
            ensure!(self.get(&version).is_none(), "version {version} is in another folder already");
            Ok(release)
        });
        match release {
            Ok(release) => {
                let version = release.version().to_owned();
                self.loaded.push(Arc::new(release));
                version
            }
            Err(error) => {
                let (version, problem) = (version_of(folder), format!("{error:#}"));
                self.broken.push(Broken { version: version.clone(), problem });
                version
            }
        }
    }

    /// The loaded release of a version.
    pub fn get(&self, version: &str) -> Option<&Arc<Release>> {
        self.loaded.iter().find(|release| release.version() == version)
    }

    /// Why a version cannot be used; `None` when there is no such version.
    pub fn problem(&self, version: &str) -> Option<&str> {
        let broken = self.broken.iter().find(|broken| broken.version == version);
        broken.map(|broken| broken.problem.as_str())
    }

    /// The version that answers, given what was chosen.
    pub fn active_version<'a>(&'a self, roles: &'a Roles) -> Option<&'a str> {
        roles.active.as_deref().or(self.standard.as_deref())
    }

    /// The release that answers, given what was chosen.
    pub fn active(&self, roles: &Roles) -> anyhow::Result<Arc<Release>> {
        let Some(version) = self.active_version(roles) else {
            return Err(anyhow!(
                "no network is active: {} holds no {CONFIG} of its own",
                self.folder.display()
            ));
        };
        self.get(version).cloned().ok_or_else(|| {
            let folder = self.folder.display();
            let problem = self.problem(version).map_or_else(
                || format!("{folder} holds no release of that version"),
                ToOwned::to_owned,
            );
            anyhow!("the active network, version {version}, cannot be loaded: {problem}")
        })
    }

    /// The release that runs unseen, given what was chosen; none while it is not loaded here.
    pub fn shadow(&self, roles: &Roles) -> Option<Arc<Release>> {
        self.get(roles.shadow.as_deref()?).cloned()
    }

    /// Every release that is known of: loaded, broken, and chosen although it is not here.
    pub fn summaries(&self, roles: &Roles) -> Vec<ModelSummary> {
        let known = self.loaded.iter().map(|release| release.version());
        let broken = self.broken.iter().map(|broken| broken.version.as_str());
        let mut versions: Vec<&str> = known.chain(broken).collect();
        for chosen in [self.active_version(roles), roles.shadow.as_deref()].into_iter().flatten() {
            if !versions.contains(&chosen) {
                versions.push(chosen);
            }
        }
        versions.dedup();
        versions.into_iter().map(|version| self.summary(version, roles)).collect()
    }

    /// What is known of a version.
    pub fn summary(&self, version: &str, roles: &Roles) -> ModelSummary {
        let release = self.get(version);
        let predictor = release.map(|release| &release.predictor);
        let problem = release.is_none().then(|| {
            self.problem(version).unwrap_or("no folder holds a release of that version").to_owned()
        });
        ModelSummary {
            name: predictor.map(|predictor| predictor.version().name.clone()),
            version: version.to_owned(),
            trained_on: predictor.map(|predictor| predictor.config().trained_on.clone()),
            released_on: release.and_then(|r| r.card.as_ref()).map(|card| card.released_on),
            active: self.active_version(roles) == Some(version),
            shadow: roles.shadow.as_deref() == Some(version),
            has_card: release.is_some_and(|release| release.card.is_some()),
            has_reference: release.is_some_and(|release| release.reference.is_some()),
            problem,
        }
    }

    /// Refuses to start where the active network is not loaded.
    pub async fn check(&self, db: &PgPool) -> anyhow::Result<()> {
        let roles = db::models::roles(db).await.context("the active network cannot be read")?;
        self.active(&roles).map(drop)
    }
}

/// The folders inside that hold a release, in the order of their names.
fn folders_with_a_release(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("the model folder {} cannot be read", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.join(CONFIG).exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The version that a broken release's configuration speaks of, or its folder's name.
fn version_of(folder: &Path) -> String {
    let json = fs::read(folder.join(CONFIG)).ok();
    let config: Option<Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
    let version = config.as_ref().and_then(|config| config["model"]["version"].as_str());
    version.map_or_else(
        || folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned(),
        ToOwned::to_owned,
    )
}
