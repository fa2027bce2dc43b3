-- Views of the patient list that somebody keeps under a name.

create table views (
    id uuid primary key,
    user_id uuid not null references users (id),
    name text not null check (length(name) between 1 and 60),
    filter jsonb not null,
    sort text not null check (
        sort in (
            'name', '-name', 'risk', '-risk', 'egfr', '-egfr', 'updated_at', '-updated_at'
        )
    ),
    archived boolean not null
);

create unique index views_name on views (user_id, lower(name));
