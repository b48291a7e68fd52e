-- Small repositories of what one build made in a chroot, or one batch in a repository.
CREATE SEQUENCE mini_revisions;
CREATE TABLE mini_repositories (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Its folder below that of the repository: `00000012-hello`, `batches/7`.
    name text NOT NULL,
    task_id bigint REFERENCES tasks (id) ON DELETE CASCADE,
    batch_id bigint REFERENCES batches (id) ON DELETE CASCADE,
    -- The one that is served; of mini_revisions, so that two writers never have the same.
    revision bigint NOT NULL,
    -- Of the key that signed it: 40 hexadecimal digits.
    fingerprint text NOT NULL,
    -- rpms.id, ascending.
    content bigint[] NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (repository_id, name),
    CHECK (num_nonnulls(task_id, batch_id) = 1)
);
CREATE INDEX mini_repositories_task ON mini_repositories (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX mini_repositories_batch ON mini_repositories (batch_id) WHERE batch_id IS NOT NULL;

-- The last build of a batch ends or goes, or one that has ended becomes a batch. Its row is locked already, so of two that
-- end together the later one sees the earlier. A job that waits is locked, so that nobody runs it before this is committed.
CREATE FUNCTION batches_repository() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    batch bigint := OLD.batch_id;
BEGIN
    IF TG_OP = 'UPDATE' THEN batch := NEW.batch_id; END IF;
    IF batch IS NULL THEN RETURN NULL; END IF;
    IF EXISTS (SELECT 1 FROM builds WHERE batch_id = batch AND ended_at IS NULL) THEN RETURN NULL; END IF;
    INSERT INTO jobs (kind, payload, priority, run_at, created_at)
        VALUES ('batch_repository', jsonb_build_object('kind', 'batch_repository', 'batch', batch), 2,
            clock_timestamp(), clock_timestamp())
        ON CONFLICT (kind, payload) WHERE failed_at IS NULL AND lease_expires_at IS NULL
        DO UPDATE SET run_at = EXCLUDED.run_at;
    NOTIFY koper_jobs;
    RETURN NULL;
END $$;
CREATE TRIGGER batches_repository AFTER UPDATE OF ended_at, batch_id ON builds FOR EACH ROW
    WHEN (NEW.batch_id IS NOT NULL AND NEW.ended_at IS NOT NULL
        AND (OLD.ended_at IS NULL OR OLD.batch_id IS DISTINCT FROM NEW.batch_id))
    EXECUTE FUNCTION batches_repository();
CREATE TRIGGER batches_repository_deleted AFTER DELETE ON builds FOR EACH ROW
    WHEN (OLD.batch_id IS NOT NULL) EXECUTE FUNCTION batches_repository();
