//! Views of the patient list that somebody keeps under a name.

use axum::{extract::State, http::StatusCode};
use shared::{
    id::ViewId,
    page::Items,
    sentence,
    view::{LONGEST_NAME, MOST, NewView, View},
};

use crate::{
    auth::{Allowed, KeepViews},
    db::{self, audit::Event},
    error::{Error, Result, violated_constraint},
    extract::{Created, Creation, Json, Path},
    input::Faults,
    openapi::Problems,
    routes::{changed, keep, replay},
    state::AppState,
};

/// List one's own views, by name.
#[utoipa::path(get, path = "/api/v1/me/views", tag = "account", security(("bearer" = [])),
    responses((status = 200, description = "All of them", body = Items<View>), Problems))]
pub async fn list_views(
    Allowed { caller, .. }: Allowed<KeepViews>,
    State(state): State<AppState>,
) -> Result<Json<Items<View>>> {
    let mut tx = state.begin(&caller).await?;
    let items = db::views::list(&mut *tx, caller.user_id).await?;
    tx.commit().await?;
    Ok(Json(Items { items }))
}

/// Keep a view of the patient list under a name.
#[utoipa::path(post, path = "/api/v1/me/views", tag = "account", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewView,
    responses((status = 201, description = "Kept", body = View,
        headers(("Location" = String, description = "The view"))), Problems))]
pub async fn create_view(
    Allowed { caller, .. }: Allowed<KeepViews>,
    State(state): State<AppState>,
    Creation { new, key }: Creation<NewView>,
) -> Result<Created> {
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let view = check(new, ViewId(state.clock.new_id()))?;
    if MOST <= db::views::list_for_update(&mut tx, caller.user_id).await?.len() {
        return Err(Error::Conflict(sentence!("there are {MOST} views already; delete one first")));
    }
    db::views::insert(&mut tx, caller.user_id, &view).await.map_err(named(&view))?;
    let event = Event::new("view.create").object(view.id.0).details(changed(&(), &view)?);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    let location = Some(format!("/api/v1/me/views/{}", view.id));
    let created = keep(&mut tx, &caller, key, Created::new(location, None, &view)?).await?;
    tx.commit().await?;
    Ok(created)
}

/// Rename one of one's own views, or let it show something else.
#[utoipa::path(put, path = "/api/v1/me/views/{id}", tag = "account", security(("bearer" = [])),
    params(("id" = ViewId, Path, description = "The view")),
    request_body = NewView,
    responses((status = 200, description = "As it is now", body = View), Problems))]
pub async fn replace_view(
    Allowed { caller, .. }: Allowed<KeepViews>,
    State(state): State<AppState>,
    Path(id): Path<ViewId>,
    Json(new): Json<NewView>,
) -> Result<Json<View>> {
    let mut tx = state.begin(&caller).await?;
    let own = db::views::list_for_update(&mut tx, caller.user_id).await?;
    let before = own.into_iter().find(|view| view.id == id).ok_or(Error::NotFound("view"))?;
    let after = check(new, id)?;
    if after != before {
        db::views::update(&mut tx, caller.user_id, &after).await.map_err(named(&after))?;
        let event = Event::new("view.update").object(id.0).details(changed(&before, &after)?);
        db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    }
    tx.commit().await?;
    Ok(Json(after))
}

/// Delete one of one's own views. The patients it shows stay.
#[utoipa::path(delete, path = "/api/v1/me/views/{id}", tag = "account", security(("bearer" = [])),
    params(("id" = ViewId, Path, description = "The view")),
    responses((status = 204, description = "Deleted"), Problems))]
pub async fn delete_view(
    Allowed { caller, .. }: Allowed<KeepViews>,
    State(state): State<AppState>,
    Path(id): Path<ViewId>,
) -> Result<StatusCode> {
    let mut tx = state.begin(&caller).await?;
    let own = db::views::list_for_update(&mut tx, caller.user_id).await?;
    let gone = own.into_iter().find(|view| view.id == id).ok_or(Error::NotFound("view"))?;
    db::views::delete(&mut tx, caller.user_id, id).await?;
    let event = Event::new("view.delete").object(id.0).details(changed(&gone, &())?);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The view as it is kept, if nothing about it is wrong.
fn check(new: NewView, id: ViewId) -> Result<View> {
    let NewView { name, mut filter, sort, archived } = new;
    let mut faults = Faults::default();
    let name = faults.line("/name", &name, LONGEST_NAME);
    // The list takes a search for nothing as none.
    filter.q = filter.q.filter(|q| !q.trim().is_empty());
    if let Some(q) = &mut filter.q {
        *q = faults.line("/filter/q", q, 200);
    }
    faults.refuse()?;
    Ok(View { id, name, filter, sort, archived })
}

/// The name that an account has already is a conflict that says so.
fn named(view: &View) -> impl FnOnce(sqlx::Error) -> Error {
    let name = view.name.clone();
    move |error| match violated_constraint(&error) {
        Some(db::views::NAME) => {
            Error::Conflict(sentence!("there is a view called {name} already; choose another name"))
        }
        _ => error.into(),
    }
}
