-- Data that a running service has after this migration.
INSERT INTO builds (project_id, dirname, source_kind, source, source_url, submitted_at, options)
    SELECT id, name, 'import', '{"url": "https://example.org/repo/", "packages": [], "origin": "unverified-origin"}',
        'https://example.org/repo/', '2026-11-21T00:00:00Z', '{}'
    FROM projects;
