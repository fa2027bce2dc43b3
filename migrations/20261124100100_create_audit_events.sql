-- Who did what to which record, when, from where, and how it ended. Rows are only ever added.

create table audit_events (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    actor_id uuid,
    actor_role text,
    session_id uuid,
    action text not null,
    object_id uuid,
    patient_id uuid,
    outcome text not null check (outcome in ('success', 'refused', 'failure')),
    address text,
    request_id text,
    -- What changed, never a secret.
    details jsonb
);

create index audit_events_patient_id on audit_events (patient_id, id desc) where patient_id is not null;
create index audit_events_actor_id on audit_events (actor_id, id desc);

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end
$$;

create trigger audit_events_append_only
    before update or delete or truncate on audit_events
    for each statement execute function refuse_audit_change();
