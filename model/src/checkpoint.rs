//! Where a training is after each pass, so that an interrupted one goes on to the same weights.
//!
//! One file for each member: its weights, the best ones so far, and the optimiser's moments. It
//! belongs to one data set, seed and way of fitting; another training does not read it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

/// The folder within the training's own folder.
pub const CHECKPOINTS: &str = "checkpoints";

/// Why a checkpoint is no use.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Its contents are not a checkpoint.
    #[error("{} is not a checkpoint ({reason}); delete it to begin anew", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Where one member is.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// Passes that are done.
    pub epochs: usize,
    /// Whether no more are to come.
    pub done: bool,
    /// The optimiser's state.
    pub state: BTreeMap<String, Tensor>,
    /// Steps that the optimiser has made.
    pub steps: usize,
    /// The best weights so far.
    pub best: BTreeMap<String, Tensor>,
    /// Their validation loss.
    pub best_loss: f64,
    /// Passes since.
    pub waited: usize,
}

/// The checkpoints of one training.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    /// What data, seed and way of fitting they belong to.
    fingerprint: String,
}

impl Checkpoints {
    pub(crate) fn new(folder: &Path, fingerprint: String) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::File { file: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), fingerprint })
    }

    fn file(&self, member: usize) -> PathBuf {
        self.folder.join(format!("member-{member}.safetensors"))
    }

    /// Where the member was; `None` when this training has not come to it.
    pub(crate) fn load(&self, member: usize) -> Result<Option<Checkpoint>, CheckpointError> {
        let file = self.file(member);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::File { file, source }),
        };
        self.parse(&bytes).map_err(|reason| CheckpointError::Broken { file, reason })
    }

    fn parse(&self, bytes: &[u8]) -> Result<Option<Checkpoint>, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let facts = header.metadata().clone().unwrap_or_default();
        let fact = |name: &str| {
            facts.get(name).cloned().ok_or_else(|| format!("it does not say its {name}"))
        };
        if fact("fingerprint")? != self.fingerprint {
            return Ok(None);
        }
        let number = |name: &str| -> Result<usize, String> {
            fact(name)?.parse().map_err(|_| format!("its {name} is no number"))
        };
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|error| error.to_string())?;
        let (mut state, mut best) = (BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in tensors {
            match name.strip_prefix("best.") {
                Some(name) => best.insert(name.to_owned(), tensor),
                None => state.insert(name, tensor),
            };
        }
        let best_loss = fact("best_loss_bits")?.parse().map(f64::from_bits);
        Ok(Some(Checkpoint {
            epochs: number("epochs")?,
            done: fact("done")? == "true",
            state,
            steps: number("steps")?,
            best,
            best_loss: best_loss.map_err(|_| "its best loss is no number")?,
            waited: number("waited")?,
        }))
    }

    /// Writes a member's checkpoint beside the old one, then in its place: never half a file.
    pub(crate) fn save(&self, member: usize, at: &Checkpoint) -> Result<(), CheckpointError> {
        let file = self.file(member);
        let facts = HashMap::from([
            ("fingerprint".to_owned(), self.fingerprint.clone()),
            ("epochs".to_owned(), at.epochs.to_string()),
            ("done".to_owned(), at.done.to_string()),
            ("steps".to_owned(), at.steps.to_string()),
            ("best_loss_bits".to_owned(), at.best_loss.to_bits().to_string()),
            ("waited".to_owned(), at.waited.to_string()),
        ]);
        let best = at.best.iter().map(|(name, tensor)| (format!("best.{name}"), tensor));
        let state = at.state.iter().map(|(name, tensor)| (name.clone(), tensor));
        let bytes = safetensors::serialize(best.chain(state), Some(facts));
        let bytes = bytes.map_err(|error| CheckpointError::Broken {
            file: file.clone(),
            reason: error.to_string(),
        })?;
        let fresh = file.with_extension("new");
        fs::write(&fresh, bytes)
            .and_then(|()| fs::rename(&fresh, &file))
            .map_err(|source| CheckpointError::File { file, source })
    }

    /// Forgets them: the training is done.
    pub(crate) fn clear(&self) -> Result<(), CheckpointError> {
        let failed = |source| CheckpointError::File { file: self.folder.clone(), source };
        fs::remove_dir_all(&self.folder).map_err(failed)
    }
}
