-- Data that a running service has after this migration, a check that a builder runs and the result of another one.
INSERT INTO checks (repository_id, snapshot, state, attempt, builder, lease_expires_at, created_at, started_at)
    SELECT repository_id, number, 'running', 1, 'builder1', '2026-11-21T00:01:00Z', '2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z'
    FROM snapshots ORDER BY repository_id, number LIMIT 1;
INSERT INTO test_results (repository_id, snapshot, passed, url, message, actor, at, testcase)
    SELECT repository_id, number, false, '', 'a-0:1-1.noarch cannot be installed', 'service', '2026-11-21T00:00:00Z', 'koper.installable'
    FROM snapshots ORDER BY repository_id, number LIMIT 1;
