-- Where a change came from, and to which project it belongs; what build machines did for whom.

-- Class of the network address: loopback, private, public-v4, public-v6, unknown; `service` where nobody asked.
ALTER TABLE audit ADD COLUMN source text NOT NULL DEFAULT 'service';
-- What was presented: `token 12`, `session`.
ALTER TABLE audit ADD COLUMN credential text;
-- Only where the administrator wants it.
ALTER TABLE audit ADD COLUMN address text;
-- Outlives the project.
ALTER TABLE audit ADD COLUMN project_id bigint;

-- Objects are `project:owner/name`, `build:12`, `package:owner/name/package` and the like.
CREATE FUNCTION audit_project_of(object text, detail jsonb) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    names text[] := regexp_match(object, '^[a-z_-]+:(@?[^/]+)/([^/]+)');
BEGIN
    IF object ~ '^build:[0-9]{1,18}$' THEN
        RETURN (SELECT project_id FROM builds WHERE id = substr(object, 7)::bigint);
    END IF;
    names := coalesce(names, regexp_match(detail ->> 'project', '^(@?[^/]+)/([^/]+)$'));
    IF names IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT id FROM projects WHERE owner = names[1] AND name = split_part(names[2], ':', 1)
        ORDER BY deleted_at IS NOT NULL, id DESC LIMIT 1);
END $$;
CREATE FUNCTION audit_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.project_id := coalesce(NEW.project_id, audit_project_of(NEW.object, NEW.detail));
    RETURN NEW;
END $$;
CREATE TRIGGER audit_project BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_project();
UPDATE audit SET project_id = audit_project_of(object, detail);
CREATE INDEX audit_project ON audit (project_id, id DESC);
-- For projects that are gone, and their namesakes.
CREATE INDEX projects_name ON projects (owner, name);

-- What the service itself does to builds: one line for each end that nobody asked for, in the transaction of that end.
-- Who did it is what the transaction says, as in SET LOCAL koper.actor = 'builder:b1', or else the service. It looks at
-- the end of the transaction: while it makes its tasks one by one, a build may seem to have ended.
CREATE FUNCTION builds_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    b builds%ROWTYPE;
    mark text := format('%s %s', txid_current(), NEW.id);
BEGIN
    SELECT * INTO b FROM builds WHERE id = NEW.id;
    IF NOT FOUND OR b.ended_at IS NULL OR b.canceled_at IS NOT NULL OR b.state = 'forked'
        OR current_setting('koper.ended', true) = mark THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('koper.ended', mark, true);
    INSERT INTO audit (at, actor, action, object, detail)
        VALUES (b.ended_at, coalesce(nullif(current_setting('koper.actor', true), ''), 'service'), 'build.end',
            'build:' || b.id, jsonb_build_object('old', jsonb_build_object('state', OLD.state),
                'new', jsonb_build_object('state', b.state)));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER builds_audit AFTER UPDATE ON builds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION builds_audit();

-- The row of the owner '' holds the service's own limits, for the claim. A limit below 0 is none.
ALTER TABLE quotas ADD COLUMN machine_cpus int NOT NULL DEFAULT 1;

-- By the database's clock; a measure only.
ALTER TABLE tasks ADD COLUMN running_since timestamptz;
CREATE FUNCTION tasks_running_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.running_since := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER tasks_running_since BEFORE UPDATE OF state ON tasks FOR EACH ROW
    WHEN (OLD.state <> 'running' AND NEW.state = 'running') EXECUTE FUNCTION tasks_running_since();
CREATE FUNCTION tasks_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage (owner, day, cpu_seconds)
        SELECT p.holder, (clock_timestamp() AT TIME ZONE 'UTC')::date,
            ceil(extract(epoch FROM clock_timestamp() - OLD.running_since))
                * coalesce((SELECT machine_cpus FROM quotas WHERE owner = ''), 1)
        FROM builds b JOIN projects p ON p.id = b.project_id WHERE b.id = OLD.build_id
        ON CONFLICT (owner, day) DO UPDATE SET cpu_seconds = usage.cpu_seconds + EXCLUDED.cpu_seconds;
    -- Another of the owner's tasks may have waited for this one's end.
    IF EXISTS (SELECT FROM quotas WHERE concurrent_builds >= 0) THEN
        NOTIFY koper_tasks;
    END IF;
    RETURN NULL;
END $$;
-- Every attempt counts. At the end of the transaction: an owner's row is the last lock that is taken.
CREATE CONSTRAINT TRIGGER tasks_usage AFTER UPDATE ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state = 'running' AND NEW.state <> 'running' AND OLD.running_since IS NOT NULL)
    EXECUTE FUNCTION tasks_usage();
