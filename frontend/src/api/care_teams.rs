//! Who cares for a patient, and records that were opened in an emergency.

use shared::{
    care_team::{CareTeam, Colleague, EmergencyAccess, NewCareTeamMember, NewEmergencyAccess},
    id::{EmergencyAccessId, PatientId, UserId},
    page::Page,
    patient::PatientListItem,
};

use super::{Call, Result, query, request};

/// A patient's care team.
pub async fn read(id: PatientId) -> Result<CareTeam> {
    request(Call::get(format!("/patients/{id}/care-team"))).await
}

/// Shares a patient's care with a colleague.
pub async fn add(id: PatientId, user_id: UserId) -> Result<CareTeam> {
    let new = NewCareTeamMember { user_id };
    request(Call::create(format!("/patients/{id}/care-team"), &new)).await
}

/// Takes a member out of a care team.
pub async fn remove(id: PatientId, user_id: UserId) -> Result<()> {
    request(Call::delete(format!("/patients/{id}/care-team/{user_id}"))).await
}

/// Hands a patient over: the colleague in, oneself out.
pub async fn hand_over(id: PatientId, user_id: UserId) -> Result<CareTeam> {
    let new = NewCareTeamMember { user_id };
    request(Call::post(format!("/patients/{id}/care-team/hand-over")).json(&new)).await
}

/// Colleagues with this in their name.
pub async fn colleagues(q: &str) -> Result<Page<Colleague>> {
    let query = query(&[("q", q), ("limit", "20")]);
    request(Call::get(format!("/colleagues{query}"))).await
}

/// Opens a record in an emergency.
pub async fn break_glass(new: &NewEmergencyAccess) -> Result<EmergencyAccess> {
    request(Call::create("/emergency-accesses", new)).await
}

/// Ends one's own emergency access before its time is up.
pub async fn end_emergency(id: EmergencyAccessId) -> Result<()> {
    request(Call::delete(format!("/emergency-accesses/{id}"))).await
}

/// Records that were opened in an emergency: one patient's, or everybody's.
pub async fn emergencies(id: Option<PatientId>, cursor: &str) -> Result<Page<EmergencyAccess>> {
    let query = query(&[("cursor", cursor)]);
    let path = match id {
        Some(id) => format!("/patients/{id}/emergency-accesses{query}"),
        None => format!("/emergency-accesses{query}"),
    };
    request(Call::get(path)).await
}

/// Records that nobody is left to care for: the first page of them.
pub async fn deserted() -> Result<Page<PatientListItem>> {
    request(Call::get("/patients?without_care_team=true")).await
}
