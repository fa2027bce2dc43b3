-- Whom an entry showed waits in a list before it is sorted into its index, and whoever fills the list
-- sorts all of it: with 4 MB that took 60 ms, each second or two of a busy clinic.
alter index audit_events_shown set (gin_pending_list_limit = 64);
