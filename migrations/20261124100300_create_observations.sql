-- Laboratory values and measurements. A value is never overwritten: a correction is a new row.

create table observations (
    id uuid primary key,
    patient_id uuid not null references patients (id),
    code text not null,
    -- In the canonical unit of the code, and as it was given.
    value double precision not null check (value > '-Infinity' and value < 'Infinity'),
    unit text not null,
    value_as_given double precision not null,
    unit_as_given text not null,
    effective_at timestamptz not null,
    method text not null check (method in ('reported', 'ckd_epi_2021_creatinine')),
    derived_from uuid references observations (id),
    supersedes uuid references observations (id),
    status text not null default 'final' check (status in ('final', 'corrected', 'voided')),
    status_reason text,
    warning text,
    note text check (length(note) <= 1000),
    recorded_by uuid not null references users (id),
    recorded_at timestamptz not null,
    check ((status = 'final') = (status_reason is null)),
    check ((method = 'reported') = (derived_from is null))
);

create index observations_of_patient on observations (patient_id, effective_at desc, id desc);
create index observations_latest on observations (patient_id, code, effective_at desc, method, id desc)
    where status = 'final';
create index observations_derived_from on observations (derived_from) where derived_from is not null;
