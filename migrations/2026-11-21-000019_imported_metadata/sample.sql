-- Data that a running service has after this migration: advisories of an import.
INSERT INTO imported_metadata (repository_id, kind, sha256, url, build_id)
    SELECT id, 'updateinfo', repeat('c', 64), 'https://example.org/repo/', 1 FROM repositories ORDER BY id LIMIT 1;
