-- Requested predictions: the frozen inputs, how far each has come, and the answer.

create table predictions (
    id uuid primary key,
    patient_id uuid not null references patients (id),
    status text not null check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    requested_by uuid not null references users (id),
    requested_at timestamptz not null,
    -- How often a worker has taken it, and when one may take it next: at once when it is new, after
    -- a pause when a try failed, and when the worker that has it must count as dead.
    attempts integer not null default 0,
    due_at timestamptz,
    completed_at timestamptz,
    model_name text,
    model_version text,
    inputs jsonb not null,
    result jsonb,
    error text,
    check ((status in ('succeeded', 'failed', 'cancelled')) = (completed_at is not null)),
    check ((status = 'succeeded') = (result is not null)),
    check ((status = 'failed') = (error is not null)),
    check ((status in ('queued', 'running')) = (due_at is not null))
);

create index predictions_of_patient on predictions (patient_id, id desc);
create index predictions_due on predictions (due_at, id) where status in ('queued', 'running');
-- A second request while one is open answers the open one.
create unique index predictions_one_open on predictions (patient_id) where status in ('queued', 'running');

-- Every change of status wakes whoever waits for it (server-sent events).
create function announce_prediction() returns trigger language plpgsql as $$
begin
    perform pg_notify('predictions', new.id::text);
    return null;
end
$$;

create trigger predictions_announce
    after insert or update of status on predictions
    for each row execute function announce_prediction();
