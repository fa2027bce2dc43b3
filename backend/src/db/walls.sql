-- What the running program may do in the database, and which rows a caller's transaction sees.
-- `nephrocast migrate` runs this as the owner after the migrations, the queue's included. It says
-- everything anew each time, so it holds for tables that later migrations add.

-- What is not there to be replaced is no news.
set local client_min_messages = warning;

do $$
begin
    if 2 <> (
        select count(*) from pg_roles where rolname in ('nephrocast_app', 'nephrocast_restricted')
    ) then
        raise exception 'the roles nephrocast_app and nephrocast_restricted do not exist: '
            'docs/OPERATIONS.md, "Database roles", says how to make them';
    end if;
    execute format('revoke temporary on database %I from public', current_database());
end
$$;

-- Every table whose walls are built, at once and before anything else, while people work. Whoever waits
-- for a table here holds up who wants it after them, and who has one and wants another waits for the
-- other way round: so this gives way after a tenth of a second, long before PostgreSQL would end
-- somebody's transaction as deadlocked, and tries again.
do $$
declare
    walled constant text := (
        select string_agg(relation.oid::regclass::text, ', ' order by relation.oid)
        from pg_class relation
        where relation.relkind = 'r' and (
            relation.relnamespace = 'graphile_worker'::regnamespace and relation.relrowsecurity
            or relation.relnamespace = 'public'::regnamespace and (
                relation.relname in ('patients', 'users', 'prediction_batches', 'audit_events')
                or exists (
                    select from pg_attribute
                    where attrelid = relation.oid and attname in ('patient_id', 'user_id')
                        and not attisdropped
                )
            )
        )
    );
begin
    for attempt in 1..300 loop
        begin
            set local lock_timeout = '100ms';
            execute format('lock table %s in access exclusive mode', walled);
            set local lock_timeout = '10s';
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 + random() * 0.1);
        end;
    end loop;
    raise exception 'the tables are in use by transactions that do not end, such as a backup: '
        'try again when they have';
end
$$;

-- Privileges: rows, but no objects. The restricted role is taken on for one transaction by callers
-- who see a part of the records (db/walls.rs).
revoke create on schema public from public;
grant usage on schema public, graphile_worker to nephrocast_app, nephrocast_restricted;
grant select, insert, update, delete on all tables in schema public, graphile_worker
    to nephrocast_app, nephrocast_restricted;
grant usage, select on all sequences in schema public, graphile_worker
    to nephrocast_app, nephrocast_restricted;

revoke insert, update, delete on _sqlx_migrations from nephrocast_app, nephrocast_restricted;
revoke update, delete on audit_events, audit_leaves, audit_checkpoints
    from nephrocast_app, nephrocast_restricted;
-- What was spent of a privacy budget stays spent.
revoke update, delete on privacy_spendings from nephrocast_app, nephrocast_restricted;
-- What a search looks in is written by a trigger, as the owner.
revoke insert, update, delete on patient_search_texts from nephrocast_app, nephrocast_restricted;
-- Nobody whose sight is restricted runs the site or compares networks.
revoke all on audit_leaves, audit_checkpoints, shadow_predictions from nephrocast_restricted;
revoke insert, update, delete on settings, model_roles, model_input_weeks from nephrocast_restricted;
revoke delete on users from nephrocast_restricted;
-- Nobody's password is looked at in such a transaction, and no session is renewed.
revoke all on refresh_tokens from nephrocast_restricted;
revoke select on users from nephrocast_restricted;
do $$
begin
    execute (
        select format('grant select (%s) on users to nephrocast_restricted',
            string_agg(quote_ident(column_name), ', '))
        from information_schema.columns
        where table_schema = 'public' and table_name = 'users' and column_name <> 'password_hash'
    );
end
$$;
-- Whoever asks for summaries reads what is published; the secret behind it is the publisher's.
revoke all on summary_secrets from nephrocast_restricted;
revoke insert, update, delete on summary_publications, summary_cells, summary_rows
    from nephrocast_restricted;

-- The claims of a restricted transaction, which are gone when it ends.
create or replace function viewer() returns uuid
    language sql stable
    return nullif(current_setting('nephrocast.viewer', true), '')::uuid;

create or replace function sees_in_care() returns boolean
    language sql stable
    return coalesce(current_setting('nephrocast.reach', true) = 'in_care', false);

-- The patients that a restricted transaction sees. As the owner, because it reads the tables whose
-- policies ask it. Evaluated once for a query, not once for a row.
create or replace function patients_in_sight() returns setof uuid
    language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    case current_setting('nephrocast.reach', true)
    when 'own_record' then
        return query
            select patients.id
            from users
            join patients on patients.id = users.patient_id
            where users.id = viewer() and patients.own_access;
    when 'in_care' then
        return query
            select patients_in_care_of(viewer(), current_setting('nephrocast.at')::timestamptz);
    else
        return;
    end case;
