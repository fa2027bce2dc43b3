//! Who cares for a patient: shared, handed over, left.

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::json;
use shared::{
    access::{Permission, Visibility},
    care_team::{CareTeam, CareTeamMember, Colleague, NewCareTeamMember},
    id::{PatientId, UserId},
    page::Page,
    phrase, sentence,
};
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, Caller, ManageCareTeams, ReadCareTeams},
    db::{self, audit::Event, care_teams::Position},
    error::{Error, Result},
    extract::{Created, Creation, Json, Path, Query},
    input::searched,
    openapi::Problems,
    page,
    routes::{keep, replay},
    state::AppState,
};

/// The most members of one care team.
const MOST_MEMBERS: usize = 100;

/// List who cares for a patient.
#[utoipa::path(get, path = "/api/v1/patients/{id}/care-team", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "The care team", body = CareTeam), Problems))]
pub async fn get_care_team(
    Allowed { caller, .. }: Allowed<ReadCareTeams>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Json<CareTeam>> {
    let mut tx = state.begin(&caller).await?;
    caller.patient(&mut tx, id).await?;
    let team = team(&mut tx, &caller, id).await?;
    let event = Event::new("care_team.read").patient(id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(team))
}

async fn team(tx: &mut PgConnection, caller: &Caller, id: PatientId) -> Result<CareTeam> {
    let members = db::care_teams::members(tx, id).await?;
    let may_change = refusal(caller, &members).is_none();
    Ok(CareTeam { members, may_change })
}

/// Why the caller may not change a team, if they may not. Its members may; an administrator, and
/// where everybody sees every record everybody who cares for patients, only when nobody is left.
fn refusal(caller: &Caller, members: &[CareTeamMember]) -> Option<&'static str> {
    let cares = caller.allows(Permission::EditPatients);
    let is_deserted = !members.iter().any(|member| member.active);
    let is_open = !cares || caller.site.visibility == Visibility::Organisation;
    if cares && is_member(members, caller.user_id) || is_deserted && is_open {
        None
    } else if is_deserted {
        Some("nobody is left in this care team; ask an administrator to put somebody in")
    } else {
        Some("only its members change a care team; ask one of them")
    }
}

fn is_member(members: &[CareTeamMember], user: UserId) -> bool {
    members.iter().any(|member| member.user_id == user)
}

/// The team's members, with the record locked, so that changes of a team come one after the other.
async fn to_change(
    tx: &mut PgConnection,
    caller: &Caller,
    id: PatientId,
) -> Result<Vec<CareTeamMember>> {
    caller.patient_locked(tx, id).await?;
    let members = db::care_teams::members(tx, id).await?;
    match refusal(caller, &members) {
        None => Ok(members),
        Some(reason) => Err(Error::Conflict(reason.to_owned())),
    }
}

async fn colleague(tx: &mut PgConnection, id: UserId) -> Result<Colleague> {
    let found = db::care_teams::find_colleague(tx, id).await?;
    found.ok_or_else(|| {
        Error::field("/user_id", phrase!("is not the account of an active clinician"))
    })
}

/// Share a patient's care with a colleague.
#[utoipa::path(post, path = "/api/v1/patients/{id}/care-team", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewCareTeamMember,
    responses((status = 201, description = "The care team now", body = CareTeam), Problems))]
pub async fn add_care_team_member(
    Allowed { caller, .. }: Allowed<ManageCareTeams>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new: NewCareTeamMember { user_id }, key }: Creation<NewCareTeamMember>,
) -> Result<Created> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let members = to_change(&mut tx, &caller, id).await?;
    let new = colleague(&mut tx, user_id).await?;
    has_place_for(&members, &new)?;
    db::care_teams::insert(&mut tx, id, user_id, Some(caller.user_id), now).await?;
    let event = Event::new("care_team.add").object(user_id.0).patient(id);
    let event = event.details(json!({ "member": new.display_name }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let location = format!("/api/v1/patients/{id}/care-team");
    let created = Created::new(Some(location), None, &team(&mut tx, &caller, id).await?)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

fn has_place_for(members: &[CareTeamMember], new: &Colleague) -> Result<()> {
    if is_member(members, new.id) {
        return Err(Error::Conflict(phrase!("they belong to the care team already").to_owned()));
    }
    if MOST_MEMBERS <= members.len() {
        let message = sentence!("a care team has at most {MOST_MEMBERS} members");
        return Err(Error::Conflict(message));
    }
    Ok(())
}

/// Leave a care team, or take a member out of it.
///
/// The last active member cannot leave: somebody has to take over first.
#[utoipa::path(delete, path = "/api/v1/patients/{id}/care-team/{user_id}", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("user_id" = UserId, Path, description = "The member")),
    responses((status = 204, description = "Out of the team"), Problems))]
