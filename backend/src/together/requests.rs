//! Predictions that several callers ask for at the same moment: one transaction for all of them.
//!
//! It does the plain case. Whoever's is another one (the record is not in use, or somebody has it
//! just now, a prediction is open already, something is missing) is told to ask alone, and gets
//! there the answer that fits.

use std::collections::{HashMap, HashSet};

use shared::{
    clinical::assessment::missing_or_out_of_scope,
    id::{PatientId, PredictionId, UserId},
    prediction::{KfreRegion, Prediction},
};
use sqlx::{PgConnection, PgPool, PgTransaction};

use crate::{
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event, Look},
        predictions::Requested,
    },
    jobs::at_once::{AtOnce, Begun, Placed},
};

/// What somebody asks for who sees every record.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whom the audit log names.
    pub actor: Actor,
    /// Who asks.
    pub user_id: UserId,
    /// Whose prediction.
    pub patient_id: PatientId,
    /// Where the request is in its trace, if that is told.
    pub traceparent: Option<String>,
}

/// The predictions that were requested, in the order of the wishes; none for whoever must ask alone.
pub(super) async fn grant(
    db: &PgPool,
    clock: &Clock,
    at_once: &AtOnce,
    wishes: Vec<Wish>,
) -> sqlx::Result<Vec<Option<Prediction>>> {
    let begun = at_once.begin().await?;
    let granted = match place(db, clock, begun, &wishes).await {
        Ok(Some(granted)) => granted.commit().await?,
        Ok(None) => HashMap::new(),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "asked for one by one");
            HashMap::new()
        }
    };
    Ok(take(granted, &wishes))
}

/// Two who ask for the same patient: the second one asks alone, and gets the open one or, where the first
/// is answered already, one of their own.
fn take(mut granted: HashMap<PatientId, Prediction>, wishes: &[Wish]) -> Vec<Option<Prediction>> {
    wishes.iter().map(|wish| granted.remove(&wish.patient_id)).collect()
}

/// What is in a transaction that has not ended.
struct Granted {
    tx: PgTransaction<'static>,
    placed: Placed,
    predictions: Vec<Prediction>,
}

impl Granted {
    /// When that fails nobody knows whether it is done: whoever asked hears so, and does not ask again by
    /// themselves.
    async fn commit(self) -> sqlx::Result<HashMap<PatientId, Prediction>> {
        let Self { tx, placed, predictions } = self;
        tx.commit().await?;
        placed.committed().await;
        Ok(predictions.into_iter().map(|one| (one.patient_id, one)).collect())
    }
}

/// Inputs, predictions, their answers or one job for them, and every audit entry; none if everybody must
/// ask alone.
async fn place(
    db: &PgPool,
    clock: &Clock,
    begun: Begun,
    wishes: &[Wish],
) -> anyhow::Result<Option<Granted>> {
    let now = clock.now();
    let mut tx = db::begin(db).await?;
    let regions = regions(&mut tx, wishes).await?;
    let ids: Vec<PatientId> = wishes.iter().map(|wish| wish.patient_id).collect();
    // Whoever's record somebody has just now waits for it alone.
    let patients = db::patients::lock_free_in_use(&mut tx, &ids).await?;
    let open = db::predictions::open_of(&mut tx, &ids).await?;
    // The region is each caller's own.
    let frozen =
        db::prediction_inputs::freeze(&mut tx, &patients, KfreRegion::default(), now).await?;
    let mut frozen: HashMap<PatientId, _> =
        patients.iter().map(|patient| patient.id).zip(frozen).collect();
    let mut requested = Vec::with_capacity(wishes.len());
    let mut looks = Vec::with_capacity(wishes.len());
    for wish in wishes.iter().filter(|wish| !open.contains_key(&wish.patient_id)) {
        let Some(mut inputs) = frozen.remove(&wish.patient_id) else { continue };
        let Some(region) = regions.get(&wish.user_id) else { continue };
        inputs.region = *region;
        if !missing_or_out_of_scope(&inputs).is_empty() {
            continue;
        }
        let (id, patient_id) = (PredictionId(clock.new_id()), wish.patient_id);
        let event = Event::new("prediction.request").object(id.0).patient(patient_id);
        looks.push(Look { actor: wish.actor.clone(), event, at: now });
        let (requested_by, traceparent) = (wish.user_id, wish.traceparent.clone());
        requested.push(Requested { id, patient_id, requested_by, inputs, traceparent });
    }
    if requested.is_empty() {
        return Ok(None);
    }
    let placed = begun.store(&mut tx, db, &requested, now).await?;
    placed.record(&mut tx, looks).await?;
    let predictions = placed.predictions(requested, now);
    Ok(Some(Granted { tx, placed, predictions }))
}

/// The KFRE region of each caller.
async fn regions(
    tx: &mut PgConnection,
    wishes: &[Wish],
) -> sqlx::Result<HashMap<UserId, KfreRegion>> {
    let callers: HashSet<UserId> = wishes.iter().map(|wish| wish.user_id).collect();
    let mut regions = HashMap::with_capacity(callers.len());
    for caller in callers {
        let chosen = db::preferences::read(&mut *tx, caller).await?;
        regions.insert(caller, chosen.in_force.kfre_region);
    }
    Ok(regions)
}
