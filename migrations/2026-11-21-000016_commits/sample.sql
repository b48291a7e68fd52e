-- Data that a running service has after this migration: a build of a commit, published.
UPDATE builds SET options = options || jsonb_build_object('commit', repeat('a1', 20)) WHERE id = (SELECT min(id) FROM builds);
INSERT INTO commit_snapshots (repository_id, build_id, commit, snapshot)
    SELECT r.id, b.id, b.commit, 1 FROM builds b
        JOIN repositories r ON r.project_id = b.project_id AND r.dirname = b.dirname
    WHERE b.commit IS NOT NULL LIMIT 1;
