-- The audit log as a Merkle tree (RFC 6962): the sealer gives every entry a place in it, and signs
-- the tree's root. Both tables are only ever added to.

create table audit_leaves (
    -- The place in the tree, from 0, without a gap. It is given when the entry is sealed: ids
    -- become visible out of order, places do not.
    sequence bigint primary key check (0 <= sequence),
    -- No foreign key: the log must be able to say that an entry is gone.
    event_id bigint not null unique,
    -- How the entry was written down for hashing.
    format smallint not null,
    leaf_hash bytea not null check (octet_length(leaf_hash) = 32)
);

create table audit_checkpoints (
    -- How many leaves the signed root covers.
    tree_size bigint primary key check (0 < tree_size),
    -- The signed note, as it is given out.
    note text not null
);

create trigger audit_leaves_append_only
    before update or delete or truncate on audit_leaves
    for each statement execute function refuse_audit_change();

create trigger audit_checkpoints_append_only
    before update or delete or truncate on audit_checkpoints
    for each statement execute function refuse_audit_change();

-- Looking for one kind of entry, and for a time; the second costs writers next to nothing.
create index audit_events_action on audit_events (action, id desc);
create index audit_events_at on audit_events using brin (at);
