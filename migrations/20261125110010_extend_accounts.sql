-- Accounts that administrators run: links to set a password with, sessions that can be told apart,
-- and delays after failed sign-ins.

alter table users
    add column version integer not null default 1,
    -- Null while nobody knows the password: a new account, or one whose password was reset.
    add column password_set_at timestamptz,
    add column last_sign_in_at timestamptz;

update users set password_set_at = created_at;

create index users_by_name on users (lower(display_name), id);

alter table sessions
    -- Where the session began, and with what, such as 'Firefox on Linux'.
    add column address text,
    add column device text check (length(device) <= 60);

alter table sessions drop constraint sessions_end_reason_check;
alter table sessions add constraint sessions_end_reason_check check (
    end_reason in (
        'signed_out', 'token_reused', 'revoked', 'password_changed', 'password_reset',
        'role_changed', 'deactivated'
    )
);

create table password_links (
    -- SHA-256 of the link's secret: a stolen table sets no password.
    hash bytea primary key check (length(hash) = 32),
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);

create index password_links_user_id on password_links (user_id);

create table sign_in_delays (
    -- SHA-256 of the address in lower case: what strangers type is counted, whether there is such
    -- an account or not, and not kept.
    account bytea not null check (length(account) = 32),
    -- An address, 'anywhere', or a session in which a password is asked for.
    place text not null,
    failures integer not null,
    last_failed_at timestamptz not null,
    blocked_until timestamptz,
    primary key (account, place)
);

create index sign_in_delays_last_failed_at on sign_in_delays (last_failed_at);
