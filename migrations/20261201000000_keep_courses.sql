-- What a line of the list shows of a patient's values beside the latest: kept, so that a page reads one
-- row a patient instead of values from all over their table. Beside the record and not in it: a
-- prediction changes the record, and would write the course each time.

create table patient_courses (
    patient_id uuid primary key references patients (id),
    -- The record's `values_changed_at` of which this is; with another one it says nothing, as after a
    -- change by the release before, which does not keep it.
    values_at timestamptz not null,
    -- Of the latest value that is no measurement of the body.
    last_value_at timestamptz,
    -- The newest eight eGFR values, mL/min/1.73 m², the oldest first.
    egfr_at timestamptz[] not null,
    egfr double precision[] not null,
    check (cardinality(egfr_at) = cardinality(egfr) and cardinality(egfr) <= 8)
);

-- The same, read from the values. Sees what its caller sees.
create function patient_course(
    patient uuid, out last_value_at timestamptz, out egfr_at timestamptz[], out egfr double precision[]
)
    language plpgsql stable as $$
begin
    select effective_at into last_value_at
    from observations
    where patient_id = patient and status = 'final'
        and code not in ('systolic_bp', 'diastolic_bp', 'weight', 'height')
    order by effective_at desc, id desc
    limit 1;
    select coalesce(array_agg(at order by at), '{}'), coalesce(array_agg(value order by at), '{}')
    into egfr_at, egfr
    from (
        -- Of an instant the one that counts.
        select distinct on (effective_at) effective_at as at, value
        from observations
        where patient_id = patient and code = 'egfr' and status = 'final'
        order by effective_at desc, method, id desc
        limit 8
    ) as newest;
end
$$;
