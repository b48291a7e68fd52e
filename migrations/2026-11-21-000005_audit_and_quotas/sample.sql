-- Data that a running service has after this migration.
INSERT INTO audit (at, actor, action, object, detail, source, credential)
    SELECT '2026-11-21T00:00:00Z', 'sample', 'project.edit', 'project:' || owner || '/' || name, '{}', 'public-v6', 'token 1'
    FROM projects;
INSERT INTO quotas (owner, concurrent_builds, machine_cpus) VALUES ('', 100, 2);
