-- Data that a running service has after this migration.
INSERT INTO snapshots (repository_id, number, parent, created_at, cause, packages, repomd_sha256, content, actor)
    SELECT id, 1, 0, '2026-11-21T00:00:00Z', 'set-up', 0, repeat('0', 64), '{}', 'sample' FROM repositories;
UPDATE repositories SET current_snapshot = 1, devel_snapshot = 1, next_snapshot = 2;
INSERT INTO pointers (repository_id, name, snapshot, moved_at, actor)
    SELECT id, 'stable', 1, '2026-11-21T00:00:00Z', 'sample' FROM repositories;
INSERT INTO pointer_moves (repository_id, name, to_snapshot, moved_at, actor, cause)
    SELECT id, 'stable', 1, '2026-11-21T00:00:00Z', 'sample', 'tried' FROM repositories;
INSERT INTO rpms (repository_id, name, epoch, version, release, arch, file_name, sha256, unsigned_sha256, size,
        since_snapshot, primary_xml, filelists_xml, other_xml)
    SELECT id, 'gone', 0, '1', n::text, 'noarch', 'gone-1-1.noarch.rpm', repeat('1', 64), repeat('2', 64), 7, 1, '', '', ''
    FROM repositories, generate_series(1, 2) n;
INSERT INTO snapshot_requests (repository_id, pointer, expected, added, removed, actor, cause, created_at, snapshot)
    SELECT id, 'stable', 0, '{1}', '{}', 'sample', 'tried', '2026-11-21T00:00:00Z', 1 FROM repositories;
