//! Patients and laboratory values from a file.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use axum::{
    body::Bytes,
    extract::{Request, State},
    http::header,
};
use serde::Deserialize;
use serde_json::json;
use shared::{
    id::PatientId,
    import::{ImportFault, ImportField, ImportKind, ImportOutcome, ImportReport, ImportRow},
    observation::{NewObservation, Observation},
    patient::Patient,
    phrase,
    problem::FieldProblem,
    sentence,
};
use sqlx::PgConnection;
use tokio::{sync::Semaphore, task::spawn_blocking};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    auth::{Allowed, Caller, EditPatients, guesses},
    db::{
        self,
        audit::Event,
        observations::{Identity, identity},
    },
    error::{Error, Result, violated_constraint},
    extract::{Json, Query, whole_body},
    imports::{
        cells::Cells,
        table::{Line, Mapping, Table, read_csv, read_ndjson},
    },
    input::Faults,
    openapi::Problems,
    routes::{
        changes,
        observations::{Entry, check_pressures},
        patients::{TAKEN, checked, record},
    },
    state::AppState,
};

/// How many files may be worked on in this process: each is in memory.
static PLACES: Semaphore = Semaphore::const_new(4);
/// How many rows one transaction takes.
const CHUNK: usize = 500;

/// How to read a file, and whether to take it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Look at every row and change nothing.
    pub dry_run: Option<bool>,
    /// What each column holds, in their order, separated by commas: a field's name, or `-` for a
    /// column that is left out. Without it the columns' heads tell.
    pub columns: Option<String>,
}

/// Take patients, or laboratory values of patients, from a file.
///
/// CSV (UTF-8; separated by commas, semicolons or tabs) or NDJSON, at most 8 MiB and 10,000 rows;
/// docs/IMPORT.md describes the columns. Every row is reported, with all of its faults. A faulty row
/// is left out and the others are taken. What is on record already is reported and left as it is,
/// so sending a file again creates nothing twice.
#[utoipa::path(post, path = "/api/v1/patients/import", tag = "patients",
    security(("bearer" = [])), params(ImportQuery),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson")),
        description = "The file"),
    responses((status = 200, description = "What became of each row", body = ImportReport),
        Problems))]
pub async fn import_patients(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<ImportReport>> {
    let busy = |_| Error::Unavailable(anyhow!("too many files at once"));
    let _place = PLACES.try_acquire().map_err(busy)?;
    guesses::admit(&state, &caller).await?;
    let dry_run = query.dry_run.unwrap_or(false);
    let file = File::read(request, &state, query.columns).await?;
    let Some(kind) = file.mapping.kind.filter(|_| file.mapping.problems.is_empty()) else {
        let report = file.report(dry_run, Vec::new());
        return if dry_run { Ok(Json(report)) } else { Err(Error::Invalid(report.problems)) };
    };
    let import = Import { state: &state, caller: &caller, dry_run, id: state.clock.new_id() };
    let rows = import.take(kind, &file).await?;
    let report = file.report(dry_run, rows);
    import.put_on_record(&report).await?;
    Ok(Json(report))
}

/// A file with what its columns hold.
struct File {
    table: Table,
    mapping: Mapping,
}

impl File {
    async fn read(
        request: Request,
        state: &AppState,
        columns: Option<String>,
    ) -> Result<Arc<Self>> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_lowercase();
        let read: fn(&[u8]) -> Result<Table> = match essence.as_str() {
            "text/csv" => read_csv,
            "application/x-ndjson" => read_ndjson,
            _ => return Err(Error::UnsupportedMediaType("text/csv or application/x-ndjson")),
        };
        let bytes: Bytes = whole_body(request, state).await?;
        let file = spawn_blocking(move || {
            let table = read(&bytes)?;
            let mapping = Mapping::new(&table, columns.as_deref());
            Ok(Arc::new(Self { table, mapping }))
        });
        file.await.context("reading a file panicked")?
    }

    fn report(&self, dry_run: bool, rows: Vec<ImportRow>) -> ImportReport {
        let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
        ImportReport {
            dry_run,
            kind: self.mapping.kind,
            columns: self.mapping.columns(&self.table),
            problems: self.mapping.problems.clone(),
            total: rows.len(),
            created: count(ImportOutcome::Created),
            existing: count(ImportOutcome::Existing),
            faulty: count(ImportOutcome::Faulty),
            rows,
        }
    }

    /// The cells of a row, unless it is none.
    fn cells<'a>(&'a self, line: &'a Line) -> Result<Cells<'a>, Vec<ImportFault>> {
        match &line.fault {
            None => Ok(Cells::new(&self.mapping.fields, &line.cells)),
            Some(fault) => Err(vec![of_the_row(fault)]),
        }
    }
}

