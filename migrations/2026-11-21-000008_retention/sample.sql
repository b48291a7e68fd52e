-- Data that a running service has after this migration.
INSERT INTO snapshots (repository_id, number, parent, created_at, cause, packages, repomd_sha256, purge_at, purged_at)
    SELECT r.id, n, 1, '2026-11-21T00:00:00Z', 'build 1', 0, repeat('0', 64), '2026-11-22T00:00:00Z',
        CASE n WHEN 11 THEN '2026-11-22T00:00:01Z'::timestamptz END
    FROM repositories r, generate_series(10, 11) n;
UPDATE repositories SET looked_at = '2026-11-21T00:00:00Z', next_snapshot = greatest(next_snapshot, 12);
