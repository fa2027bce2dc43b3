-- What researchers read, and nothing else: publications made from the records by a worker.

alter table settings add column minimum_cell_size integer not null default 10
    check (minimum_cell_size between 5 and 100);

-- What keys of people and the noise of counts depend on. Made by the first publication, never
-- changed: with another one, the same people would get another noise, and noises average out.
create table summary_secrets (
    only_row boolean primary key default true check (only_row),
    secret bytea not null check (length(secret) = 32)
);

create table summary_publications (
    id integer primary key generated always as identity,
    published_at timestamptz not null,
    -- When it was last found that nothing, or too little, has changed since.
    checked_at timestamptz not null,
    minimum_cell_size integer not null,
    people integer not null,
    -- How the rows to take away were made k-anonymous.
    anonymisation jsonb not null
);

-- Published cells only: of what is withheld, nothing is kept.
create table summary_cells (
    publication_id integer not null references summary_publications (id) on delete cascade,
    fields smallint[] not null,
    field_values smallint[] not null,
    figures jsonb not null,
    primary key (publication_id, fields, field_values)
);

-- One row per person, without identifier and date. `key` is a keyed hash that never leaves the
-- server: what does is derived from it and from whoever asks.
create table summary_rows (
    publication_id integer not null references summary_publications (id) on delete cascade,
    key bytea not null check (length(key) = 16),
    field_values smallint[] not null,
    kidney_failure boolean not null,
    died boolean not null,
    measures real[] not null,
    primary key (publication_id, key)
);
