-- Who cares for a patient, and who saw a record in an emergency without belonging to its team.

alter table settings
    add column visibility text not null default 'organisation'
        check (visibility in ('organisation', 'care_team')),
    add column emergency_access_minutes integer not null default 60
        check (emergency_access_minutes between 15 and 1440);

create table care_team_members (
    patient_id uuid not null references patients (id),
    user_id uuid not null references users (id),
    since timestamptz not null,
    -- Null where whoever is in the team registered the patient before there were teams.
    added_by uuid references users (id),
    primary key (patient_id, user_id)
);

create index care_team_members_of_user on care_team_members (user_id, patient_id);

create table emergency_accesses (
    id uuid primary key,
    patient_id uuid not null references patients (id),
    user_id uuid not null references users (id),
    reason text not null check (length(reason) between 1 and 500),
    opened_at timestamptz not null,
    expires_at timestamptz not null,
    check (opened_at < expires_at)
);

create index emergency_accesses_of_patient on emergency_accesses (patient_id, id desc);
create index emergency_accesses_of_user on emergency_accesses (user_id, patient_id, expires_at);

-- A look through a broken glass is flagged as one. Null in every other entry, so that what was
-- sealed before reads as it did.
alter table audit_events add column emergency_access_id uuid;
create index audit_events_emergency on audit_events (id desc) where emergency_access_id is not null;

-- Whoever registered a patient is the team, where the audit log tells who that was. A record that
-- is left without a team is for an administrator to give one.
insert into care_team_members (patient_id, user_id, since)
select distinct on (patients.id) patients.id, users.id, audit_events.at
from audit_events
join patients on patients.id = audit_events.patient_id
join users on users.id = audit_events.actor_id
where action = 'patient.create' and outcome = 'success' and users.role = 'clinician'
order by patients.id, audit_events.id;

-- The following run with the rights of their owner, so that policies of the tables they read, which
-- call them, do not call themselves.

-- The patients that somebody cares for, or may see in an emergency, at a moment.
create function patients_in_care_of(viewer uuid, at timestamptz) returns setof uuid
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select patient_id from care_team_members where user_id = viewer
        union all
        select patient_id from emergency_accesses
        where user_id = viewer and at < expires_at;
    end;

-- Whether a patient is one of them.
create function cares_for(viewer uuid, patient uuid, at timestamptz) returns boolean
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select exists(
                select from care_team_members where user_id = viewer and patient_id = patient
            )
            or exists(
                select from emergency_accesses
                where user_id = viewer and patient_id = patient and at < expires_at
            );
    end;

-- Whether somebody who cares for patients sees this one, as the site is set up.
create function sees_patient(viewer uuid, patient uuid, at timestamptz) returns boolean
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select exists(select from settings where visibility = 'organisation')
            or cares_for(viewer, patient, at);
    end;

-- The emergency access by which somebody outside the care team sees a record at a moment.
create function emergency_of(viewer uuid, patient uuid, at timestamptz) returns uuid
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select id from emergency_accesses
        where user_id = viewer and patient_id = patient and at < expires_at
            and not exists(
                select from care_team_members where user_id = viewer and patient_id = patient
            )
        order by id desc
        limit 1;
    end;

-- The record with a medical record number, for whoever is about to open it in an emergency.
create function patient_with_mrn(wanted text) returns uuid
    language sql stable security definer set search_path = public, pg_temp
    begin atomic
        select id from patients where mrn = wanted;
    end;
