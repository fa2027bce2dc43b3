-- An entry of a look at a list names whom it showed: 2 kB for a page of 50, just over what PostgreSQL
-- begins to compress and to move out of the row. Random identifiers do not get smaller, and to try
-- took twice as long as to write the entry.
alter table audit_events alter column details set storage main;
alter table audit_events set (toast_tuple_target = 8160);
