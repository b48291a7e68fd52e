-- Data that a running service has after this migration.
UPDATE rpms SET orphaned_at = '2026-11-21T00:00:00Z' WHERE task_id IS NULL;
INSERT INTO removed_packages (id, repository_id, sha256, successor, primary_xml)
    SELECT 1000000 + id, id, repeat('a', 64), NULL, '' FROM repositories;
INSERT INTO doomed_objects (repository_id, path, since, deleting_at)
    SELECT id, 'repos/a/b/c/frames/' || n, '2026-11-21T00:00:00Z', CASE n WHEN 2 THEN '2026-11-22T00:00:00Z'::timestamptz END
    FROM repositories, generate_series(1, 2) n;
