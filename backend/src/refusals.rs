//! Puts refusals on record: what somebody may not do, and what is not there for them.
//!
//! A handler that refuses has given up its transaction, so the entry is written when the answer is
//! known, for all handlers in one place. Whether a record is hidden or does not exist makes no
//! difference to the entry, as it makes none to the answer.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Extensions, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use shared::id::PatientId;
use uuid::Uuid;

use crate::{
    auth::Caller,
    db::{
        self,
        audit::{Actor, Event, Outcome},
    },
    error::Result,
    state::AppState,
};

/// Where whoever finds out who calls leaves it for the audit log.
#[derive(Clone, Debug, Default)]
pub struct Asker(Arc<OnceLock<Actor>>);

/// Notes who calls.
pub fn note(extensions: &Extensions, caller: &Caller) {
    if let Some(asker) = extensions.get::<Asker>() {
        // A request has one caller: a second note says the same.
        let _ = asker.0.set(caller.actor());
    }
}

/// Puts on record what a known caller was refused.
pub async fn guard(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let response = next.run(request).await;
    let refused = matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
    let Some(actor) = asker.0.get().filter(|_| refused) else { return response };
    let mut ids = path.split('/').filter_map(|part| part.parse::<Uuid>().ok());
    let object = ids.next();
    let of_patient = path.starts_with("/api/v1/patients/");
    let mut event = Event::new("request.refuse").outcome(Outcome::Refused);
    event.object_id = object;
    event.patient_id = object.filter(|_| of_patient).map(PatientId);
    let status = response.status().as_u16();
    let details = json!({ "method": method.as_str(), "route": route, "status": status });
    // Boxed, or every request would have room for it.
    match Box::pin(record(&state, actor, event.details(details))).await {
        Ok(()) => response,
        Err(error) => error.into_response(),
    }
}

/// Puts something that was refused on record, in a transaction of its own.
pub async fn record(state: &AppState, actor: &Actor, event: Event) -> Result<()> {
    let mut connection = state.db.acquire().await?;
    Ok(db::audit::record(&mut connection, actor, event, state.clock.now()).await?)
}
