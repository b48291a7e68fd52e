INSERT INTO users (name, created_at) VALUES ('sample', '2026-11-01T00:00:00Z');
INSERT INTO chroots (name, description, active, definition) VALUES ('sample-1-x86_64', 'A sample', true, '{}');
INSERT INTO projects (owner, name, created_by, created_at, settings, repotag, key_id)
    SELECT 'sample', 'tools', id, '2026-11-01T00:00:00Z', '{}', 'sample_tools', 'project-sample' FROM users WHERE name = 'sample';
INSERT INTO project_chroots SELECT id, 'sample-1-x86_64', true FROM projects WHERE repotag = 'sample_tools';
INSERT INTO repositories (project_id, dirname, chroot) SELECT id, 'tools', 'sample-1-x86_64' FROM projects WHERE repotag = 'sample_tools';
INSERT INTO builds (project_id, dirname, source_kind, submitted_at, options)
    SELECT id, 'tools', 'upload', '2026-11-01T00:00:00Z', '{}' FROM projects WHERE repotag = 'sample_tools';
INSERT INTO tasks (build_id, kind, chroot, state, created_at)
    SELECT id, 'rpm', 'sample-1-x86_64', 'pending', '2026-11-01T00:00:00Z' FROM builds;
