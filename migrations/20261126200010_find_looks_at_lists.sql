-- A list shows many patients in one look: its entry names them in its details, under `patients`, and
-- belongs to what each of them is told about who looked. Other entries pay nothing for the index.
create index audit_events_shown on audit_events using gin ((details -> 'patients'))
    where details ? 'patients';

-- The lists that showed a patient, the newest first, from below the number `before`. As the owner,
-- because whoever sees one of the patients may not see the entry with all of them; so it asks
-- itself whether the transaction sees this one.
create function lists_that_showed(patient uuid, before bigint, most bigint)
    returns table (
        id bigint, at timestamptz, actor_id uuid, actor_role text, action text, outcome text,
        emergency boolean
    )
    language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    if coalesce(current_setting('nephrocast.reach', true), '') <> ''
        and patient not in (select patients_in_sight())
    then
        return;
    end if;
    return query
        select entries.id, entries.at, entries.actor_id, entries.actor_role, entries.action,
            entries.outcome,
            exists(
                select from emergency_accesses as accesses
                where accesses.user_id = entries.actor_id
                    and accesses.patient_id = patient
                    and accesses.opened_at <= entries.at
                    and entries.at < accesses.open_until
            )
        from audit_events as entries
        where entries.details ? 'patients'
            and entries.details -> 'patients' ? patient::text
            and entries.patient_id is null
            and (before is null or entries.id < before)
        order by entries.id desc
        limit most;
end
$$;
