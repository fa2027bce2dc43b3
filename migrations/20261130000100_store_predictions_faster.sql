-- Inputs and results are the most that a prediction stores. LZ4 packs them in a fraction of the time
-- that PostgreSQL's own method takes, if this PostgreSQL has it; what is stored already stays as it is.
do $$
begin
    alter table predictions
        alter column inputs set compression lz4,
        alter column result set compression lz4;
exception when feature_not_supported then
    raise notice 'this PostgreSQL has no LZ4: predictions are packed its own way';
end
$$;

-- Nobody can wait for a prediction that is not there yet, and whoever notifies commits alone.
drop trigger predictions_announce on predictions;
create trigger predictions_announce
    after update of status on predictions
    for each row execute function announce_prediction();
