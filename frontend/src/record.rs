//! Everything that a patient's page shows, loaded once and shared by its parts.

use leptos::prelude::*;
use shared::{
    access::Permission,
    biopsy::Biopsy,
    document::Document,
    id::PatientId,
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
    outcome::Outcome,
    page::{Items, Page},
    patient::Patient,
    prediction::Prediction,
    therapy::Therapy,
};

use crate::{api, session};

/// The page of a patient's own record.
pub const OWN: &str = "/my-record";

/// A patient's record on its page. Every part finds it with [`Record::here`].
#[derive(Clone, Copy)]
pub struct Record {
    /// Whose record it is.
    pub id: PatientId,
    /// Who the patient is; set again by whatever changes it.
    pub patient: RwSignal<Patient>,
    /// Every value, corrected and voided ones included, newest first.
    pub observations: LocalResource<api::Result<Vec<Observation>>>,
    /// Courses of drugs.
    pub therapies: LocalResource<api::Result<Items<Therapy>>>,
    /// Biopsies.
    pub biopsies: LocalResource<api::Result<Items<Biopsy>>>,
    /// End points.
    pub outcomes: LocalResource<api::Result<Items<Outcome>>>,
    /// Documents, newest first.
    pub documents: LocalResource<api::Result<Vec<Document>>>,
    /// Predictions, latest first.
    pub predictions: LocalResource<api::Result<Vec<Prediction>>>,
    /// The prediction that was chosen to be looked at; the latest if none was.
    pub chosen: RwSignal<Option<Prediction>>,
    /// Something that the latest prediction rests on was changed on this page after it.
    pub changed: RwSignal<bool>,
    /// Whether values are being entered.
    pub entering: RwSignal<bool>,
    /// A voided value that is to be entered again.
    pub again: RwSignal<Option<Observation>>,
}

/// Where whoever is signed in reads a record: patients have a page of their own (not reactive).
pub fn address(id: PatientId) -> String {
    if untrack(|| session::allows(Permission::ListPatients)) {
        format!("/patients/{id}")
    } else {
        OWN.to_owned()
    }
}

impl Record {
    /// Loads what belongs to a patient and makes it known to the parts of the page.
    pub fn provide(patient: Patient) -> Self {
        let id = patient.id;
        let record = Self {
            id,
            patient: RwSignal::new(patient),
            observations: LocalResource::new(move || all_observations(id)),
            therapies: LocalResource::new(move || api::therapies::list(id)),
            biopsies: LocalResource::new(move || api::biopsies::list(id)),
            outcomes: LocalResource::new(move || api::outcomes::list(id)),
            documents: LocalResource::new(move || all_documents(id)),
            predictions: LocalResource::new(move || all_predictions(id, Self::shows_risk())),
            chosen: RwSignal::new(None),
            changed: RwSignal::new(false),
            entering: RwSignal::new(false),
            again: RwSignal::new(None),
        };
        provide_context(record);
        record
    }

    /// The record of the page that the caller is part of.
    pub fn here() -> Self {
        expect_context()
    }

    /// Whether the person may change the record as it is now (reactive).
    pub fn editable(self) -> bool {
        session::allows(Permission::EditPatients)
            && self.patient.with(|patient| patient.archived_at.is_none())
    }

    /// Whether the person may ask for predictions on the record as it is now (reactive).
    pub fn predictable(self) -> bool {
        session::allows(Permission::RequestPredictions)
            && self.patient.with(|patient| patient.archived_at.is_none())
    }

    /// Whether the person may see predictions (reactive).
    pub fn shows_risk() -> bool {
        session::allows(Permission::ReadPredictions)
    }

    /// The latest value of a code that counts; at one moment, the computed one (reactive).
    pub fn latest(self, code: ObservationCode) -> Option<Observation> {
        let values = self.observations.get()?.ok()?;
        values
            .into_iter()
            .filter(|value| value.code == code && value.status == ObservationStatus::Final)
            .max_by_key(|value| {
                (value.effective_at, value.method == ObservationMethod::CkdEpi2021Creatinine)
            })
    }

    /// The latest prediction that succeeded (reactive).
    pub fn latest_prediction(self) -> Option<Prediction> {
        let predictions = self.predictions.get()?.ok()?;
        predictions.into_iter().find(|prediction| prediction.result.is_some())
    }

    /// Whether something was recorded after a prediction was asked for (reactive).
    pub fn outdates(self, prediction: &Prediction) -> bool {
        let asked = prediction.requested_at;
        let later = |values: Option<api::Result<Vec<Observation>>>| {
            values.is_some_and(|values| {
                values.is_ok_and(|values| values.iter().any(|value| asked < value.recorded_at))
            })
        };
        self.changed.get()
            || self.patient.with(|patient| asked < patient.updated_at)
            || later(self.observations.get())
    }
}

async fn all_predictions(id: PatientId, shown: bool) -> api::Result<Vec<Prediction>> {
    if shown {
        all(async |cursor| api::predictions::list(id, &cursor).await).await
    } else {
        Ok(Vec::new())
    }
}

async fn all_documents(id: PatientId) -> api::Result<Vec<Document>> {
    all(async |cursor| api::documents::list(id, &cursor).await).await
}

async fn all_observations(id: PatientId) -> api::Result<Vec<Observation>> {
    all(async |cursor| {
        let wanted = api::observations::ListQuery { cursor, ..Default::default() };
        api::observations::list(id, &wanted).await
    })
    .await
}

/// Everything that comes in pages.
async fn all<T>(page: impl AsyncFn(String) -> api::Result<Page<T>>) -> api::Result<Vec<T>> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = page(cursor).await?;
        all.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return Ok(all),
        }
    }
}