fn of_the_row(message: &str) -> ImportFault {
    ImportFault { column: String::new(), message: message.to_owned() }
}

fn in_column(field: ImportField, message: impl Into<String>) -> ImportFault {
    ImportFault { column: field.name().to_owned(), message: message.into() }
}

/// What is wrong with a row, by its columns, where a request would name its fields.
fn in_columns(error: Error) -> Result<Vec<ImportFault>> {
    let Error::Invalid(faults) = error else { return Err(error) };
    let fault = |FieldProblem { pointer, message }| {
        let column = pointer.rsplit('/').next().unwrap_or_default().to_owned();
        ImportFault { column, message }
    };
    Ok(faults.into_iter().map(fault).collect())
}

/// What became of the rows of a chunk, in their order; `None` while it is not known.
type Fates = Vec<Option<Result<ImportOutcome, Vec<ImportFault>>>>;

/// One import.
struct Import<'a> {
    state: &'a AppState,
    caller: &'a Caller,
    dry_run: bool,
    /// What the audit entries of its rows have in common.
    id: Uuid,
}

impl Import<'_> {
    async fn take(&self, kind: ImportKind, file: &File) -> Result<Vec<ImportRow>> {
        let mut rows = Vec::with_capacity(file.table.lines.len());
        let mut registered = HashMap::new();
        let mut recorded = HashSet::new();
        for lines in file.table.lines.chunks(CHUNK) {
            let fates = match kind {
                ImportKind::Patients => self.patients(file, lines, &mut registered).await?,
                ImportKind::Observations => self.observations(file, lines, &mut recorded).await?,
            };
            rows.extend(lines.iter().zip(fates).map(|(line, fate)| row(line, fate)));
        }
        Ok(rows)
    }

    /// The whole import's entry; those of its rows are in the transactions of their chunks.
    async fn put_on_record(&self, report: &ImportReport) -> Result<()> {
        let ImportReport { dry_run, kind, total, created, existing, faulty, .. } = report;
        let event = Event::new("patient.import").object(self.id).details(json!({
            "dry_run": dry_run, "kind": kind, "rows": total, "created": created,
            "existing": existing, "faulty": faulty,
        }));
        self.state.record_look(self.caller, event).await
    }

    /// Registers a chunk of patients. `registered` says on which line each number stood.
    async fn patients(
        &self,
        file: &File,
        lines: &[Line],
        registered: &mut HashMap<String, u64>,
    ) -> Result<Fates> {
        let mut fates: Fates = Vec::with_capacity(lines.len());
        let mut new: Vec<(usize, Patient)> = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let patient = match file.cells(line).and_then(Cells::patient) {
                Ok(new) => checked(record(new, self.state), self.state.clock.today()),
                Err(faults) => {
                    fates.push(Some(Err(faults)));
                    continue;
                }
            };
            fates.push(match patient {
                Err(error) => Some(Err(in_columns(error)?)),
                Ok(patient) => {
                    if let Some(before) = registered.get(&patient.mrn) {
                        let message = sentence!("stands in row {before} already");
                        Some(Err(vec![in_column(ImportField::Mrn, message)]))
                    } else {
                        registered.insert(patient.mrn.clone(), line.number);
                        new.push((index, patient));
                        None
                    }
                }
            });
        }
        let mut tx = self.state.begin(self.caller).await?;
        let mrns: Vec<String> = new.iter().map(|(_, patient)| patient.mrn.clone()).collect();
        let taken = db::patients::taken_mrns(&mut tx, &mrns).await?;
        let seen = self.seen(&mut tx, &taken).await?;
        let mut added = Vec::with_capacity(new.len());
        let mut hidden = Vec::new();
        for (index, patient) in new {
            let mrn = &patient.mrn;
            let fate = if seen.contains(mrn) {
                Ok(ImportOutcome::Existing)
            } else if taken.contains(mrn) && !self.dry_run {
                hidden.push(mrn.clone());
                Err(vec![in_column(ImportField::Mrn, TAKEN)])
            } else {
                // A rehearsal tells nobody which numbers belong to records that they do not see.
                added.push(patient);
                Ok(ImportOutcome::Created)
            };
            fates[index] = Some(fate);
        }
        if !self.dry_run && !added.is_empty() {
            self.register(&mut tx, &added).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        guesses::met(self.state, self.caller, &hidden).await?;
        Ok(fates)
    }

    /// Of numbers that are taken, those of records that the caller sees.
    async fn seen(&self, tx: &mut PgConnection, taken: &[String]) -> Result<HashSet<String>> {
        let Some(viewer) = self.caller.in_care_of() else {
            return Ok(taken.iter().cloned().collect());
        };
        let found = db::patients::lock_with_mrns(tx, taken, Some(viewer), self.caller.at).await?;
        Ok(found.into_iter().map(|patient| patient.mrn).collect())
    }

    async fn register(&self, tx: &mut PgConnection, new: &[Patient]) -> Result<()> {
        let now = self.state.clock.now();
        db::patients::insert_many(tx, new).await.map_err(taken_meanwhile)?;
        let ids: Vec<PatientId> = new.iter().map(|patient| patient.id).collect();
        db::care_teams::insert_first(tx, &ids, self.caller.user_id, now).await?;
        let event = |patient: &Patient| {
            let details = json!({ "changed": changes(&(), patient)?, "import": self.id });
            let event = Event::new("patient.create").object(patient.id.0).patient(patient.id);
            Ok(event.details(details))
        };
        let events: Vec<Event> = new.iter().map(event).collect::<Result<_>>()?;
        db::audit::record_all(tx, &self.caller.actor(), &events, now).await?;
        Ok(())
    }

    /// Records a chunk of values. `recorded` holds those of the chunks before.
    async fn observations(
        &self,
        file: &File,
        lines: &[Line],
        recorded: &mut HashSet<Identity>,
    ) -> Result<Fates> {
        let mut fates: Fates = vec![None; lines.len()];
        let mut given: Vec<(usize, String, NewObservation)> = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            match file.cells(line).and_then(Cells::observation) {
                Ok((mrn, new)) => given.push((index, mrn, new)),
                Err(faults) => fates[index] = Some(Err(faults)),
            }
        }
        let mut tx = self.state.begin(self.caller).await?;
        let patients = self.patients_of(&mut tx, &given).await?;
        let mut values: Vec<(usize, Observation)> = Vec::new();
        for (index, mrn, new) in given {
            match self.value(patients.get(&mrn), &new)? {
                Ok(value) => values.push((index, value)),
                Err(faults) => fates[index] = Some(Err(faults)),
            }
        }
        self.leave_out_recorded(&mut tx, &mut values, recorded, &mut fates).await?;
        let values = self.consistent(&mut tx, values, &mut fates).await?;
        if !self.dry_run && !values.is_empty() {
            self.keep(&mut tx, &patients, values).await?;
        }
        self.put_look_on_record(&mut tx, &patients).await?;
        tx.commit().await?;
        Ok(fates)
    }

    /// What becomes of a value tells what is on record: a rehearsal too is a look at all whom the
    /// chunk names.
    async fn put_look_on_record(
        &self,
        tx: &mut PgConnection,
        patients: &HashMap<String, Patient>,
    ) -> Result<()> {
        if patients.is_empty() {
            return Ok(());
        }
        let ids: Vec<PatientId> = patients.values().map(|patient| patient.id).collect();
        let event = Event::new("observation.compare").object(self.id);
        let event = event.details(json!({ "dry_run": self.dry_run, "patients": ids }));
        db::audit::record(tx, &self.caller.actor(), event, self.state.clock.now()).await?;
        Ok(())
    }

    /// The patients whom the rows name, as far as the caller sees them.
    async fn patients_of(
        &self,
        tx: &mut PgConnection,
        given: &[(usize, String, NewObservation)],
    ) -> Result<HashMap<String, Patient>> {
        let mut mrns: Vec<String> = given.iter().map(|(_, mrn, _)| mrn.clone()).collect();
        mrns.sort_unstable();
        mrns.dedup();
        let (in_care_of, at) = (self.caller.in_care_of(), self.caller.at);
        let found = db::patients::lock_with_mrns(tx, &mrns, in_care_of, at).await?;
        Ok(found.into_iter().map(|patient| (patient.mrn.clone(), patient)).collect())
    }

    /// A row's value as it is kept, or everything that is wrong with it.
    fn value(
        &self,
        patient: Option<&Patient>,
        new: &NewObservation,
    ) -> Result<Result<Observation, Vec<ImportFault>>> {
        let refused = |message: &str| Ok(Err(vec![in_column(ImportField::Mrn, message)]));
        let Some(patient) = patient else {
            return refused("belongs to no record that you see: import the patient first");
        };
        if patient.archived_at.is_some() {
            return refused("the record is archived; restore it first");
        }
        let entry = Entry { patient, by: self.caller.user_id, clock: &self.state.clock };
        let mut faults = Faults::default();
        let value = entry.observation(0, new, &mut faults);
        match (faults.refuse(), value) {
            (Ok(()), Some(value)) => Ok(Ok(value)),
            (Ok(()), None) => Err(anyhow!("no value and no fault").into()),
            (Err(error), _) => in_columns(error).map(Err),
        }
    }

    /// Leaves out what is on record, or stood in the file before.
    async fn leave_out_recorded(
        &self,
        tx: &mut PgConnection,
        values: &mut Vec<(usize, Observation)>,
        recorded: &mut HashSet<Identity>,
        fates: &mut Fates,
    ) -> Result<()> {
        let wanted: Vec<Observation> = values.iter().map(|(_, value)| value.clone()).collect();
        let on_record = db::observations::on_record(tx, &wanted).await?;
        values.retain(|(index, value)| {
            let identity = identity(value);
            let is_new = !on_record.contains(&identity) && recorded.insert(identity);
            if !is_new {
                fates[*index] = Some(Ok(ImportOutcome::Existing));
            }
            is_new
        });
        Ok(())
    }

    /// The values that go together, by patient, with where each stands in the chunk.
    async fn consistent(
        &self,
        tx: &mut PgConnection,
        values: Vec<(usize, Observation)>,
        fates: &mut Fates,
    ) -> Result<HashMap<PatientId, Vec<Observation>>> {
        let mut by_patient: HashMap<PatientId, Vec<(usize, Observation)>> = HashMap::new();
        for (index, value) in values {
            by_patient.entry(value.patient_id).or_default().push((index, value));
        }
        let mut kept = HashMap::with_capacity(by_patient.len());
        for (patient, values) in by_patient {
            let (places, values): (Vec<usize>, Vec<Observation>) = values.into_iter().unzip();
            let faults = match check_pressures(tx, &values, |place| place.to_string()).await {
                Ok(()) => Vec::new(),
                Err(Error::Invalid(faults)) => faults,
                Err(error) => return Err(error),
            };
            let fault = |place: usize| faults.iter().find(|f| f.pointer == place.to_string());
            let mut sound = Vec::with_capacity(values.len());
            for (place, value) in values.into_iter().enumerate() {
                fates[places[place]] = Some(if let Some(fault) = fault(place) {
                    Err(vec![in_column(ImportField::Value, fault.message.clone())])
                } else {
                    sound.push(value);
                    Ok(ImportOutcome::Created)
                });
            }
            if !sound.is_empty() {
                kept.insert(patient, sound);
            }
        }
        Ok(kept)
    }

    /// Values, what is computed from them, and one audit entry for each patient.
    async fn keep(
        &self,
        tx: &mut PgConnection,
        patients: &HashMap<String, Patient>,
        values: HashMap<PatientId, Vec<Observation>>,
    ) -> Result<()> {
        let mut all = Vec::new();
        let mut events = Vec::with_capacity(values.len());
        for patient in patients.values() {
            let Some(values) = values.get(&patient.id) else { continue };
            let entry = Entry { patient, by: self.caller.user_id, clock: &self.state.clock };
            let computed: Vec<_> = values.iter().filter_map(|value| entry.egfr(value)).collect();
            let items: Vec<&Observation> = values.iter().chain(&computed).collect();
            let ids: Vec<_> = items.iter().map(|item| item.id).collect();
            let details = json!({ "observations": ids, "recorded": items, "import": self.id });
            events.push(Event::new("observation.create").patient(patient.id).details(details));
            all.extend(items.into_iter().cloned());
        }
        db::observations::insert_many(tx, &all).await?;
        let ids: Vec<PatientId> = values.into_keys().collect();
        let now = self.state.clock.now();
        db::worklist::refresh(tx, &ids, Some(now)).await?;
        db::audit::record_all(tx, &self.caller.actor(), &events, now).await?;
        Ok(())
    }
}

fn taken_meanwhile(error: sqlx::Error) -> Error {
    if violated_constraint(&error) == Some("patients_mrn_key") {
        let message =
            phrase!("somebody registered one of these patients meanwhile: send the file again");
        Error::Conflict(message.to_owned())
    } else {
        error.into()
    }
}

fn row(line: &Line, fate: Option<Result<ImportOutcome, Vec<ImportFault>>>) -> ImportRow {
    let (outcome, errors) = match fate {
        Some(Ok(outcome)) => (outcome, Vec::new()),
        Some(Err(errors)) => (ImportOutcome::Faulty, errors),
        None => (ImportOutcome::Faulty, vec![of_the_row("was not looked at")]),
    };
    let is_faulty = outcome == ImportOutcome::Faulty;
    let cells = if is_faulty { line.cells.clone() } else { Vec::new() };
    ImportRow { row: line.number, outcome, errors, cells }
}
