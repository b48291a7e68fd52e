-- Data that a running service has after this migration.
INSERT INTO groups (name, created_at) VALUES ('sample-sig', '2026-11-21T00:00:00Z');
INSERT INTO group_members (group_id, user_id, role) SELECT g.id, u.id, 'admin' FROM groups g, users u WHERE g.name = 'sample-sig';
INSERT INTO project_permissions (project_id, user_id, builder, admin) SELECT p.id, u.id, 2, 1 FROM projects p, users u;
INSERT INTO packages (project_id, name, source_type, source)
    SELECT id, 'sample-scm', 'scm', '{"clone_url": "https://example.org/sample.git"}' FROM projects;
INSERT INTO batches (blocked_by) VALUES (NULL);
INSERT INTO batches (blocked_by) SELECT id FROM batches;
INSERT INTO builds (project_id, dirname, source_kind, source, package_id, batch_id, submitted_at, options)
    SELECT k.project_id, p.name, 'scm', k.source, k.id, (SELECT max(id) FROM batches), '2026-11-21T00:00:00Z', '{}'
    FROM packages k JOIN projects p ON p.id = k.project_id WHERE k.name = 'sample-scm';
INSERT INTO tasks (build_id, kind, state, created_at, ended_at)
    SELECT id, 'source', 'failed', '2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z' FROM builds WHERE source_kind = 'scm';
INSERT INTO removed_builds (build, project_id, dirname, package, chroots, repositories, tasks)
    SELECT 1000000 + id, id, name, 'sample', '{}', '{}', '{}' FROM projects;
INSERT INTO webhook_deliveries (project_id, at, kind, headers, body, status, decision)
    SELECT id, '2026-11-21T00:00:00Z', 'github', '{}', '', 200, '{"message": "nothing to build"}' FROM projects;
INSERT INTO outbox (at, topic, message_id, body) VALUES ('2026-11-21T00:00:00Z', 'copr.build.end', 'sample', '{}');
INSERT INTO quotas (owner, concurrent_builds) VALUES ('@sample-sig', 4);
INSERT INTO usage (owner, day, cpu_seconds) VALUES ('@sample-sig', '2026-11-21', 12);
INSERT INTO api_tokens (user_id, login, token_sha256, created_at, name, scope)
    SELECT id, 'sample-login', 'x', '2026-11-21T00:00:00Z', 'pipeline', '{"projects": ["sample/*"], "actions": ["build"]}' FROM users;
INSERT INTO jobs (kind, payload, run_at, created_at, last_error, trouble_of)
    SELECT 'republish', jsonb_build_object('kind', 'republish', 'project', id, 'release', true), '2026-11-21T00:00:00Z',
        '2026-11-21T00:00:00Z', 'the signer does not answer', id FROM projects;