pub async fn remove_care_team_member(
    Allowed { caller, .. }: Allowed<ManageCareTeams>,
    State(state): State<AppState>,
    Path((id, user_id)): Path<(PatientId, UserId)>,
) -> Result<StatusCode> {
    let mut tx = state.begin(&caller).await?;
    let members = to_change(&mut tx, &caller, id).await?;
    let leaving = members.iter().find(|member| member.user_id == user_id);
    let leaving = leaving.ok_or(Error::NotFound("member of this care team"))?;
    let stays = members.iter().any(|member| member.active && member.user_id != user_id);
    if leaving.active && !stays {
        let message = phrase!("the last member cannot leave; hand the patient over to a colleague");
        return Err(Error::Conflict(message.to_owned()));
    }
    db::care_teams::delete(&mut tx, id, user_id).await?;
    let action = if user_id == caller.user_id { "care_team.leave" } else { "care_team.remove" };
    let event = Event::new(action).object(user_id.0).patient(id);
    let event = event.details(json!({ "member": leaving.display_name }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hand a patient over: the colleague is in the care team, the caller out of it, both at once.
#[utoipa::path(post, path = "/api/v1/patients/{id}/care-team/hand-over", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    request_body = NewCareTeamMember,
    responses((status = 200, description = "The care team now", body = CareTeam), Problems))]
pub async fn hand_over_patient(
    Allowed { caller, .. }: Allowed<ManageCareTeams>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Json(NewCareTeamMember { user_id }): Json<NewCareTeamMember>,
) -> Result<Json<CareTeam>> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let members = to_change(&mut tx, &caller, id).await?;
    if !is_member(&members, caller.user_id) {
        let message = phrase!("you do not belong to this care team; there is nothing to hand over");
        return Err(Error::Conflict(message.to_owned()));
    }
    let next = colleague(&mut tx, user_id).await?;
    if next.id == caller.user_id {
        return Err(Error::field("/user_id", phrase!("must be somebody else")));
    }
    if !is_member(&members, next.id) {
        db::care_teams::insert(&mut tx, id, next.id, Some(caller.user_id), now).await?;
    }
    // Read before it is left: afterwards the record may be out of sight.
    let mut members = db::care_teams::members(&mut *tx, id).await?;
    members.retain(|member| member.user_id != caller.user_id);
    db::care_teams::delete(&mut tx, id, caller.user_id).await?;
    let event = Event::new("care_team.hand_over").object(next.id.0).patient(id);
    let event = event.details(json!({ "member": next.display_name }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(Json(CareTeam { members, may_change: false }))
}

/// Which colleagues to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ColleagueQuery {
    /// Part of a name, in any case.
    pub q: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List clinicians with an open account, by name: nothing but names and ids.
#[utoipa::path(get, path = "/api/v1/colleagues", tag = "care-teams", security(("bearer" = [])),
    params(ColleagueQuery),
    responses((status = 200, description = "A page", body = Page<Colleague>), Problems))]
pub async fn list_colleagues(
    _: Allowed<ReadCareTeams>,
    State(state): State<AppState>,
    Query(ColleagueQuery { q, cursor, limit }): Query<ColleagueQuery>,
) -> Result<Json<Page<Colleague>>> {
    let limit = page::limit(limit)?;
    let after = page::position::<Position>(cursor.as_deref())?;
    // PostgreSQL knows no text with a NUL in it.
    if after.as_ref().is_some_and(|Position(name, _)| name.contains('\0')) {
        return Err(page::bad_cursor());
    }
    let text = q.as_deref().and_then(searched);
    let rows = page::rows(limit);
    let found =
        db::care_teams::colleagues(&state.db, text.as_deref(), after.as_ref(), rows).await?;
    let position = |one: &Colleague| Position(one.display_name.to_lowercase(), one.id);
    page::page(found, limit, position).map(Json)
}
