-- Since when nothing names a package whose build was deleted or whose signature was replaced.
ALTER TABLE rpms ADD COLUMN orphaned_at timestamptz;
-- Packages that went, until the lists by which their addresses are found do without them.
CREATE TABLE removed_packages (
    id bigint PRIMARY KEY,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    sha256 text NOT NULL,
    -- The package with a newer signature that took its place.
    successor bigint,
    primary_xml bytea NOT NULL
);
CREATE INDEX removed_packages_repository ON removed_packages (repository_id, id);
-- Objects of a repository's metadata that no snapshot names any more, since when, and since when somebody deletes them.
CREATE TABLE doomed_objects (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    path text NOT NULL,
    since timestamptz NOT NULL,
    deleting_at timestamptz,
    PRIMARY KEY (repository_id, path)
);
-- What somebody asked of snapshots is forgotten some time after it is done.
CREATE INDEX snapshot_requests_done ON snapshot_requests (created_at) WHERE snapshot IS NOT NULL OR was_at IS NOT NULL;
