-- Nothing looks in it any more. By itself, as it takes the table for a moment: together with anything that
-- holds up a record's change it could wait in a circle.
drop index patients_search;
