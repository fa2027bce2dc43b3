-- What an administrator decides for the whole site: one row, read by every process on every request.

create table settings (
    only_row boolean primary key default true check (only_row),
    version integer not null default 1,
    second_factor_required text[] not null default '{}'
        check (second_factor_required <@ array['administrator', 'clinician', 'researcher', 'patient']),
    session_idle_minutes integer not null default 30 check (session_idle_minutes between 16 and 1440),
    session_hours integer not null default 12 check (session_hours between 1 and 168),
    kfre_region text not null default 'north_america'
        check (kfre_region in ('north_america', 'other', 'united_kingdom')),
    patients_see_risk boolean not null default false,
    -- Null until somebody changes something: until then a process brings its own defaults along.
    changed_at timestamptz
);

insert into settings default values;
