-- In the order that is most asked for: the low risks stand behind all others, records without a
-- prediction at the very end, and those without an eGFR are few. Among a million patients the list
-- looked through everybody for them.

create index patients_by_category on patients (risk_category, coalesce(risk_5y, -1) desc, id);
create index patients_never_predicted on patients (coalesce(risk_5y, -1) desc, id)
    where risk_at is null;
create index patients_without_egfr on patients (coalesce(risk_5y, -1) desc, id)
    where latest_egfr is null;
