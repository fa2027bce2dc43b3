-- Whose risk has come over a threshold of the guidelines: the latest prediction is over it, and there
-- was one before that was not. Kept with each finished prediction (db/threshold_crossings.rs), so that
-- whoever asks who crossed this month does not read every prediction.

create table threshold_crossings (
    patient_id uuid not null references patients (id),
    threshold text not null check (
        threshold in ('consider_referral', 'refer', 'multidisciplinary', 'prepare_replacement')
    ),
    crossed_at timestamptz not null,
    -- Of the threshold's own horizon.
    risk_before double precision not null check (risk_before between 0 and 1),
    risk_after double precision not null check (risk_after between 0 and 1),
    primary key (patient_id, threshold)
);

create index threshold_crossings_by_time on threshold_crossings (crossed_at);

-- What the predictions so far tell, by the headline that the list shows.
with headlines as (
    select patient_id, completed_at, id,
        case result ->> 'category_source'
            when 'kfre' then (result -> 'kfre' ->> 'risk_2y')::double precision
            else (result -> 'risk' -> 1 ->> 'probability')::double precision
        end as risk_2y,
        case result ->> 'category_source'
            when 'kfre' then (result -> 'kfre' ->> 'risk_5y')::double precision
            else (result -> 'risk' -> 4 ->> 'probability')::double precision
        end as risk_5y
    from predictions
    where status = 'succeeded'
), risks as (
    select patient_id, completed_at, id, threshold, risk, limit_is_in, over
    from headlines
    cross join lateral (values
        ('consider_referral', risk_5y, true, 0.03),
        ('refer', risk_5y, true, 0.05),
        ('multidisciplinary', risk_2y, false, 0.10),
        ('prepare_replacement', risk_2y, false, 0.40)
    ) as thresholds (threshold, risk, limit_is_in, over)
    where risk between 0 and 1
), compared as (
    select patient_id, completed_at, id, threshold, risk,
        over < risk or limit_is_in and over = risk as is_over,
        lag(risk) over of_patient as before,
        lag(over < risk or limit_is_in and over = risk) over of_patient as was_over,
        last_value(over < risk or limit_is_in and over = risk) over (
            of_patient range between unbounded preceding and unbounded following
        ) as still_over
    from risks
    window of_patient as (partition by patient_id, threshold order by completed_at, id)
)
insert into threshold_crossings (patient_id, threshold, crossed_at, risk_before, risk_after)
select distinct on (patient_id, threshold) patient_id, threshold, completed_at, before, risk
from compared
where still_over and is_over and not was_over
order by patient_id, threshold, completed_at desc, id desc;
