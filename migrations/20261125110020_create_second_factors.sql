-- The second factor: a secret shared with somebody's telephone, codes for when it is lost, and
-- sign-ins that wait for it.

create table second_factors (
    user_id uuid primary key references users (id) on delete cascade,
    -- Encrypted with a key that is not in the database.
    secret bytea not null,
    created_at timestamptz not null,
    -- Null until the person has shown that their telephone makes the right codes.
    confirmed_at timestamptz,
    -- The 30-second step of the last code that was used: each is good once.
    last_step bigint not null default 0
);

create table recovery_codes (
    user_id uuid not null references second_factors (user_id) on delete cascade,
    -- SHA-256 of 120 random bits.
    hash bytea not null check (length(hash) = 32),
    used_at timestamptz,
    primary key (user_id, hash)
);

create table sign_in_challenges (
    -- SHA-256 of the secret that whoever knew the password was given.
    hash bytea primary key check (length(hash) = 32),
    user_id uuid not null references users (id) on delete cascade,
    -- Where it was given: it is good nowhere else.
    address text,
    expires_at timestamptz not null,
    attempts integer not null default 0,
    used_at timestamptz
);

create index sign_in_challenges_expires_at on sign_in_challenges (expires_at);
