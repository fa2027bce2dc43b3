-- For each of these texts, the few patients whom it calls, or who were born on its day; null where they are more than
-- `most`. All texts in one statement: for each by itself, to begin and to end it was a third of the time.
--
-- Of a text's pieces those are looked up that cover it, not all: the others are in the same names but for few, and
-- each is a way through the index.
--
-- `few_patients_called` stays for servers of the release before; the next release drops it.
create function few_patients_called_each(sought text[], born date[], most integer)
    returns table (place bigint, ids uuid[])
    language plpgsql stable security definer rows 20
    set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
    -- A plan that was made while hardly anybody was there is kept, too.
    set enable_seqscan = off as $$
begin
    return query
        select asked.place, case
            -- A backslash is before what a person typed and `like` takes for a wildcard.
            when length(whole) < 5 or 0 < strpos(whole, '\')
                then few_patients_like(pattern, asked.day, most)
            else (
                select case when count(*) <= most then coalesce(array_agg(id), '{}') end
                from (
                    select patient_id as id
                    from patient_search_texts
                    where pieces(search_text) @> (
                            select array_agg(substr(whole, least(first, length(whole) - 4), 5))
                            -- More than a name has find nobody else, and take ever longer.
                            from generate_series(1, least(length(whole), 64), 5) as first
                        )
                        -- Not the column alone, or the other index is looked through as well.
                        and search_text || '' like pattern
                    union all
                    select id from patients where birth_date = asked.day
                    limit most + 1
                ) as called
            ) end
        from unnest(sought, born) with ordinality as asked (text, day, place),
            -- Not put in wherever they are used: each is worked out once.
            lateral (select searchable(asked.text) as pattern offset 0) as patterns,
            lateral (select trim(both '%' from pattern) as whole offset 0) as texts;
end
$$;
