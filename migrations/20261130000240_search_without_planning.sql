-- A search was planned for longer than it ran. What has five characters or more is found in one way,
-- whatever it is: by its pieces; so a connection plans that once. And what takes a text into its pieces is
-- prepared once a connection, where the function in SQL was parsed and planned for each text.
create or replace function pieces(given text) returns text[]
    language plpgsql immutable strict parallel safe as $$
begin
    return array(
        select distinct substr(given, place, 5) from generate_series(1, length(given) - 4) as place
    );
end
$$;

-- Whom a text finds of which these are the pieces, if they are few.
create function few_patients_with(wanted text[], pattern text, born date, most integer)
    returns uuid[]
    language plpgsql stable security definer
    set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
    -- A plan that was made while hardly anybody was there is kept, too.
    set enable_seqscan = off as $$
declare
    found uuid[];
begin
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

create or replace function few_patients_called(sought text, born date, most integer) returns uuid[]
    language plpgsql stable security definer
    -- A plan for one short pattern says nothing about another.
    set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    found uuid[];
    pattern constant text := searchable(sought);
    whole constant text := trim(both '%' from pattern);
begin
    -- A backslash is before what a person typed and `like` takes for a wildcard.
    if 5 <= length(whole) and strpos(whole, '\') = 0 then
        return few_patients_with(pieces(whole), pattern, born, most);
    end if;
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
