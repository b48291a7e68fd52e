-- Where a build's packages come from that was promoted from another repository: project, directory, chroot, snapshot and
-- number of the build there. It is said even when they are gone.
ALTER TABLE builds ADD COLUMN promoted_from jsonb;

-- Why a snapshot that somebody asked for cannot be made.
ALTER TABLE snapshot_requests ADD COLUMN refusal text;

-- Packages that a request brings from another repository: which task has them, and which file is signed anew for it.
CREATE TABLE promoted_packages (
    id bigserial PRIMARY KEY,
    request_id bigint NOT NULL REFERENCES snapshot_requests (id) ON DELETE CASCADE,
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    unsigned_sha256 text NOT NULL
);
CREATE INDEX promoted_packages_request ON promoted_packages (request_id, task_id);
CREATE INDEX promoted_packages_task ON promoted_packages (task_id);

-- Fingerprint of the key that signed a snapshot's repomd.xml; null where that was not written down.
ALTER TABLE snapshots ADD COLUMN signed_by text;

-- The moves of all pointers of a repository, in their order.
CREATE INDEX pointer_moves_of ON pointer_moves (repository_id, id);
