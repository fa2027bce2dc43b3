-- API tokens: how programs speak for an account.

create table api_tokens (
    id uuid primary key,
    user_id uuid not null references users (id),
    name text not null check (length(name) between 1 and 100),
    -- SHA-256 of the token: a stolen table opens nothing.
    hash bytea not null unique check (length(hash) = 32),
    scopes text[] not null check (
        cardinality(scopes) between 1 and 5
        and scopes <@ array[
            'patients:read', 'patients:write', 'predictions:read', 'predictions:write',
            'summaries:read'
        ]
    ),
    created_at timestamptz not null,
    expires_at timestamptz not null
        check (created_at < expires_at and expires_at <= created_at + interval '366 days'),
    -- The latest use, by day: enough to find tokens that nobody uses.
    last_used_on date,
    last_used_address text,
    revoked_at timestamptz
);

create index api_tokens_user_id on api_tokens (user_id, id desc);

-- Which token acted, where it was not a session.
alter table audit_events add column token_id uuid;
