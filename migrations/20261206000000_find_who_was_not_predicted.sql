-- A prediction puts its headline on the record. Often it says the same risk as before: nothing new was
-- measured. Then no index needs to be told, if none depends on when it was said. One did: records without a
-- prediction (the next migration takes it out). A record has a risk as soon as it has a prediction.
--
-- Who changes a record waits while the index is made: some two seconds for a million records.
create index patients_not_predicted on patients (coalesce(risk_5y, -1) desc, id) where risk_5y is null;
-- Such a change stays on the record's own page if there is room: on pages that are filled from now on, a tenth.
alter table patients set (fillfactor = 90);
