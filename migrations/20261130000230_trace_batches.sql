-- Where in its trace the request of a batch stood, for the worker that takes it further (W3C Trace Context).
alter table prediction_batches add column traceparent varchar(55);
