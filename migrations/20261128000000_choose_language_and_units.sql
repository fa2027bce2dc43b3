-- Language and units: the site's defaults, and what each account chooses instead.

alter table settings
    add column language text not null default 'en' check (language in ('en', 'it')),
    add column units text not null default 'conventional' check (units in ('conventional', 'si'));

-- An account without a row takes everything from the site; so does a column that is null.
create table user_preferences (
    user_id uuid primary key references users (id),
    version integer not null,
    language text check (language in ('en', 'it')),
    units text check (units in ('conventional', 'si')),
    kfre_region text check (kfre_region in ('north_america', 'other', 'united_kingdom'))
);
