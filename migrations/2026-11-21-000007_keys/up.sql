-- Keys that follow others. A service of the release before goes on with projects.public_key, which is the active key.

-- All keys of the projects whose first key was ever followed, extended or revoked.
CREATE TABLE project_keys (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    -- Counts from 1, oldest first.
    number int NOT NULL,
    -- 40 hexadecimal digits.
    fingerprint text NOT NULL,
    -- What the signer says about it; the signer's client has the type.
    public jsonb NOT NULL,
    PRIMARY KEY (project_id, number),
    UNIQUE (project_id, fingerprint)
);
CREATE INDEX project_keys_expires ON project_keys (((public ->> 'expires')::bigint))
    WHERE public ->> 'expires' IS NOT NULL AND public -> 'revoked' IS NULL;
CREATE INDEX projects_key_expires ON projects (((public_key ->> 'expires')::bigint))
    WHERE public_key ->> 'expires' IS NOT NULL AND deleted_at IS NULL;

-- The same package with a newer signature. Snapshots of before go on to name this one; it has no task any more, which only
-- the newest has.
ALTER TABLE rpms ADD COLUMN replaced_by bigint REFERENCES rpms (id) ON DELETE SET NULL;
CREATE INDEX rpms_replaced_by ON rpms (replaced_by) WHERE replaced_by IS NOT NULL;
DROP INDEX rpms_withdrawn;
CREATE INDEX rpms_withdrawn ON rpms (repository_id, id) WHERE task_id IS NULL AND replaced_by IS NULL;

-- Replaced packages that some pointer's snapshot still has: whoever publishes next puts the newer ones in their place.
CREATE TABLE fresh_signatures (
    rpm_id bigint PRIMARY KEY REFERENCES rpms (id) ON DELETE CASCADE,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX fresh_signatures_repository ON fresh_signatures (repository_id);
