-- Data that a running service has after this migration, a job that a process runs.
INSERT INTO jobs (kind, payload, priority, run_at, created_at, attempt, lease_expires_at, holder)
    VALUES ('retain_blobs', '{"kind": "retain_blobs"}', 1, '2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z', 1, '2026-11-21T00:00:30Z', nextval('job_holders'));
