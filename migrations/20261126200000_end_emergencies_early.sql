-- Whoever opened a record in an emergency may close it before its time is up.

alter table emergency_accesses
    add column ended_at timestamptz check (opened_at <= ended_at and ended_at < expires_at),
    -- The one moment that decides, so that nobody compares with the wrong one.
    add column open_until timestamptz not null
        generated always as (least(expires_at, ended_at)) stored;

drop index emergency_accesses_by_end;
create index emergency_accesses_by_end on emergency_accesses (open_until);
drop index emergency_accesses_of_user;
create index emergency_accesses_of_user on emergency_accesses (user_id, patient_id, open_until);

create or replace function patients_in_care_of(viewer uuid, at timestamptz) returns setof uuid
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select patient_id from care_team_members where user_id = viewer
        union all
        select patient_id from emergency_accesses
        where user_id = viewer and at < open_until;
    end;

create or replace function cares_for(viewer uuid, patient uuid, at timestamptz) returns boolean
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select exists(
                select from care_team_members where user_id = viewer and patient_id = patient
            )
            or exists(
                select from emergency_accesses
                where user_id = viewer and patient_id = patient and at < open_until
            );
    end;

create or replace function emergency_of(viewer uuid, patient uuid, at timestamptz) returns uuid
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select id from emergency_accesses
        where user_id = viewer and patient_id = patient and at < open_until
            and not exists(
                select from care_team_members where user_id = viewer and patient_id = patient
            )
        order by id desc
        limit 1;
    end;
