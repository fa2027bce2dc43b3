-- The rest of the record: courses of drugs, biopsies, end points.

create table therapies (
    id uuid primary key,
    version integer not null default 1,
    patient_id uuid not null references patients (id),
    kind text not null,
    started_on date not null,
    ended_on date,
    note text check (length(note) <= 500),
    created_at timestamptz not null,
    -- A deleted course stays for the record's history, and is shown nowhere.
    deleted_at timestamptz,
    check (ended_on >= started_on)
);

create index therapies_of_patient on therapies (patient_id, started_on desc) where deleted_at is null;

create table biopsies (
    id uuid primary key,
    version integer not null default 1,
    patient_id uuid not null references patients (id),
    performed_on date not null,
    diagnosis text not null check (length(diagnosis) between 1 and 500),
    -- Oxford MEST-C; null is unknown and never becomes 0.
    m smallint check (m between 0 and 1),
    e smallint check (e between 0 and 1),
    s smallint check (s between 0 and 1),
    t smallint check (t between 0 and 2),
    c smallint check (c between 0 and 2),
    created_at timestamptz not null,
    deleted_at timestamptz
);

create index biopsies_of_patient on biopsies (patient_id, performed_on desc) where deleted_at is null;

create table outcomes (
    id uuid primary key,
    patient_id uuid not null references patients (id),
    kind text not null check (kind in ('dialysis', 'transplant', 'death')),
    occurred_on date not null,
    created_at timestamptz not null
);

create index outcomes_of_patient on outcomes (patient_id, occurred_on desc);
-- Nobody dies twice.
create unique index outcomes_one_death on outcomes (patient_id) where kind = 'death';
