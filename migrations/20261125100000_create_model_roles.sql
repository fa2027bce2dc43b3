-- Which released network answers predictions, which one runs unseen beside it, what the unseen one
-- would have said, and what the inputs looked like week by week.

-- A row in place of the release that the program itself comes with.
create table model_roles (
    role text primary key check (role in ('active', 'shadow')),
    version text not null,
    chosen_at timestamptz not null,
    chosen_by uuid not null references users (id)
);

-- The network's risks of both, so that comparing them reads nothing else. Never shown to
-- clinicians.
create table shadow_predictions (
    model_version text not null,
    prediction_id uuid not null references predictions (id) on delete cascade,
    made_at timestamptz not null,
    shown_version text not null,
    shown_risk_2y double precision not null,
    shown_risk_5y double precision not null,
    shown_category text not null,
    -- Null when the shadow failed.
    risk_2y double precision,
    risk_5y double precision,
    category text,
    check ((risk_2y is null) = (category is null) and (risk_5y is null) = (category is null)),
    primary key (model_version, prediction_id)
);

create index shadow_predictions_made on shadow_predictions (model_version, shown_version, made_at);
create index shadow_predictions_of on shadow_predictions (prediction_id);

-- One row a week and version: how many predictions, and into which bins of the version's reference
-- distribution their inputs fell. Counted in the commit that stores the results, so that reading a
-- year is reading some fifty rows, however many predictions there were.
create table model_input_weeks (
    model_version text not null,
    -- SHA-256 of the reference distribution, whose bins the counts belong to.
    reference bytea not null,
    week date not null,
    predictions bigint not null,
    counts bigint[] not null,
    primary key (model_version, reference, week)
);
