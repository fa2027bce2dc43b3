-- Erasure: what tells who a patient was is taken out of an archived record that no longer has to be
-- kept. What was measured and predicted stays, about nobody.

alter table settings
    add column retention_years integer not null default 10
        check (retention_years between 0 and 100);

create table erasures (
    patient_id uuid primary key references patients (id),
    erased_by uuid not null references users (id),
    erased_at timestamptz not null,
    -- Such as the number of the request; nothing about the person.
    reason text not null check (length(reason) between 1 and 500)
);

create index patients_archived on patients (archived_at, id) where archived_at is not null;
