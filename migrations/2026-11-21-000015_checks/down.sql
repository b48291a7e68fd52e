DROP INDEX test_results_unseen;
DELETE FROM test_results WHERE testcase <> '';
ALTER TABLE test_results DROP COLUMN testcase;
CREATE INDEX test_results_unseen ON test_results (repository_id) WHERE passed AND (builds_at IS NULL OR users_at IS NULL);
DROP TABLE checks;
DROP FUNCTION checks_event();
