-- The first answer to each Idempotency-Key, kept in the same transaction as what it created.

create table idempotency_keys (
    user_id uuid not null references users (id),
    key text not null check (length(key) between 1 and 200),
    -- SHA-256 of method, path and body.
    fingerprint bytea not null check (length(fingerprint) = 32),
    status smallint,
    location text,
    version integer,
    body jsonb,
    created_at timestamptz not null,
    primary key (user_id, key)
);

create index idempotency_keys_created_at on idempotency_keys (created_at);
