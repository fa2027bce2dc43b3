-- People who sign in, their sessions, and the refresh tokens that keep sessions alive.

create table users (
    id uuid primary key,
    -- Kept in lower case, so that one address is one account.
    email text not null unique check (email = lower(email) and length(email) between 3 and 254),
    display_name text not null check (length(display_name) between 1 and 100),
    role text not null check (role in ('administrator', 'clinician', 'researcher', 'patient')),
    -- argon2id in PHC string format.
    password_hash text not null,
    active boolean not null default true,
    created_at timestamptz not null
);

create table sessions (
    id uuid primary key,
    user_id uuid not null references users (id),
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    -- The absolute limit; the idle limit is counted from last_used_at.
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text check (end_reason in ('signed_out', 'token_reused')),
    check ((ended_at is null) = (end_reason is null))
);

create index sessions_user_id on sessions (user_id);

create table refresh_tokens (
    -- SHA-256 of the token: a stolen table opens no session.
    hash bytea primary key check (length(hash) = 32),
    session_id uuid not null references sessions (id),
    issued_at timestamptz not null,
    used_at timestamptz
);

create index refresh_tokens_session_id on refresh_tokens (session_id);
