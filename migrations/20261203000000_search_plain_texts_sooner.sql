-- To take the accents off a text was a fifth of what it takes to find whom the text calls, and a text of ASCII
-- has none. In PL/pgSQL, as PostgreSQL would prepare SQL with a choice in it for each text anew. The schema is
-- named, as a restore looks in none while search texts are made.
create or replace function searchable(given text) returns text
    language plpgsql immutable strict parallel safe as $$
begin
    -- A character beyond ASCII takes several bytes, in this encoding.
    if octet_length(given) = length(given) and getdatabaseencoding() = 'UTF8' then
        return lower(given);
    end if;
    return lower(public.unaccent('public.unaccent'::regdictionary, given));
end
$$;

-- Nobody has called it since 20261202000000, which went out before this.
drop function few_patients_with(text[], text, date, integer);
