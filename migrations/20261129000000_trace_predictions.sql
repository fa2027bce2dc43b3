-- Where the request of a prediction is in its trace (W3C Trace Context), for the worker to go on there.
-- A column that may be empty is there at once, however many predictions there are.
alter table predictions add column traceparent varchar(55);
