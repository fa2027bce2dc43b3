-- A population for bench/summaries.mjs and bench/worklist.mjs: fictional patients with twenty
-- observations each, and on their rows what the program keeps there (backend/src/db/worklist.rs), in a
-- database that is thrown away. Variables: people; predictable, for people of whom all can be predicted: no
-- course is old, and no end point has been reached.
\set ON_ERROR_STOP on
\if :{?predictable}
\else
  \set predictable false
\endif
set synchronous_commit = off;
set maintenance_work_mem = '512MB';

drop index observations_of_patient, observations_derived_from, patients_search_pieces, patients_search_threes;
alter table patients disable trigger patients_search_text_is_new;
-- Checking 60,000,000 references one by one would take the longest.
alter table observations drop constraint observations_patient_id_fkey,
    drop constraint observations_derived_from_fkey, drop constraint observations_supersedes_fkey,
    drop constraint observations_recorded_by_fkey;

create function pg_temp.hash_of(n bigint) returns bigint
    language sql immutable return abs(hashint8(n)::bigint);
-- Names of syllables, as many as a search has to tell apart.
create function pg_temp.called(seed bigint, syllables integer) returns text
    language sql immutable return (
        select initcap(string_agg(('[0:19]={ba,ce,di,fo,gu,ha,je,ki,lo,mu,na,pe,ri,so,tu,va,we,xi,yo,zu}'::text[])[
            seed / power(20, place)::bigint % 20], '' order by place))
        from generate_series(0, syllables - 1) place
    );

insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes, renal_disease,
    latest_egfr, latest_egfr_at, latest_uacr, latest_uacr_at, latest_upcr, latest_upcr_at,
    risk_2y, risk_5y, risk_category, risk_source, risk_at, risk_inputs_at,
    previous_risk_5y, previous_risk_source, previous_risk_at,
    values_changed_at, monitoring_due_on, rapid_progression, archived_at, created_at, updated_at)
select gen_random_uuid(), 'B-' || n, pg_temp.called(hash / 3, 2), pg_temp.called(hash / 5, 4),
    date '1930-01-01' + (hash % 25000)::int,
    case hash % 2 when 0 then 'female' else 'male' end,
    case hash / 2 % 5 when 0 then null when 1 then true when 2 then true else false end,
    (array['diabetic', 'hypertensive', 'glomerular', 'polycystic', 'other', 'unknown'])[1 + (hash / 10 % 6 * (hash / 60 % 6) / 5)::int],
    egfr, at, uacr, case when uacr is not null then at end, upcr, case when upcr is not null then at end,
    risk / 2, risk,
    case when told is not null
        then (array['low', 'low', 'moderate', 'high', 'very_high'])[1 + (hash / 13 % 1000 / 200)::int] end,
    case when told is not null then 'kfre' end, told, told,
    case when before is not null then risk * 0.9 end, case when before is not null then 'kfre' end, before,
    at,
    -- Whom an end point has reached needs no more monitoring; the others by how ill they are.
    case when hash / 19 % 9 <> 0
        then (at + make_interval(months => case when egfr < 30 then 4 when egfr < 60 then 6 else 12 end))::date end,
    hash / 37 % 40 = 0,
    case when hash / 43 % 1000 = 0 then at end, at, at
from generate_series(1, :people) n,
    lateral (select pg_temp.hash_of(n) as hash) h,
    lateral (
        select 8 + 100 * power((hash / 7 % 1000) / 1000.0, 0.7) as egfr,
            -- Albumin of most, protein instead of some, neither of others.
            case when hash / 17 % 10 < 7 then exp(1.5 + 6.2 * (hash / 11 % 1000) / 1000.0) end as uacr,
            case when hash / 17 % 10 = 7 then exp(2.5 + 6 * (hash / 11 % 1000) / 1000.0) end as upcr,
            case when hash / 41 % 10 <> 0 then power((hash / 13 % 1000) / 1000.0, 4) end as risk,
            case when :predictable then now() - make_interval(days => (hash / 31 % 600)::int)
                else timestamptz '2016-03-01' + make_interval(years => (hash % 10)::int, days => (hash / 31 % 600)::int)
            end as at
    ) v,
    lateral (
        select case when risk is not null
            then timestamptz '2016-01-01' + make_interval(days => (hash / 23 % 2500)::int) end as told
    ) t,
    lateral (select case when hash / 53 % 2 = 0 then told - interval '1 year' end as before) b;

