-- Data that a running service has after this migration.
INSERT INTO mini_repositories (repository_id, name, task_id, revision, fingerprint, content, made_at)
    SELECT r.repository_id, '00000001-hello', r.task_id, nextval('mini_revisions'), repeat('A', 40), array_agg(r.id),
        '2026-11-21T00:00:00Z'
    FROM rpms r WHERE r.task_id = (SELECT min(task_id) FROM rpms) GROUP BY 1, 3;
