-- Data that a running service has after this migration.
INSERT INTO loose_blobs (sha256, since, deleting_at) VALUES
    (repeat('a', 64), NULL, NULL),
    (repeat('b', 64), '2026-11-21T00:00:00Z', NULL),
    (repeat('c', 64), '2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z');
INSERT INTO chores (name, begun_at) VALUES ('blobs', '2026-11-21T00:00:00Z');
