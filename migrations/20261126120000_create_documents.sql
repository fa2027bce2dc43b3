-- What is known of a document; its content is in the document store, under a name of its own.
create table documents (
    id uuid primary key,
    patient_id uuid not null references patients (id),
    title text not null,
    kind text not null
        check (kind in ('letter', 'laboratory', 'imaging', 'pathology', 'consent', 'other')),
    file_name text not null,
    media_type text not null,
    size bigint not null check (0 < size),
    sha256 bytea not null check (octet_length(sha256) = 32),
    -- Random, so that neither an id nor a file's name leads to the content.
    stored_as uuid not null unique,
    uploaded_by uuid not null references users (id),
    uploaded_at timestamptz not null,
    deleted_at timestamptz
);

create index documents_of_patient on documents (patient_id, id desc) where deleted_at is null;
