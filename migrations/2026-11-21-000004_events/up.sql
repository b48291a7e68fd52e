-- Events: each change of a task's or build's state puts its messages into the outbox in the same transaction, wherever
-- the change is written. docs/events.md says what they promise.
--
-- A bulk load that is no news to anybody says SET koper.events = 'off' first.

CREATE INDEX outbox_at ON outbox (at);

-- Copr's number of a state.
CREATE FUNCTION event_status(state text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE state WHEN 'failed' THEN 0 WHEN 'succeeded' THEN 1 WHEN 'canceled' THEN 2 WHEN 'running' THEN 3
        WHEN 'publishing' THEN 3 WHEN 'pending' THEN 4 WHEN 'skipped' THEN 5 WHEN 'importing' THEN 7
        WHEN 'forked' THEN 8 WHEN 'waiting' THEN 9 ELSE 1000 END
$$;

-- One event has one number, a version 8 UUID, however often it is written or sent.
CREATE FUNCTION event_id(what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT overlay(overlay(left(encode(sha256(convert_to(what, 'UTF8')), 'hex'), 32) PLACING '8' FROM 13 FOR 1)
        PLACING 'a' FROM 17 FOR 1)::uuid::text
$$;

-- What Copr's messages say of a build; `version` is read as version-release by its readers.
CREATE FUNCTION event_facts(build bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('user', u.name, 'copr', p.name, 'owner', p.owner, 'pkg', b.package_name,
        'build', b.id, 'version', CASE WHEN b.package_version LIKE '%-%' THEN b.package_version END)
    FROM builds b JOIN projects p ON p.id = b.project_id LEFT JOIN users u ON u.id = b.submitter WHERE b.id = build
$$;

CREATE FUNCTION event_put(at timestamptz, topic text, identity text, body jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (at, topic, message_id, body) VALUES (at, topic, event_id(topic || ' ' || identity), body)
        ON CONFLICT (message_id) DO NOTHING
$$;

-- Chroots: copr.build.start and .end, which in Copr are messages of one chroot, and copr.chroot.start and .end.
CREATE FUNCTION tasks_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    final CONSTANT text[] := '{succeeded,failed,canceled,skipped}';
    facts jsonb := event_facts(NEW.build_id);
    place text := coalesce(NEW.chroot, 'srpm-builds');
    identity text := format('%s %s %s', NEW.build_id, place, extract(epoch FROM NEW.created_at));
    started boolean := NEW.started_at IS NOT NULL;
    ended boolean := NEW.state = ANY (final);
    person text := coalesce(facts ->> 'user', 'None');
    body jsonb;
    tail text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        started := started AND OLD.started_at IS NULL;
        ended := ended AND NOT OLD.state = ANY (final);
    END IF;
    -- The builder's address is nobody's business; its name and the task's number stand for Copr's worker.
    facts := facts || jsonb_build_object('chroot', place, 'ip', NULL, 'who', coalesce(NEW.builder, 'koper'), 'pid', NEW.id);
    tail := format('user:%s copr:%s pkg:%s build:%s ip:None pid:%s', person, facts ->> 'copr',
        coalesce(facts ->> 'pkg', 'None'), NEW.build_id, NEW.id);
    IF started THEN
        body := facts || jsonb_build_object('status', event_status('running'));
        PERFORM event_put(NEW.started_at, 'copr.build.start', identity,
            body || jsonb_build_object('what', 'build start: ' || tail));
        PERFORM event_put(NEW.started_at, 'copr.chroot.start', identity,
            body || jsonb_build_object('what', format('chroot start: chroot:%s %s', place, tail)));
    END IF;
    IF ended THEN
        body := facts || jsonb_build_object('status', event_status(NEW.state));
        tail := format('user:%s copr:%s build:%s pkg:%s version:%s ip:None pid:%s status:%s', person, facts ->> 'copr',
            NEW.build_id, coalesce(facts ->> 'pkg', 'None'), coalesce(facts ->> 'version', 'None'), NEW.id,
            event_status(NEW.state));
        PERFORM event_put(coalesce(NEW.ended_at, NEW.created_at), 'copr.build.end', identity,
            body || jsonb_build_object('what', 'build end: ' || tail));
        PERFORM event_put(coalesce(NEW.ended_at, NEW.created_at), 'copr.chroot.end', identity,
            body || jsonb_build_object('what', format('chroot end: chroot:%s %s', place, tail)));
    END IF;
    NOTIFY koper_events;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_event_inserted AFTER INSERT ON tasks FOR EACH ROW
    WHEN (NEW.state IN ('failed', 'canceled', 'skipped') AND current_setting('koper.events', true) IS DISTINCT FROM 'off')
    EXECUTE FUNCTION tasks_event();
CREATE TRIGGER tasks_event_updated AFTER UPDATE OF state, started_at ON tasks FOR EACH ROW
    WHEN ((OLD.state IS DISTINCT FROM NEW.state OR OLD.started_at IS DISTINCT FROM NEW.started_at)
        AND current_setting('koper.events', true) IS DISTINCT FROM 'off')
    EXECUTE FUNCTION tasks_event();

-- Whole builds: one message each. They look at the end of the transaction: while it makes its tasks one by one, a build
-- may seem to have ended.
CREATE FUNCTION builds_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    b builds%ROWTYPE;
    what CONSTANT text := TG_ARGV[0];
    identity text;
    facts jsonb;
BEGIN
    SELECT * INTO b FROM builds WHERE id = NEW.id;
    IF NOT FOUND OR b.state = 'forked' OR (what = 'ended' AND b.ended_at IS NULL) THEN
        RETURN NULL;
    END IF;
    identity := format('%s %s', b.id, extract(epoch FROM b.submitted_at));
    facts := event_facts(b.id);
    facts := facts || jsonb_build_object('dirname', b.dirname, 'state', b.state, 'status', event_status(b.state),
        'submitted_on', floor(extract(epoch FROM b.submitted_at)), 'started_on', floor(extract(epoch FROM b.started_at)),
        'ended_on', floor(extract(epoch FROM b.ended_at)),
        'chroots', (SELECT coalesce(jsonb_object_agg(chroot, CASE state WHEN 'publishing' THEN 'running' ELSE state END), '{}')
            FROM tasks WHERE build_id = b.id AND kind = 'rpm'),
        'what', format('build %s: user:%s copr:%s build:%s pkg:%s state:%s', what, coalesce(facts ->> 'user', 'None'),
            facts ->> 'copr', b.id, coalesce(facts ->> 'pkg', 'None'), b.state));
    PERFORM event_put(CASE what WHEN 'submitted' THEN b.submitted_at WHEN 'started' THEN b.started_at ELSE b.ended_at END,
        'koper.build.' || what, identity, facts);
    NOTIFY koper_events;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER builds_event_submitted AFTER INSERT ON builds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (current_setting('koper.events', true) IS DISTINCT FROM 'off') EXECUTE FUNCTION builds_event('submitted');
CREATE CONSTRAINT TRIGGER builds_event_started AFTER UPDATE ON builds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.started_at IS NULL AND NEW.started_at IS NOT NULL AND current_setting('koper.events', true) IS DISTINCT FROM 'off')
    EXECUTE FUNCTION builds_event('started');
CREATE CONSTRAINT TRIGGER builds_event_ended AFTER UPDATE ON builds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND current_setting('koper.events', true) IS DISTINCT FROM 'off')
    EXECUTE FUNCTION builds_event('ended');
