DROP TABLE commit_snapshots;
DROP INDEX builds_commit;
ALTER TABLE builds DROP COLUMN commit;
