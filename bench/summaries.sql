-- A population for bench/summaries.mjs: fictional patients with twenty observations each, in a
-- database that is thrown away. Variables: people.
\set ON_ERROR_STOP on
set synchronous_commit = off;
set maintenance_work_mem = '512MB';

drop index observations_of_patient, observations_derived_from;
-- Checking 60,000,000 references one by one would take the longest.
alter table observations drop constraint observations_patient_id_fkey,
    drop constraint observations_derived_from_fkey, drop constraint observations_supersedes_fkey,
    drop constraint observations_recorded_by_fkey;

insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes, renal_disease,
    latest_egfr, latest_uacr, risk_5y, risk_category, created_at, updated_at)
select gen_random_uuid(), 'B-' || n, 'Bench', 'Fictional', date '1930-01-01' + (hash % 25000)::int,
    case hash % 2 when 0 then 'female' else 'male' end,
    case hash / 2 % 5 when 0 then null when 1 then true when 2 then true else false end,
    (array['diabetic', 'hypertensive', 'glomerular', 'polycystic', 'other', 'unknown'])[1 + (hash / 10 % 6 * (hash / 60 % 6) / 5)::int],
    8 + 100 * power((hash / 7 % 1000) / 1000.0, 0.7), exp(1.5 + 6.2 * (hash / 11 % 1000) / 1000.0),
    power((hash / 13 % 1000) / 1000.0, 4),
    (array['low', 'low', 'moderate', 'high', 'very_high'])[1 + (hash / 13 % 1000 / 200)::int],
    now(), now()
from generate_series(1, :people) n, lateral (select abs(hashint8(n)::bigint) as hash) h;

-- Five visits with four values each.
insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given, effective_at,
    method, recorded_by, recorded_at)
select gen_random_uuid(), id, code, case code when 'egfr' then latest_egfr + 4 - visit
        when 'systolic_bp' then 105 + hash / 3 % 70 when 'haemoglobin' then 9 + hash / 5 % 60 / 10.0
        else 5 + hash / 17 % 50 / 10.0 end,
    unit, 1, unit, timestamptz '2012-03-01' + make_interval(years => (hash % 10)::int + visit), 'reported',
    (select id from users order by email limit 1), now()
from patients,
    lateral (select abs(hashint8(substr(mrn, 3)::int)::bigint) as hash) h,
    generate_series(0, 4) visit,
    (values ('egfr', 'mL/min/{1.73_m2}'), ('systolic_bp', 'mm[Hg]'), ('haemoglobin', 'g/dL'), ('hba1c', '%')) codes (code, unit)
where mrn like 'B-%';

insert into outcomes (id, patient_id, kind, occurred_on, created_at)
select gen_random_uuid(), id, case hash % 3 when 0 then 'death' else 'dialysis' end,
    date '2022-12-01' + (hash / 29 % 1200)::int, now()
from patients, lateral (select abs(hashint8(substr(mrn, 3)::int)::bigint) as hash) h
where mrn like 'B-%' and hash / 19 % 9 = 0;

-- A risk that was told to everybody some years ago, and a network that told a little less.
insert into predictions (id, patient_id, status, requested_by, requested_at, completed_at, inputs, result)
select gen_random_uuid(), id, 'succeeded', (select id from users order by email limit 1), told, told, '{}',
    jsonb_build_object(
        'kfre', jsonb_build_object('risk_2y', risk_5y / 2, 'risk_5y', risk_5y),
        'risk', jsonb_build_array(
            jsonb_build_object('year', 2, 'probability', risk_5y / 2.5),
            jsonb_build_object('year', 5, 'probability', risk_5y / 1.2)))
from patients,
    lateral (select abs(hashint8(substr(mrn, 3)::int)::bigint) as hash) h,
    lateral (select timestamptz '2016-01-01' + make_interval(days => (hash / 23 % 2500)::int) as told) t
where mrn like 'B-%';

create index observations_of_patient on observations (patient_id, effective_at desc, id desc);
create index observations_derived_from on observations (derived_from) where derived_from is not null;
analyze patients;
analyze observations;
analyze outcomes;
analyze predictions;
