-- The roles of a PostgreSQL that Nephrocast has to itself; run by psql as a superuser, and harmless
-- when it is run again. OWNER_PASSWORD_FILE and APP_PASSWORD_FILE name files in the environment.
--   nephrocast             owns the database; only `nephrocast migrate` signs in as it
--   nephrocast_app         the running program: rows, no objects
--   nephrocast_restricted  what it becomes for callers who see a part of the records
\set ON_ERROR_STOP on
set client_min_messages = warning;
\set owner_password `cat "$OWNER_PASSWORD_FILE"`
\set app_password `cat "$APP_PASSWORD_FILE"`

select 'create role nephrocast' where not exists (
    select from pg_roles where rolname = 'nephrocast'
) \gexec
select 'create role nephrocast_restricted' where not exists (
    select from pg_roles where rolname = 'nephrocast_restricted'
) \gexec
select 'create role nephrocast_app' where not exists (
    select from pg_roles where rolname = 'nephrocast_app'
) \gexec

alter role nephrocast login password :'owner_password';
alter role nephrocast_app login password :'app_password';
grant nephrocast_restricted to nephrocast_app;

-- Even for who signs in by hand: nothing waits or sits in a transaction for ever.
alter role nephrocast_app set statement_timeout = '30s';
alter role nephrocast_app set lock_timeout = '10s';
alter role nephrocast_app set idle_in_transaction_session_timeout = '60s';
-- Nor is a statement compiled again each time it runs, only because it is estimated to look at much.
alter role nephrocast_app set jit = off;

select 'create database nephrocast owner nephrocast' where not exists (
    select from pg_database where datname = 'nephrocast'
) \gexec
