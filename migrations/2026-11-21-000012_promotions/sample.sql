-- Data that a running service has after this migration.
UPDATE builds SET promoted_from =
    '{"project": "sample/other", "dir": "other", "chroot": "debian-12-x86_64", "snapshot": 2, "build": 1}'
    WHERE id = (SELECT min(id) FROM builds);
UPDATE snapshot_requests SET refusal = 'tried' WHERE snapshot IS NULL;
INSERT INTO promoted_packages (request_id, task_id, file_name, sha256, unsigned_sha256)
    SELECT r.id, t.id, 'hello-1-1.noarch.rpm', repeat('1', 64), repeat('2', 64)
    FROM (SELECT min(id) AS id FROM snapshot_requests) r, (SELECT min(id) AS id FROM tasks) t
    WHERE r.id IS NOT NULL AND t.id IS NOT NULL;
UPDATE snapshots SET signed_by = repeat('A', 40) WHERE number = 1;
