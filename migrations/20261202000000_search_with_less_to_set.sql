-- Of the time that a search takes where everything is in memory, a good part went into what surrounds it: two
-- functions within each other that each set a path, and a query that took the text into its pieces. Now one
-- function finds who is called so by the pieces of a text, and hands over what is too short for them or has a
-- character in it that `like` takes for a wildcard. `few_patients_with` stays for a server of the release before
-- that is in the middle of a search; nobody calls it any more, and the next release drops it.

-- Whom a short text finds, if they are few: a plan for one such text says nothing about another.
create function few_patients_like(pattern text, born date, most integer) returns uuid[]
    language plpgsql stable security definer
    -- Called from where no table is to be read whole; of a short text, that may be the quicker way.
    set search_path = public, pg_temp set plan_cache_mode = force_custom_plan set enable_seqscan = on as $$
declare
    found uuid[];
begin
    select coalesce(array_agg(id), '{}') into found
    from (
        select patient_id as id from patient_search_texts where search_text like pattern
        union all
        select id from patients where birth_date = born
        limit most + 1
    ) as called;
    return case when cardinality(found) <= most then found end;
end
$$;

create or replace function few_patients_called(sought text, born date, most integer) returns uuid[]
    language plpgsql stable security definer
    set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
    -- A plan that was made while hardly anybody was there is kept, too.
    set enable_seqscan = off as $$
declare
    found uuid[];
    -- The same twice looks for the same.
    wanted text[] := '{}';
    pattern constant text := searchable(sought);
    whole constant text := trim(both '%' from pattern);
begin
    -- A backslash is before what a person typed and `like` takes for a wildcard.
    if length(whole) < 5 or 0 < strpos(whole, '\') then
        return few_patients_like(pattern, born, most);
    end if;
    -- More pieces than a name has find nobody else, and take ever longer.
    for place in 1 .. least(length(whole), 64) - 4 loop
        wanted := wanted || substr(whole, place, 5);
    end loop;
    select coalesce(array_agg(id), '{}') into found
    from (
        select patient_id as id from patient_search_texts
        -- Not the column alone, or the other index is looked through as well.
        where pieces(search_text) @> wanted and search_text || '' like pattern
        union all
        select id from patients where birth_date = born
        limit most + 1
    ) as called;
    return case when cardinality(found) <= most then found end;
end
$$;
