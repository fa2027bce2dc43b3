-- Differential privacy: what each question cost, and what it was answered.

-- The most that one API token, and that one account with all its tokens, may ever spend, in whole
-- units of epsilon. 0 switches private counts off.
alter table settings
    add column token_privacy_budget integer not null default 1
        check (token_privacy_budget between 0 and 100),
    add column account_privacy_budget integer not null default 4
        check (account_privacy_budget between 0 and 100);

-- A ledger: rows are added, never changed. It outlives the publications that answered, because what
-- was told stays told.
create table privacy_spendings (
    id uuid primary key,
    user_id uuid not null references users (id),
    token_id uuid references api_tokens (id),
    publication_id integer not null,
    question jsonb not null,
    -- In thousandths, so that sums are exact.
    epsilon_thousandths integer not null check (0 < epsilon_thousandths),
    answer jsonb not null,
    spent_at timestamptz not null,
    -- The same question is answered the same, and paid for once.
    unique (user_id, publication_id, question, epsilon_thousandths)
);

create index privacy_spendings_token_id on privacy_spendings (token_id) where token_id is not null;
