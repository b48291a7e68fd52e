DROP INDEX repositories_looked_at;
ALTER TABLE repositories DROP COLUMN looked_at;
DROP INDEX tasks_at_work, pointer_moves_from, snapshots_going, snapshots_kept;
ALTER TABLE snapshots DROP COLUMN purged_at, DROP COLUMN purge_at;