-- Five visits with four values each; those who progress rapidly lose seven a year.
insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given, effective_at,
    method, recorded_by, recorded_at)
select gen_random_uuid(), id, code, case code
        when 'egfr' then latest_egfr + (4 - visit) * case when rapid_progression then 7 else 1 end
        when 'systolic_bp' then 105 + hash / 3 % 70 when 'haemoglobin' then 9 + hash / 5 % 60 / 10.0
        else 5 + hash / 17 % 50 / 10.0 end,
    unit, 1, unit, latest_egfr_at - make_interval(years => 4 - visit), 'reported',
    (select id from users order by email limit 1), now()
from patients,
    lateral (select pg_temp.hash_of(substr(mrn, 3)::int) as hash) h,
    generate_series(0, 4) visit,
    (values ('egfr', 'mL/min/{1.73_m2}'), ('systolic_bp', 'mm[Hg]'), ('haemoglobin', 'g/dL'), ('hba1c', '%')) codes (code, unit)
where mrn like 'B-%';

-- Some have come over a threshold lately, and some are one clinician's own.
insert into threshold_crossings (patient_id, threshold, crossed_at, risk_before, risk_after)
select id, 'refer', now() - make_interval(days => (hash / 61 % 90)::int), 0.04, 0.06
from patients, lateral (select pg_temp.hash_of(substr(mrn, 3)::int) as hash) h
where mrn like 'B-%' and hash / 59 % 50 = 0;

insert into care_team_members (patient_id, user_id, since)
select patients.id, users.id, now()
from patients, users, lateral (select pg_temp.hash_of(substr(mrn, 3)::int) as hash) h
where mrn like 'B-%' and hash / 67 % 2000 = 0 and email = 'clinician@example.org';

insert into outcomes (id, patient_id, kind, occurred_on, created_at)
select gen_random_uuid(), id, case hash % 3 when 0 then 'death' else 'dialysis' end,
    date '2022-12-01' + (hash / 29 % 1200)::int, now()
from patients, lateral (select pg_temp.hash_of(substr(mrn, 3)::int) as hash) h
where mrn like 'B-%' and hash / 19 % 9 = 0 and not :predictable;

-- A risk that was told to most some years ago, and a network that told a little less.
insert into predictions (id, patient_id, status, requested_by, requested_at, completed_at, inputs, result)
select gen_random_uuid(), id, 'succeeded', (select id from users order by email limit 1), risk_at, risk_at, '{}',
    jsonb_build_object(
        'kfre', jsonb_build_object('risk_2y', risk_5y / 2, 'risk_5y', risk_5y),
        'risk', jsonb_build_array(
            jsonb_build_object('year', 2, 'probability', risk_5y / 2.5),
            jsonb_build_object('year', 5, 'probability', risk_5y / 1.2)))
from patients
where mrn like 'B-%' and risk_at is not null;

create index observations_of_patient on observations (patient_id, effective_at desc, id desc);
create index observations_derived_from on observations (derived_from) where derived_from is not null;
insert into patient_courses (patient_id, values_at, last_value_at, egfr_at, egfr)
select id, values_changed_at, course.*
from patients, lateral patient_course(id) course
where mrn like 'B-%';
insert into patient_search_texts select id, search_text from patients on conflict do nothing;
create index patients_search_pieces on patient_search_texts using gin (pieces(search_text)) with (gin_pending_list_limit = 64);
create index patients_search_threes on patient_search_texts using gin (search_text gin_trgm_ops) with (gin_pending_list_limit = 64);
alter table patients enable trigger patients_search_text_is_new;
-- Or it would be done while something is measured.
vacuum analyze patients, patient_courses, patient_search_texts, observations, outcomes, predictions, threshold_crossings,
    care_team_members;
