DROP TABLE snapshot_requests, pointer_moves, pointers;
DELETE FROM rpms WHERE task_id IS NULL;
DROP INDEX rpms_withdrawn;
DROP INDEX rpms_nevra;
-- The last of a name stays.
DELETE FROM rpms r USING rpms o WHERE NOT r.scratch AND NOT o.scratch AND o.id > r.id
    AND (o.repository_id, o.name, o.epoch, o.version, o.release, o.arch)
        = (r.repository_id, r.name, r.epoch, r.version, r.release, r.arch);
CREATE UNIQUE INDEX rpms_nevra ON rpms (repository_id, name, epoch, version, release, arch) WHERE NOT scratch;
ALTER TABLE rpms DROP CONSTRAINT rpms_task_id_fkey;
ALTER TABLE rpms ADD CONSTRAINT rpms_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE;
ALTER TABLE rpms ALTER COLUMN task_id SET NOT NULL;
ALTER TABLE snapshots DROP COLUMN actor, DROP COLUMN steps, DROP COLUMN content, DROP COLUMN removed, DROP COLUMN added;
