-- Where protein is measured instead of albumin, the list shows its KDIGO category.
alter table patients add column latest_upcr double precision;

update patients
set latest_upcr = upcr.value
from (
    select distinct on (patient_id) patient_id, value
    from observations
    where code = 'upcr' and status = 'final'
    order by patient_id, effective_at desc, method, id desc
) as upcr
where upcr.patient_id = patients.id;
