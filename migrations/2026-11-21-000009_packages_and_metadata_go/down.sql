DROP INDEX snapshot_requests_done;
DROP TABLE doomed_objects;
DROP TABLE removed_packages;
ALTER TABLE rpms DROP COLUMN orphaned_at;
