-- What the worklist says of a patient beside the latest values and risk, kept on the record like
-- those, so that a page, a filter and a batch read one table.

alter table patients
    add column latest_upcr_at timestamptz,
    -- When a value or an end point was last recorded, corrected or voided: a prediction whose inputs
    -- are older does not know of it. Null where that has not been worked out yet, or nothing is
    -- recorded; `nephrocast migrate` works it out (derived.rs), since rules are not kept in SQL.
    add column values_changed_at timestamptz,
    -- The day by which KDIGO's heat map wants eGFR and albuminuria measured again; null without an
    -- eGFR, and after an end point.
    add column monitoring_due_on date,
    add column rapid_progression boolean not null default false,
    -- When the inputs of the latest prediction were frozen.
    add column risk_inputs_at timestamptz,
    -- The finished prediction before the latest.
    add column previous_risk_5y double precision check (previous_risk_5y between 0 and 1),
    add column previous_risk_source text check (previous_risk_source in ('kfre', 'network')),
    add column previous_risk_at timestamptz;

-- In the order that is most asked for, so that a rare kind is not looked for among everybody.
create index patients_progressing on patients (coalesce(risk_5y, -1) desc, id)
    where rapid_progression;
create index patients_by_monitoring on patients (monitoring_due_on)
    where monitoring_due_on is not null;
create index patients_to_derive on patients (id) where values_changed_at is null;

with headlines as (
    select patient_id, requested_at, completed_at, result ->> 'category_source' as source,
        case result ->> 'category_source'
            when 'kfre' then (result -> 'kfre' ->> 'risk_5y')::double precision
            else (result -> 'risk' -> 4 ->> 'probability')::double precision
        end as risk_5y,
        row_number() over (partition by patient_id order by completed_at desc, id desc) as rank
    from predictions
    where status = 'succeeded'
)
update patients
set risk_inputs_at = latest.requested_at, previous_risk_5y = before.risk_5y,
    previous_risk_source = before.source, previous_risk_at = before.completed_at
from headlines as latest
left join headlines as before on before.patient_id = latest.patient_id and before.rank = 2
where latest.patient_id = patients.id and latest.rank = 1;
