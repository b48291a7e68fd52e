-- What a snapshot holds, as numbers of packages: what came and what went against its parent, and, every now and then,
-- the whole list, so that no list is put together from more than some steps.
ALTER TABLE snapshots ADD COLUMN added bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE snapshots ADD COLUMN removed bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE snapshots ADD COLUMN content bigint[];
-- Snapshots between this one and the one with the whole list.
ALTER TABLE snapshots ADD COLUMN steps int NOT NULL DEFAULT 0;
-- Who asked for it; null for the service itself.
ALTER TABLE snapshots ADD COLUMN actor text;
UPDATE snapshots s SET content = coalesce((SELECT array_agg(r.id ORDER BY r.id) FROM rpms r
        WHERE r.repository_id = s.repository_id AND r.since_snapshot <= s.number AND NOT r.scratch), '{}'),
    added = coalesce((SELECT array_agg(r.id ORDER BY r.id) FROM rpms r
        WHERE r.repository_id = s.repository_id AND r.since_snapshot = s.number AND NOT r.scratch), '{}');

-- Packages outlive their build, as long as a snapshot may name them.
ALTER TABLE rpms ALTER COLUMN task_id DROP NOT NULL;
ALTER TABLE rpms DROP CONSTRAINT rpms_task_id_fkey;
ALTER TABLE rpms ADD CONSTRAINT rpms_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE SET NULL;
CREATE INDEX rpms_withdrawn ON rpms (repository_id, id) WHERE task_id IS NULL;
-- Whether two of a name may be there is the project's to say; in one snapshot there never are.
DROP INDEX rpms_nevra;
CREATE INDEX rpms_nevra ON rpms (repository_id, name, epoch, version, release, arch) WHERE NOT scratch;

-- Names for snapshots that somebody chose; `latest` and `devel` are columns of their repository.
CREATE TABLE pointers (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name text NOT NULL,
    snapshot bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    actor text,
    PRIMARY KEY (repository_id, name)
);

-- Where each pointer, also `latest` and `devel`, was at what time. `to_snapshot` is null when a pointer was removed.
CREATE TABLE pointer_moves (
    id bigserial PRIMARY KEY,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name text NOT NULL,
    from_snapshot bigint,
    to_snapshot bigint,
    moved_at timestamptz NOT NULL,
    actor text,
    cause text NOT NULL
);
CREATE INDEX pointer_moves_at ON pointer_moves (repository_id, name, moved_at DESC, id DESC);
-- What is known of the time before: where `latest` came to.
INSERT INTO pointer_moves (repository_id, name, from_snapshot, to_snapshot, moved_at, cause)
    SELECT s.repository_id, 'latest', nullif(s.parent, 0), s.number, s.created_at, s.cause
    FROM snapshots s JOIN repositories r ON r.id = s.repository_id
    WHERE s.number <= r.current_snapshot ORDER BY s.created_at, s.number;

-- Snapshots that somebody asked for, and what came of that: a snapshot, or where the pointer was in place of where it
-- had to be.
CREATE TABLE snapshot_requests (
    id bigserial PRIMARY KEY,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    pointer text NOT NULL,
    -- The snapshot that the pointer has to name; 0 for none, null for whichever it is.
    expected bigint,
    added bigint[] NOT NULL,
    removed bigint[] NOT NULL,
    actor text NOT NULL,
    cause text NOT NULL,
    created_at timestamptz NOT NULL,
    snapshot bigint,
    was_at bigint
);
CREATE INDEX snapshot_requests_repository ON snapshot_requests (repository_id);
