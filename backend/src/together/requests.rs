//! Predictions that several callers ask for at the same moment: one transaction for all of them.
//!
//! It does the plain case. Whoever's is another one (the record is not in use, or somebody has it
//! just now, a prediction is open already, something is missing) is told to ask alone, and gets
//! there the answer that fits.

use std::collections::{HashMap, HashSet};

use shared::{
    clinical::assessment::missing_or_out_of_scope,
    id::{PatientId, PredictionId, UserId},
    prediction::{KfreRegion, Prediction, PredictionStatus},
};
use sqlx::{PgConnection, PgPool};

use crate::{
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event, Look},
        predictions::{Priority, Requested},
    },
    jobs::predict,
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
    wishes: Vec<Wish>,
) -> Vec<Option<Prediction>> {
    let granted = try_to_grant(db, clock, &wishes).await.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "asked for one by one");
        HashMap::new()
    });
    take(granted, &wishes)
}

/// Two who ask for the same patient: the second one asks alone and gets the open one.
fn take(mut granted: HashMap<PatientId, Prediction>, wishes: &[Wish]) -> Vec<Option<Prediction>> {
    wishes.iter().map(|wish| granted.remove(&wish.patient_id)).collect()
}

/// Inputs, predictions, one job and every audit entry: all of them, or none.
async fn try_to_grant(
    db: &PgPool,
    clock: &Clock,
    wishes: &[Wish],
) -> anyhow::Result<HashMap<PatientId, Prediction>> {
    let now = clock.now();
    let mut tx = db::begin(db).await?;
    let regions = regions(&mut tx, wishes).await?;
    let ids: Vec<PatientId> = wishes.iter().map(|wish| wish.patient_id).collect();
    // Whoever's record somebody has just now waits for it alone.
    let patients = db::patients::lock_free_in_use(&mut tx, &ids).await?;
    let open = db::predictions::open_of(&mut tx, &ids).await?;
    // The region is each caller's own.
    let frozen = db::predictions::freeze(&mut tx, &patients, KfreRegion::default(), now).await?;
    let mut frozen: HashMap<PatientId, _> =
        patients.iter().map(|patient| patient.id).zip(frozen).collect();
    let mut granted = HashMap::new();
    let mut requested: HashMap<UserId, Vec<Requested>> = HashMap::new();
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
        looks.push((id, wish, Look { actor: wish.actor.clone(), event, at: now }));
        let one = Requested { id, patient_id, inputs: inputs.clone() };
        requested.entry(wish.user_id).or_default().push(one);
        granted.insert(
            patient_id,
            Prediction {
                id,
                patient_id,
                status: PredictionStatus::Queued,
                requested_by: wish.user_id,
                requested_at: now,
                completed_at: None,
                model: None,
                inputs,
                result: None,
                error: None,
            },
        );
    }
    let Some((first, _, _)) = looks.first() else { return Ok(granted) };
    for (by, requested) in &requested {
        db::predictions::insert_many(&mut tx, requested, *by, Priority::Single, now).await?;
    }
    for (id, wish, _) in &looks {
        if let Some(traceparent) = &wish.traceparent {
            db::predictions::trace(&mut tx, *id, traceparent).await?;
        }
    }
    // One job for all of them: whoever gets it runs everything that waits.
    predict::enqueue(&mut tx, db, *first).await?;
    let looks: Vec<Look> = looks.into_iter().map(|(_, _, look)| look).collect();
    db::audit::record_looks(&mut *tx, &looks).await?;
    tx.commit().await?;
    Ok(granted)
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
