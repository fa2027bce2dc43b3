-- Whether any emergency is open is asked for every batch of looks that is put on record.
create index emergency_accesses_by_end on emergency_accesses (expires_at);
