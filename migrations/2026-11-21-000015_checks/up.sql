-- Checks: whether the packages that a snapshot brought can be installed. Builders do them as they do tasks, with which they
-- share numbers: what a builder says of a number is about one of both.
CREATE TABLE checks (
    id bigint PRIMARY KEY DEFAULT nextval('tasks_id_seq'),
    repository_id bigint NOT NULL,
    snapshot bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'passed', 'failed', 'error', 'skipped')),
    -- Why it ended as it did, for people; what dnf said.
    message text NOT NULL DEFAULT '',
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    builder text,
    lease_expires_at timestamptz,
    not_before timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    UNIQUE (repository_id, snapshot),
    FOREIGN KEY (repository_id, snapshot) REFERENCES snapshots (repository_id, number) ON DELETE CASCADE
);
CREATE INDEX checks_waiting ON checks (id) WHERE state = 'waiting';
CREATE INDEX checks_running ON checks (lease_expires_at) WHERE state = 'running';

-- Which test a result is of; empty for those that somebody reported.
ALTER TABLE test_results ADD COLUMN testcase text NOT NULL DEFAULT '';
-- A result of the service's own tests brings no packages to anybody.
DROP INDEX test_results_unseen;
CREATE INDEX test_results_unseen ON test_results (repository_id)
    WHERE passed AND testcase = '' AND (builds_at IS NULL OR users_at IS NULL);

-- The bus is told how a check ended.
CREATE FUNCTION checks_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place record;
BEGIN
    SELECT p.owner, p.name, r.dirname, r.chroot INTO place
        FROM repositories r JOIN projects p ON p.id = r.project_id WHERE r.id = NEW.repository_id;
    PERFORM event_put(coalesce(NEW.ended_at, NEW.created_at), 'koper.snapshot.checked', NEW.id::text,
        jsonb_build_object('owner', place.owner, 'copr', place.name, 'dirname', place.dirname, 'chroot', place.chroot,
            'snapshot', NEW.snapshot, 'testcase', 'koper.installable', 'result', NEW.state, 'message', NEW.message,
            'what', format('snapshot checked: owner:%s copr:%s chroot:%s snapshot:%s result:%s', place.owner, place.name,
                place.chroot, NEW.snapshot, NEW.state)));
    NOTIFY koper_events;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_event AFTER UPDATE OF state ON checks FOR EACH ROW
    WHEN (NEW.state IN ('passed', 'failed', 'error') AND OLD.state IS DISTINCT FROM NEW.state
        AND current_setting('koper.events', true) IS DISTINCT FROM 'off')
    EXECUTE FUNCTION checks_event();
