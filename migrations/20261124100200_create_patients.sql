-- Patients and the fixed facts of their records.

create extension if not exists pg_trgm;
create extension if not exists unaccent;

-- Text as a search compares it: without accents and case. PostgreSQL calls unaccent only stable,
-- because its rules are a file; with the dictionary named they are the same for the life of an
-- index.
create function searchable(given text) returns text
    language sql immutable strict parallel safe
    return lower(unaccent('unaccent'::regdictionary, given));


create table patients (
    id uuid primary key,
    version integer not null default 1,
    mrn text not null constraint patients_mrn_key unique check (length(mrn) between 1 and 64),
    given_name text not null check (length(given_name) between 1 and 100),
    family_name text not null check (length(family_name) between 1 and 100),
    birth_date date not null,
    sex text not null check (sex in ('female', 'male')),
    -- null is unknown, which is not the same as false.
    diabetes boolean,
    hypertension boolean,
    cardiovascular_disease boolean,
    heart_failure boolean,
    smoker boolean,
    renal_disease text not null default 'unknown' check (
        renal_disease in ('diabetic', 'hypertensive', 'glomerular', 'polycystic', 'other', 'unknown')
    ),
    own_access boolean not null default false,
    archived_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- What the list shows and sorts by, kept with every change of an observation or prediction in
    -- the same transaction: a page of the list reads no other table.
    latest_egfr double precision,
    latest_egfr_at timestamptz,
    latest_uacr double precision,
    latest_uacr_at timestamptz,
    risk_2y double precision check (risk_2y between 0 and 1),
    risk_5y double precision check (risk_5y between 0 and 1),
    risk_category text check (risk_category in ('low', 'moderate', 'high', 'very_high')),
    risk_source text check (risk_source in ('kfre', 'network')),
    risk_at timestamptz,
    search_text text not null generated always as (
        searchable(family_name || ' ' || given_name || ' ' || family_name || ' ' || mrn)
    ) stored
);

-- One index for each order of the list, and one for the search.
create index patients_by_name on patients (lower(family_name), lower(given_name), id);
create index patients_by_risk on patients (coalesce(risk_5y, -1) desc, id);
create index patients_by_egfr on patients (coalesce(latest_egfr, 1e9), id);
create index patients_by_update on patients (updated_at desc, id);
create index patients_search on patients using gin (search_text gin_trgm_ops);

-- A patient's own account is linked to one record.
alter table users add column patient_id uuid unique references patients (id);
alter table users add check (patient_id is null or role = 'patient');