end
$$;

-- One policy for the program's role, which lets everything through and so costs nothing; for the
-- restricted role what it may see and what it may write.
create or replace function guard(guarded regclass, sight text, insertable text, changeable text)
    returns void language plpgsql as $$
begin
    execute format('alter table %s enable row level security', guarded);
    execute format('drop policy if exists app on %s', guarded);
    execute format('drop policy if exists restricted_sight on %s', guarded);
    execute format('drop policy if exists restricted_insert on %s', guarded);
    execute format('drop policy if exists restricted_update on %s', guarded);
    execute format('drop policy if exists restricted_delete on %s', guarded);
    execute format(
        'create policy app on %s to nephrocast_app using (true) with check (true)', guarded);
    execute format(
        'create policy restricted_sight on %s for select to nephrocast_restricted using (%s)',
        guarded, sight);
    execute format(
        'create policy restricted_insert on %s for insert to nephrocast_restricted with check (%s)',
        guarded, insertable);
    execute format(
        'create policy restricted_update on %s for update to nephrocast_restricted
            using (%s) with check (%s)',
        guarded, changeable, changeable);
    execute format(
        'create policy restricted_delete on %s for delete to nephrocast_restricted using (%s)',
        guarded, changeable);
end
$$;
revoke execute on function guard(regclass, text, text, text) from public;
-- What a search is made of, which only `few_patients_called_each` and, for servers of the release before,
-- `few_patients_called` call, as the owner.
revoke execute on function few_patients_like(text, date, integer) from public;

-- Every table that speaks of a patient, known by its column.
do $$
declare
    in_sight constant text := 'patient_id in (select patients_in_sight())';
    is_own constant text := 'user_id = (select viewer())';
    in_care constant text := '(select sees_in_care())';
    found record;
begin
    for found in
        select format('%I.%I', table_schema, table_name)::regclass as name,
            bool_or(column_name = 'user_id') as says_whose
        from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
        group by table_schema, table_name
        having bool_or(column_name = 'patient_id')
    loop
        if found.says_whose then
            -- Who cares for whom: one's own part in it is no secret, and is how one comes to see.
            perform guard(
                found.name,
                format('%s or %s', in_sight, is_own),
                format('%s and (%s or %s)', in_care, in_sight, is_own),
                format('%s and (%s or %s)', in_care, in_sight, is_own));
        else
            perform guard(
                found.name,
                in_sight,
                format('%s and %s', in_care, in_sight),
                format('%s and %s', in_care, in_sight));
        end if;
    end loop;
    -- What belongs to an account and speaks of no patient by its columns: sessions, tokens, second
    -- factors, kept answers.
    for found in
        select format('%I.%I', table_schema, table_name)::regclass as name
        from information_schema.columns
        join information_schema.tables using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE'
        group by table_schema, table_name
        having bool_or(column_name = 'user_id') and not bool_or(column_name = 'patient_id')
    loop
        perform guard(found.name, is_own, is_own, is_own);
    end loop;
    -- A new record is in nobody's care yet.
    perform guard(
        'patients',
        'id in (select patients_in_sight())',
        in_care,
        format('%s and id in (select patients_in_sight())', in_care));
    -- Colleagues have names; other patients' accounts are not there.
    perform guard(
        'users',
        format('id = (select viewer()) or patient_id is null or %s', in_sight),
        'false',
        'id = (select viewer())');
    -- A batch is its requester's.
    perform guard(
        'prediction_batches',
        'requested_by = (select viewer())',
        format('%s and requested_by = (select viewer())', in_care),
        format('%s and requested_by = (select viewer())', in_care));
    -- Everybody is put on record.
    perform guard(
        'audit_events',
        format('actor_id = (select viewer()) or %s', in_sight),
        'true',
        'false');
end
$$;

-- The queue's library guards its tables, but lets nobody in.
do $$
declare
    queue regclass;
begin
    for queue in
        select oid::regclass
        from pg_class
        where relnamespace = 'graphile_worker'::regnamespace and relkind = 'r' and relrowsecurity
    loop
        execute format('drop policy if exists app on %s', queue);
        execute format(
            'create policy app on %s to nephrocast_app, nephrocast_restricted
                using (true) with check (true)',
            queue);
    end loop;
end
$$;

-- Of which migrations' tables all that is: a server is ready when it is of its own, and not before.
do $$
begin
    execute format('comment on function guard(regclass, text, text, text) is %L',
        (select max(version)::text from _sqlx_migrations where success));
end
$$;
