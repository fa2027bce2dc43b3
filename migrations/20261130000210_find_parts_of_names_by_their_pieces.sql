-- What a search looks in, apart from the records: a record is written anew with each prediction, and
-- each time its name went into the search's index again, which is the dearest of all. New entries wait
-- in a list that every search reads to its end; 64 kB are read in no time.
create table patient_search_texts (
    patient_id uuid primary key references patients (id) on delete cascade,
    search_text text not null
);

create function keep_search_text() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into patient_search_texts (patient_id, search_text) values (new.id, new.search_text)
    on conflict (patient_id) do update set search_text = excluded.search_text;
    return null;
end
$$;

create trigger patients_search_text_is_new after insert on patients
    for each row execute function keep_search_text();
create trigger patients_search_text_changes after update of family_name, given_name, mrn on patients
    for each row when (old.search_text <> new.search_text) execute function keep_search_text();

-- A text as all its pieces of five characters. Threes, which the other index knows, are each in
-- thousands of a million names; fives are in hundreds or fewer.
create function pieces(given text) returns text[]
    language sql immutable strict parallel safe
    return (
        select coalesce(array_agg(distinct substr(given, place, 5)), '{}')
        from generate_series(1, length(given) - 4) as place
    );

-- On a table that is still empty: it is filled by the next migration, which holds up nobody.
create index patients_search_pieces on patient_search_texts using gin (pieces(search_text))
    with (gin_pending_list_limit = 64);
create index patients_search_threes on patient_search_texts using gin (search_text gin_trgm_ops)
    with (gin_pending_list_limit = 64);
