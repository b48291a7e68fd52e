DROP TABLE fresh_signatures;
DROP INDEX rpms_withdrawn;
CREATE INDEX rpms_withdrawn ON rpms (repository_id, id) WHERE task_id IS NULL;
DROP INDEX rpms_replaced_by;
ALTER TABLE rpms DROP COLUMN replaced_by;
DROP INDEX projects_key_expires;
DROP TABLE project_keys;
