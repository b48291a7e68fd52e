-- Data that a running service has after this migration.
INSERT INTO builds (project_id, dirname, source_kind, source, submitted_at, options)
    SELECT id, name, 'scm', '{"clone_url": "https://example.org/eventful.git"}', '2026-11-21T00:00:00Z', '{}' FROM projects;
INSERT INTO tasks (build_id, kind, state, created_at)
    SELECT id, 'source', 'pending', '2026-11-21T00:00:00Z' FROM builds WHERE source ->> 'clone_url' LIKE '%eventful%';
UPDATE tasks SET state = 'running', started_at = '2026-11-21T00:00:01Z', lease_expires_at = '2026-11-21T00:01:00Z'
    WHERE state = 'pending';
