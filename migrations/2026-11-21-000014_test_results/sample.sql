-- Data that a running service has after this migration, a result of a test.
INSERT INTO test_results (repository_id, build_id, passed, url, message, actor, at, added, release_at)
    SELECT r.id, b.id, true, 'https://ci.example.org/1', '', 'alice', '2026-11-21T00:00:00Z', '{1}', '2026-11-22T00:00:00Z'
    FROM builds b JOIN repositories r ON r.project_id = b.project_id AND r.dirname = b.dirname LIMIT 1;
