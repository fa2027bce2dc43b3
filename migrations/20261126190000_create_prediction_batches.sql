-- Predictions for all patients of a list: who asked, how far a worker has come with asking, and
-- which prediction each patient got or why none.

create table prediction_batches (
    id uuid primary key,
    requested_by uuid not null references users (id),
    requested_at timestamptz not null,
    -- Which patients: the list's filter, as it was sent.
    filter jsonb not null,
    -- With what they asked, for the audit entries that a worker makes on their behalf.
    session_id uuid,
    token_id uuid,
    address text,
    request_id text,
    -- Its patients were written down; a prediction was asked for, or refused, for each of them.
    listed_at timestamptz,
    asked_at timestamptz,
    cancelled_at timestamptz,
    failed_at timestamptz,
    error text,
    -- Failures since the last step that succeeded, and when a worker last had to do with it.
    attempts integer not null default 0,
    touched_at timestamptz not null,
    check ((failed_at is null) = (error is null))
);

create index prediction_batches_unfinished on prediction_batches (touched_at)
    where asked_at is null and cancelled_at is null and failed_at is null;

create table prediction_batch_patients (
    batch_id uuid not null references prediction_batches (id),
    patient_id uuid not null references patients (id),
    prediction_id uuid references predictions (id),
    -- The prediction was open when the batch came to it: it is another request's, and is not called
    -- off with the batch.
    was_open boolean not null default false,
    -- Why no prediction was asked for.
    refusals text[],
    primary key (batch_id, patient_id),
    check (prediction_id is null or refusals is null)
);

create index prediction_batch_patients_waiting on prediction_batch_patients (batch_id, patient_id)
    where prediction_id is null and refusals is null;

-- 0: somebody waits for this one; 1: one of many.
alter table predictions add column priority smallint not null default 0
    check (priority between 0 and 1);

-- In the order in which workers take them.
create index predictions_next on predictions (priority, due_at, id)
    where status in ('queued', 'running');
drop index predictions_due;
-- Those that a worker has or had: a long queue of others is not looked through for them.
create index predictions_tried on predictions (due_at)
    where status in ('queued', 'running') and 0 < attempts;
