-- Data that a running service has after this migration: a package that has nothing (a compressed `[]`).
INSERT INTO package_software (unsigned_sha256, components, claimed_at)
    SELECT unsigned_sha256, '\x28b52ffd00581100005b5d', '2026-11-21T00:00:00Z' FROM rpms ORDER BY id LIMIT 1;
