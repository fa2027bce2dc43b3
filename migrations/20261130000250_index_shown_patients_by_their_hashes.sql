-- Whom an entry showed, by four bytes each instead of the text of an identifier: to enter a page of
-- 50 costs half. They wait in a list, and the worker that seals the log sorts them in each second,
-- so that nobody's look has to; without a worker, whoever fills the list does it.
-- Entries wait while this reads the log: some seconds per ten million of them.
create index audit_events_showing on audit_events using gin ((details -> 'patients') jsonb_path_ops)
    with (gin_pending_list_limit = 16384)
    where details ? 'patients';

-- As the owner of the index, who alone may.
create function sort_shown_patients() returns bigint
    language sql security definer set search_path = public, pg_temp as $$
    select gin_clean_pending_list('audit_events_showing')
$$;

create or replace function lists_that_showed(patient uuid, before bigint, most bigint)
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
            and entries.details -> 'patients' @> jsonb_build_array(patient)
            and entries.patient_id is null
            and (before is null or entries.id < before)
        order by entries.id desc
        limit most;
end
$$;
