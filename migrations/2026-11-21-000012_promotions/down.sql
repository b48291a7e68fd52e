DROP INDEX pointer_moves_of;
ALTER TABLE snapshots DROP COLUMN signed_by;
DROP TABLE promoted_packages;
ALTER TABLE snapshot_requests DROP COLUMN refusal;
ALTER TABLE builds DROP COLUMN promoted_from;
