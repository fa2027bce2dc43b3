-- Nothing looks in it any more. By itself, as it takes the log for a moment. Until its end, a server of the
-- release before finds by reading the log whom a list showed.
drop index audit_events_shown;
