BEGIN;
-- Neither foreign keys nor what keeps summaries: 700 000 rows one by one take minutes.
SET LOCAL session_replication_role = replica;

INSERT INTO users (id, name, created_at)
    SELECT n, 'seed-user-' || n, '2025-01-01T00:00:00Z' FROM generate_series(1, 100) n;
INSERT INTO projects (id, owner, holder, name, created_by, created_at, settings, repotag, key_id, public_key, ready_at,
        webhook_secret)
    SELECT n, u.name, u.name, 'seed-' || n, u.id, '2025-01-01T00:00:00Z',
        jsonb_build_object('description', 'Packages of number ' || n || '. ' || repeat('What they are good for. ', 8),
            'instructions', 'Enable it.', 'homepage', 'https://example.org/' || n, 'contact', u.name || '@example.org',
            'auto_prune', true, 'follow_fedora_branching', true, 'bootstrap', 'default', 'isolation', 'default',
            'additional_repos', jsonb_build_array(), 'runtime_dependencies', jsonb_build_array()),
        'seed_' || n, 'seed-' || n,
        jsonb_build_object('fingerprint', repeat(md5(n::text), 1) || '00000000', 'algorithm', 'RSA-4096',
            'armored', repeat('A line of a public key as it is armored, 64 characters or so.' || chr(10), 50)),
        '2025-01-01T00:00:00Z', md5('secret' || n)
    FROM generate_series(1, :projects) n JOIN users u ON u.id = 1 + (n - 1) % 100;
INSERT INTO project_chroots (project_id, chroot, enabled)
    SELECT p.id, c, true FROM projects p, unnest(ARRAY[:chroots]) c;
INSERT INTO directories (project_id, name, created_at, last_build_at)
    SELECT id, name, created_at, created_at FROM projects;
INSERT INTO repositories (project_id, dirname, chroot)
    SELECT p.id, p.name, c FROM projects p, unnest(ARRAY[:chroots]) c;
INSERT INTO packages (id, project_id, name, source_type, source, webhook_rebuild)
    SELECT n, CASE WHEN n <= :large_packages THEN 1 ELSE 2 + n % (:projects - 1) END,
        'package-' || lpad(n::text, 5, '0'), 'scm',
        jsonb_build_object('clone_url', 'https://example.org/package-' || n || '.git', 'committish', 'main',
            'subdirectory', '', 'spec', '', 'type', 'git', 'srpm_build_method', 'rpkg'), n % 2 = 0
    FROM generate_series(1, :packages) n;

-- One build a minute; every fifth is the large project's; one in seven fails, in its first chroot.
INSERT INTO builds (id, project_id, dirname, submitter, source_kind, srpm_sha256, srpm_name, srpm_size, package_name,
        package_version, submitted_at, options, package_id, state, started_at, ended_at, chroots, chroot_states)
    SELECT n, k.project_id, p.name, p.created_by, 'upload', md5(n::text) || md5(n::text),
        k.name || '-1.' || n || '-1.src.rpm', 10000 + n, k.name, '1.' || n || '-1',
        t.at, '{"timeout_s": null, "enable_net": null, "background": false}', k.id,
        CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'succeeded' END, t.at + interval '10 seconds',
        t.at + interval '2 minutes', ARRAY[:chroots],
        CASE WHEN n % 7 = 0 THEN ARRAY['failed'] ELSE ARRAY['succeeded'] END
            || array_fill('succeeded'::text, ARRAY[cardinality(ARRAY[:chroots]) - 1])
    FROM generate_series(1, :builds) n
        JOIN packages k ON k.id = CASE WHEN n % 5 = 0 THEN 1 + (n / 5) % :large_packages
            ELSE :large_packages + 1 + n % (:packages - :large_packages) END
        JOIN projects p ON p.id = k.project_id
        CROSS JOIN LATERAL (SELECT '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 minute' AS at) t
    ORDER BY n;
INSERT INTO tasks (build_id, kind, chroot, state, attempt, builder, created_at, started_at, ended_at, failure_kind,
        failure_message, manifest, result_dir)
    SELECT b.id, 'rpm', c.name, c.state, 1, 'seed', b.submitted_at, b.started_at, b.ended_at,
        CASE c.state WHEN 'failed' THEN 'build_failed' END,
        CASE c.state WHEN 'failed' THEN 'rpmbuild ended with status 1' END, '[]',
        lpad(b.id::text, 8, '0') || '-' || b.package_name
    FROM builds b, unnest(b.chroots, b.chroot_states) AS c (name, state)
    ORDER BY b.id, c.name;
-- Published packages of the large project; their metadata is not what is measured.
INSERT INTO rpms (repository_id, task_id, name, epoch, version, release, arch, file_name, sha256, unsigned_sha256, size,
        since_snapshot, primary_xml, filelists_xml, other_xml)
    SELECT r.id, t.id, b.package_name, 0, '1.' || b.id, '1', 'noarch', b.package_name || '-1.' || b.id || '-1.noarch.rpm',
        b.srpm_sha256, b.srpm_sha256, b.srpm_size, 1, '', '', ''
    FROM builds b JOIN tasks t ON t.build_id = b.id JOIN repositories r ON r.project_id = b.project_id AND r.chroot = t.chroot
    WHERE b.project_id = 1 AND t.state = 'succeeded'
    ORDER BY t.id;
COMMIT;

SELECT count(find_newest_builds(k.id, p.name)) FROM packages k JOIN projects p ON p.id = k.project_id;
SELECT setval('users_id_seq', (SELECT max(id) FROM users)), setval('projects_id_seq', (SELECT max(id) FROM projects)),
    setval('packages_id_seq', (SELECT max(id) FROM packages)), setval('builds_id_seq', (SELECT max(id) FROM builds));
ANALYZE;
