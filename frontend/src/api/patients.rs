//! Patients' records.

use serde::de::DeserializeOwned;
use shared::{
    id::PatientId,
    page::Page,
    patient::{NewPatient, Patient, PatientFilter, PatientListItem, PatientPatch, PatientSort},
    view::View,
};

use super::{Call, Result, download, query, request};
use crate::components::record_form::wire_name;

/// Which patients to list, and in which order. Empty text means the server's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Part of a name or of a medical record number, or a date of birth.
    pub q: String,
    /// `name`, `-risk`, `egfr` or `-updated_at`.
    pub sort: String,
    /// `low`, `moderate`, `high` or `very_high`.
    pub risk_category: String,
    /// The primary renal disease.
    pub renal_disease: String,
    /// The KDIGO category of the latest eGFR.
    pub kdigo_g: String,
    /// The KDIGO category of albuminuria.
    pub kdigo_a: String,
    /// What the record lacks.
    pub gap: String,
    /// `true`: only whose values are wanted again since a day that has passed.
    pub overdue: String,
    /// `true`: only whose eGFR falls rapidly.
    pub rapid_progression: String,
    /// Archived records instead of those in use.
    pub archived: bool,
    /// Where the previous page ended.
    pub cursor: String,
}

impl ListQuery {
    /// As a query string, `?` included: the same in the API's address and in the page's.
    pub fn query(&self) -> String {
        query(&[
            ("q", &self.q),
            ("sort", &self.sort),
            ("risk_category", &self.risk_category),
            ("renal_disease", &self.renal_disease),
            ("kdigo_g", &self.kdigo_g),
            ("kdigo_a", &self.kdigo_a),
            ("gap", &self.gap),
            ("overdue", &self.overdue),
            ("rapid_progression", &self.rapid_progression),
            ("archived", if self.archived { "true" } else { "" }),
            ("cursor", &self.cursor),
        ])
    }
}

impl ListQuery {
    /// Whether every word means something to the server: otherwise it refuses the list.
    pub fn is_understood(&self) -> bool {
        let filter = PatientFilter::from(self);
        filter.risk_category.is_some() != self.risk_category.is_empty()
            && filter.renal_disease.is_some() != self.renal_disease.is_empty()
            && filter.kdigo_g.is_some() != self.kdigo_g.is_empty()
            && filter.kdigo_a.is_some() != self.kdigo_a.is_empty()
            && filter.gap.is_some() != self.gap.is_empty()
            && filter.overdue.is_some() != self.overdue.is_empty()
            && filter.rapid_progression.is_some() != self.rapid_progression.is_empty()
    }
}

impl From<&ListQuery> for PatientFilter {
    /// What the list is narrowed by; a word that the server would refuse narrows nothing here.
    fn from(query: &ListQuery) -> Self {
        Self {
            q: (!query.q.is_empty()).then(|| query.q.clone()),
            risk_category: meant(&query.risk_category),
            renal_disease: meant(&query.renal_disease),
            kdigo_g: meant(&query.kdigo_g),
            kdigo_a: meant(&query.kdigo_a),
            gap: meant(&query.gap),
            overdue: query.overdue.parse().ok(),
            rapid_progression: query.rapid_progression.parse().ok(),
        }
    }
}

impl From<&View> for ListQuery {
    /// The list that a view shows.
    fn from(View { filter, sort, archived, .. }: &View) -> Self {
        let text = |flag: Option<bool>| flag.map(|flag| flag.to_string()).unwrap_or_default();
        Self {
            q: filter.q.clone().unwrap_or_default(),
            sort: wire_name(sort),
            risk_category: filter.risk_category.map(wire_name).unwrap_or_default(),
            renal_disease: filter.renal_disease.map(wire_name).unwrap_or_default(),
            kdigo_g: filter.kdigo_g.map(wire_name).unwrap_or_default(),
            kdigo_a: filter.kdigo_a.map(wire_name).unwrap_or_default(),
            gap: filter.gap.map(wire_name).unwrap_or_default(),
            overdue: text(filter.overdue),
            rapid_progression: text(filter.rapid_progression),
            archived: *archived,
            cursor: String::new(),
        }
    }
}

impl ListQuery {
    /// The order, if it is one that there is.
    pub fn order(&self) -> Option<PatientSort> {
        meant(&self.sort)
    }

    /// How many of the filters are set, apart from the search.
    pub fn filters_set(&self) -> usize {
        let texts = [
            &self.risk_category,
            &self.renal_disease,
            &self.kdigo_g,
            &self.kdigo_a,
            &self.gap,
            &self.overdue,
            &self.rapid_progression,
        ];
        texts.into_iter().filter(|text| !text.is_empty()).count() + usize::from(self.archived)
    }
}

/// The value that has this name on the wire.
fn meant<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(name.into()).ok()
}

/// One page of the list.
pub async fn list(wanted: &ListQuery) -> Result<Page<PatientListItem>> {
    request(Call::get(format!("/patients{}", wanted.query()))).await
}

/// Saves the whole list as CSV.
pub async fn export(wanted: &ListQuery) -> Result<()> {
    let query = ListQuery { cursor: String::new(), ..wanted.clone() }.query();
    download(&Call::get(format!("/patients/export{query}")), "patients.csv").await
}

/// A new record.
pub async fn create(new: &NewPatient) -> Result<Patient> {
    request(Call::create("/patients", new)).await
}

/// One record.
pub async fn read(id: PatientId) -> Result<Patient> {
    request(Call::get(format!("/patients/{id}"))).await
}

/// Changes a record that was read at `version`.
pub async fn update(id: PatientId, version: i32, patch: &PatientPatch) -> Result<Patient> {
    request(Call::patch(format!("/patients/{id}"), version, patch)).await
}

/// Takes a record out of use; it stays whole and can be restored.
pub async fn archive(id: PatientId, version: i32) -> Result<()> {
    request(Call::delete(format!("/patients/{id}")).if_match(version)).await
}

/// Takes an archived record into use again.
pub async fn restore(id: PatientId) -> Result<Patient> {
    request(Call::post(format!("/patients/{id}/restore"))).await
}

#[cfg(test)]
mod tests {
    use shared::id::ViewId;

    use super::*;

    #[test]
    fn a_kept_view_shows_the_list_that_it_was_made_of() {
        let query = ListQuery {
            q: "vera".to_owned(),
            sort: "-risk".to_owned(),
            risk_category: "very_high".to_owned(),
            renal_disease: "glomerular".to_owned(),
            kdigo_g: "G3a".to_owned(),
            kdigo_a: "A3".to_owned(),
            gap: "missing_albuminuria".to_owned(),
            overdue: "true".to_owned(),
            archived: true,
            ..ListQuery::default()
        };
        assert!(query.is_understood(), "{:?}", PatientFilter::from(&query));
        assert_eq!(query.filters_set(), 7);
        let view = View {
            id: ViewId(uuid::Uuid::nil()),
            name: "mine".to_owned(),
            filter: PatientFilter::from(&query),
            sort: query.order().expect("an order"),
            archived: query.archived,
        };
        assert_eq!(ListQuery::from(&view), query);
    }
}
