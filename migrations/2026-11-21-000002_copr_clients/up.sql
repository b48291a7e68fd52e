-- What Copr's clients know beside projects and builds: groups, permissions, packages, batches, directories, webhooks,
-- named tokens; and what the service tells others: events.

-- Groups. `name` is without the `@` that owners of projects have.
CREATE TABLE groups (
    id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);
CREATE TABLE group_members (
    group_id bigint NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Members build in the group's projects and edit them; admins also name members.
    role text NOT NULL CHECK (role IN ('member', 'admin')),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);

-- Tokens get names and limits. Old ones become "default", without limits.
ALTER TABLE api_tokens ADD COLUMN name text NOT NULL DEFAULT 'default';
-- {"projects": ["owner/name"], "actions": ["build"]}; null: everything.
ALTER TABLE api_tokens ADD COLUMN scope jsonb;
ALTER TABLE api_tokens ALTER COLUMN expires_at DROP NOT NULL;
-- Of several tokens the newest keeps the name.
UPDATE api_tokens SET name = 'default-' || id WHERE id NOT IN (SELECT max(id) FROM api_tokens GROUP BY user_id);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (user_id, name);

-- `owner` is the name space in which a project lives, which its URLs, keys and repository ids show and which never
-- changes; `holder` is the user or group (`@name`) that decides, and can be replaced.
ALTER TABLE projects ADD COLUMN holder text;
UPDATE projects SET holder = owner;
ALTER TABLE projects ALTER COLUMN holder SET NOT NULL;
-- For processes of the release before, which do not know the column.
CREATE FUNCTION projects_holder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.holder := coalesce(NEW.holder, NEW.owner);
    RETURN NEW;
END $$;
CREATE TRIGGER projects_holder BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION projects_holder();
CREATE INDEX projects_holder ON projects (holder);
-- Part of the URLs of webhooks; a volatile default gives each project, old ones too, one of its own.
ALTER TABLE projects ADD COLUMN webhook_secret text NOT NULL DEFAULT gen_random_uuid()::text;
-- Key of the HMAC that forges sign deliveries with; null: unsigned ones are taken.
ALTER TABLE projects ADD COLUMN webhook_hmac_key text;
-- A temporary project ends then.
ALTER TABLE projects ADD COLUMN delete_at timestamptz;
CREATE INDEX projects_delete_at ON projects (delete_at) WHERE deleted_at IS NULL AND delete_at IS NOT NULL;
ALTER TABLE projects ADD COLUMN forked_from bigint REFERENCES projects (id) ON DELETE SET NULL;
CREATE INDEX projects_forked_from ON projects (forked_from);
-- For searches by a part of the name. Where the extension cannot be had, they walk through the projects.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX projects_name_part ON projects USING gin (name gin_trgm_ops) WHERE deleted_at IS NULL;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE WARNING 'searches for projects have no index, because the extension pg_trgm cannot be made: %', SQLERRM;
END $$;
-- What everybody's lists show, by age and by name.
CREATE INDEX projects_listed ON projects (id)
    WHERE deleted_at IS NULL AND delete_at IS NULL
        AND NOT coalesce((settings->>'unlisted_on_hp')::boolean, false);
CREATE INDEX projects_listed_name ON projects (name, id)
    WHERE deleted_at IS NULL AND delete_at IS NULL
        AND NOT coalesce((settings->>'unlisted_on_hp')::boolean, false);

-- The project whose page says why this job does not get on.
ALTER TABLE jobs ADD COLUMN trouble_of bigint REFERENCES projects (id) ON DELETE SET NULL;
CREATE INDEX jobs_trouble ON jobs (trouble_of) WHERE trouble_of IS NOT NULL;

-- Roles of users in projects that are not theirs: 0 nothing, 1 request, 2 approved.
CREATE TABLE project_permissions (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    builder smallint NOT NULL DEFAULT 0 CHECK (builder BETWEEN 0 AND 2),
    admin smallint NOT NULL DEFAULT 0 CHECK (admin BETWEEN 0 AND 2),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_permissions_user ON project_permissions (user_id);

-- Result directories beside the main one, and the main one.
CREATE TABLE directories (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    last_build_at timestamptz,
    PRIMARY KEY (project_id, name)
);
INSERT INTO directories (project_id, name, created_at)
    SELECT DISTINCT r.project_id, r.dirname, p.created_at FROM repositories r JOIN projects p ON p.id = r.project_id;
CREATE INDEX directories_pull_requests ON directories (last_build_at) WHERE name LIKE '%:pr:%';

-- In devel mode users and builds see different snapshots: `current_snapshot` and `devel_snapshot`, 0 for "as users".
-- Users are to see what was published until `released_snapshot`.
ALTER TABLE repositories ADD COLUMN devel_snapshot bigint NOT NULL DEFAULT 0;
ALTER TABLE repositories ADD COLUMN released_snapshot bigint NOT NULL DEFAULT 0;
UPDATE repositories SET devel_snapshot = current_snapshot, released_snapshot = current_snapshot;

-- What a user sets for one chroot; the crate's type ChrootSettings says which fields.
ALTER TABLE project_chroots ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE project_chroots ADD COLUMN comps_name text;
ALTER TABLE project_chroots ADD COLUMN comps_sha256 text;
ALTER TABLE project_chroots ADD COLUMN disabled_at timestamptz;

-- Packages: a name with a default source and options.
CREATE TABLE packages (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- Copr's word; `unset` when there is no default source.
    source_type text NOT NULL DEFAULT 'unset',
    source jsonb NOT NULL DEFAULT '{}',
    webhook_rebuild boolean NOT NULL DEFAULT false,
    max_builds int NOT NULL DEFAULT 0,
    timeout_s int,
    chroot_denylist text NOT NULL DEFAULT '',
    UNIQUE (project_id, name)
);
CREATE INDEX packages_project ON packages (project_id, id);
CREATE INDEX packages_webhook ON packages (project_id) WHERE webhook_rebuild;

-- A batch opens when the one that blocks it is finished.
CREATE TABLE batches (
    id bigserial PRIMARY KEY,
    blocked_by bigint REFERENCES batches (id) ON DELETE SET NULL
);
CREATE INDEX batches_blocked_by ON batches (blocked_by);

ALTER TABLE builds DROP CONSTRAINT builds_source_kind_check;
ALTER TABLE builds DROP CONSTRAINT builds_check;
ALTER TABLE builds ADD CONSTRAINT builds_source_kind_check CHECK (source_kind IN
    ('upload', 'link', 'scm', 'distgit', 'pypi', 'rubygems', 'custom', 'rpm_upload'));
ALTER TABLE builds ADD CONSTRAINT builds_source_url_check CHECK (source_kind <> 'link' OR source_url IS NOT NULL);
-- What the source type needs, with Copr's field names.
ALTER TABLE builds ADD COLUMN source jsonb NOT NULL DEFAULT '{}';
ALTER TABLE builds ADD COLUMN package_id bigint REFERENCES packages (id) ON DELETE SET NULL;
ALTER TABLE builds ADD COLUMN batch_id bigint REFERENCES batches (id) ON DELETE SET NULL;
-- A scratch build's packages can be downloaded, but enter no repository.
ALTER TABLE builds ADD COLUMN scratch boolean NOT NULL DEFAULT false;
-- Of the tasks, for lists: kept by the trigger below.
ALTER TABLE builds ADD COLUMN state text NOT NULL DEFAULT 'pending';
ALTER TABLE builds ADD COLUMN started_at timestamptz;
ALTER TABLE builds ADD COLUMN ended_at timestamptz;
ALTER TABLE builds ADD COLUMN chroots text[] NOT NULL DEFAULT '{}';
-- Copr's word for each of them, in the same order.
ALTER TABLE builds ADD COLUMN chroot_states text[] NOT NULL DEFAULT '{}';
-- Packages for what was built so far.
INSERT INTO packages (project_id, name)
    SELECT DISTINCT project_id, package_name FROM builds WHERE package_name IS NOT NULL;
UPDATE builds b SET package_id = p.id FROM packages p WHERE p.project_id = b.project_id AND p.name = b.package_name;
-- The build of another project whose packages this one holds, signed anew.
ALTER TABLE builds ADD COLUMN forked_from bigint REFERENCES builds (id) ON DELETE SET NULL;
CREATE UNIQUE INDEX builds_forked_from ON builds (forked_from, project_id) WHERE forked_from IS NOT NULL;
CREATE INDEX builds_package ON builds (package_id, id DESC);
CREATE INDEX builds_package_succeeded ON builds (package_id, id DESC) WHERE state = 'succeeded';
CREATE INDEX builds_batch ON builds (batch_id);
CREATE INDEX builds_batch_open ON builds (batch_id) WHERE batch_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX builds_state ON builds (project_id, state, id DESC);
CREATE INDEX builds_directory ON builds (project_id, dirname, id DESC);
-- For lists that are sorted by these.
CREATE INDEX builds_started ON builds (project_id, started_at, id DESC);
CREATE INDEX builds_ended ON builds (project_id, ended_at, id DESC);
CREATE INDEX builds_name ON builds (project_id, package_name, id DESC);

ALTER TABLE tasks DROP CONSTRAINT tasks_state_check;
ALTER TABLE tasks ADD CONSTRAINT tasks_state_check CHECK (state IN
    ('waiting', 'pending', 'running', 'publishing', 'succeeded', 'failed', 'canceled', 'skipped', 'forked'));
CREATE INDEX tasks_build ON tasks (build_id);
-- Kept back by the batch before its build's; no builder gets it.
ALTER TABLE tasks ADD COLUMN held boolean NOT NULL DEFAULT false;
DROP INDEX tasks_pending;
CREATE INDEX tasks_pending ON tasks (priority DESC, id) WHERE state = 'pending' AND NOT held;

-- Packages of scratch builds are listed, but no repository has them.
ALTER TABLE rpms ADD COLUMN scratch boolean NOT NULL DEFAULT false;
ALTER TABLE rpms DROP CONSTRAINT rpms_repository_id_name_epoch_version_release_arch_key;
CREATE UNIQUE INDEX rpms_nevra ON rpms (repository_id, name, epoch, version, release, arch) WHERE NOT scratch;
-- In the order of metadata; and for sizes and removals, which mean all rows of a repository.
CREATE INDEX rpms_repository ON rpms (repository_id, id);

-- Copr's word for a whole build: canceled if flagged; the source part's state until it succeeded; else the first of
-- running, pending, failed, canceled, succeeded, forked that any chroot has; else skipped.
CREATE FUNCTION build_state(build bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN (SELECT canceled_at IS NOT NULL FROM builds WHERE id = build) THEN 'canceled'
        WHEN bool_or(kind = 'source' AND state = 'publishing') THEN 'importing'
        WHEN bool_or(kind = 'source' AND state <> 'succeeded') THEN min(state) FILTER (WHERE kind = 'source')
        WHEN bool_or(kind = 'rpm' AND state IN ('running', 'publishing')) THEN 'running'
        WHEN bool_or(kind = 'rpm' AND state IN ('pending', 'waiting')) THEN 'pending'
        WHEN bool_or(kind = 'rpm' AND state = 'failed') THEN 'failed'
        WHEN bool_or(kind = 'rpm' AND state = 'canceled') THEN 'canceled'
        WHEN bool_or(kind = 'rpm' AND state = 'succeeded') THEN 'succeeded'
        WHEN bool_or(kind = 'rpm' AND state = 'forked') THEN 'forked'
        ELSE 'skipped' END
    FROM tasks WHERE build_id = build
$$;

-- Keeps state, started_at, ended_at and chroots of a build. It locks the build first and looks in a statement of its
-- own, so of two tasks that end at once the later one sees the earlier. Lock order: tasks before builds.
CREATE FUNCTION summarise_build(build bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM builds WHERE id = build FOR NO KEY UPDATE;
    UPDATE builds b SET state = build_state(build), started_at = t.started_at,
            ended_at = CASE WHEN t.open THEN NULL ELSE coalesce(t.ended_at, b.canceled_at) END, chroots = t.chroots,
            chroot_states = t.chroot_states
        FROM (SELECT min(started_at) AS started_at, max(ended_at) AS ended_at,
                  coalesce(bool_or(state IN ('waiting', 'pending', 'running', 'publishing')), false) AS open,
                  coalesce(array_agg(chroot ORDER BY chroot) FILTER (WHERE kind = 'rpm'), '{}') AS chroots,
                  coalesce(array_agg(CASE state WHEN 'publishing' THEN 'running' ELSE state END ORDER BY chroot)
                      FILTER (WHERE kind = 'rpm'), '{}') AS chroot_states
              FROM tasks WHERE build_id = build) t
        WHERE b.id = build;
END $$;
CREATE FUNCTION tasks_summarise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE build bigint;
BEGIN
    FOR build IN SELECT DISTINCT build_id FROM changed ORDER BY 1 LOOP
        PERFORM summarise_build(build);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_inserted AFTER INSERT ON tasks REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tasks_summarise();
CREATE TRIGGER tasks_updated AFTER UPDATE ON tasks REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION tasks_summarise();
CREATE FUNCTION builds_canceled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM summarise_build(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER builds_canceled AFTER UPDATE OF canceled_at ON builds
    FOR EACH ROW EXECUTE FUNCTION builds_canceled();

-- Lets go of what a batch held back once all its builds have ended. Of two that end at once the later one sees the
-- earlier, since each locks the batch first. Lock order: tasks, their build, its batch, the tasks that wait for it.
CREATE FUNCTION batches_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.batch_id IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM batches WHERE id = OLD.batch_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT 1 FROM builds WHERE batch_id = OLD.batch_id AND ended_at IS NULL) THEN RETURN NULL; END IF;
    UPDATE tasks SET held = false WHERE held AND build_id IN
        (SELECT b.id FROM batches t JOIN builds b ON b.batch_id = t.id WHERE t.blocked_by = OLD.batch_id);
    IF FOUND THEN NOTIFY koper_tasks; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER batches_open AFTER UPDATE OF ended_at ON builds
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION batches_open();
CREATE TRIGGER batches_open_deleted AFTER DELETE ON builds FOR EACH ROW EXECUTE FUNCTION batches_open();
-- Every build of a package belongs to its row in packages, whoever writes the build.
CREATE FUNCTION builds_package() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO packages (project_id, name) VALUES (NEW.project_id, NEW.package_name)
        ON CONFLICT (project_id, name) DO NOTHING;
    SELECT id INTO NEW.package_id FROM packages WHERE project_id = NEW.project_id AND name = NEW.package_name;
    RETURN NEW;
END $$;
CREATE TRIGGER builds_package BEFORE INSERT OR UPDATE OF package_name ON builds FOR EACH ROW
    WHEN (NEW.package_name IS NOT NULL AND NEW.package_id IS NULL) EXECUTE FUNCTION builds_package();

-- For the monitor: the builds that are a package's newest in some chroot of a directory, and in which. A chroot that was
-- canceled does not count. States are not kept here but in the builds, so that builds that end do not wait for each other.
CREATE TABLE newest_builds (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    dirname text NOT NULL,
    package_name text NOT NULL,
    -- Without a foreign key: the trigger below puts the build before in its place.
    build_id bigint NOT NULL,
    package_id bigint NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    chroots text[] NOT NULL,
    PRIMARY KEY (project_id, dirname, package_name, build_id)
);
CREATE INDEX newest_builds_package ON newest_builds (package_id, dirname);
CREATE INDEX newest_builds_build ON newest_builds (build_id);

CREATE FUNCTION not_canceled(chroots text[], states text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(c.name ORDER BY c.name), '{}') FROM unnest(chroots, states) AS c (name, state)
        WHERE c.state <> 'canceled'
$$;
-- Finds a package's newest builds anew. The package is locked first: every statement after that sees what others did.
CREATE FUNCTION find_newest_builds(package bigint, dir text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM packages WHERE id = package FOR NO KEY UPDATE;
    DELETE FROM newest_builds WHERE package_id = package AND dirname = dir;
    INSERT INTO newest_builds (project_id, dirname, package_name, build_id, package_id, chroots)
        SELECT p.project_id, dir, p.name, n.id, p.id, array_agg(n.chroot ORDER BY n.chroot)
        FROM (SELECT DISTINCT ON (c.name) c.name AS chroot, b.id
              FROM builds b, unnest(not_canceled(b.chroots, b.chroot_states)) AS c (name)
              WHERE b.package_id = package AND b.dirname = dir ORDER BY c.name, b.id DESC) n
            JOIN packages p ON p.id = package
            -- Gone already when the project's removal removes this build.
            JOIN projects r ON r.id = p.project_id
        GROUP BY p.id, n.id;
END $$;
-- A new build takes its chroots over from the older ones, without a look at all of the package's builds.
CREATE FUNCTION add_newest_build(build builds, mine text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM packages WHERE id = build.package_id FOR NO KEY UPDATE;
    UPDATE newest_builds SET chroots = ARRAY(SELECT c FROM unnest(chroots) AS c WHERE c <> ALL (mine) ORDER BY c)
        WHERE package_id = build.package_id AND dirname = build.dirname AND build_id < build.id AND chroots && mine;
    DELETE FROM newest_builds WHERE package_id = build.package_id AND dirname = build.dirname AND chroots = '{}';
    INSERT INTO newest_builds (project_id, dirname, package_name, build_id, package_id, chroots)
        SELECT p.project_id, build.dirname, p.name, build.id, p.id, left_over.chroots
        FROM packages p, (SELECT array_agg(c ORDER BY c) AS chroots FROM unnest(mine) AS c WHERE NOT EXISTS
            (SELECT 1 FROM newest_builds n WHERE n.package_id = build.package_id AND n.dirname = build.dirname
                AND n.build_id > build.id AND c = ANY (n.chroots))) left_over
        WHERE p.id = build.package_id AND left_over.chroots IS NOT NULL
        ON CONFLICT (project_id, dirname, package_name, build_id) DO UPDATE SET chroots = excluded.chroots;
END $$;
CREATE FUNCTION builds_newest() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_chroots text[] := not_canceled(OLD.chroots, OLD.chroot_states);
    new_chroots text[];
BEGIN
    IF TG_OP = 'DELETE' OR NEW.package_id IS DISTINCT FROM OLD.package_id THEN
        IF EXISTS (SELECT 1 FROM newest_builds WHERE build_id = OLD.id) THEN
            PERFORM find_newest_builds(OLD.package_id, OLD.dirname);
        END IF;
        old_chroots := '{}';
    END IF;
    IF TG_OP = 'DELETE' OR NEW.package_id IS NULL THEN
        RETURN NULL;
    END IF;
    new_chroots := not_canceled(NEW.chroots, NEW.chroot_states);
    IF old_chroots <@ new_chroots AND new_chroots <> old_chroots THEN
        PERFORM add_newest_build(NEW, new_chroots);
    ELSIF new_chroots <> old_chroots THEN
        PERFORM find_newest_builds(NEW.package_id, NEW.dirname);
    END IF;
    RETURN NULL;
END $$;
-- Of any column: package_id is set by the trigger above.
CREATE TRIGGER builds_newest AFTER UPDATE ON builds FOR EACH ROW
    WHEN (NEW.package_id IS DISTINCT FROM OLD.package_id OR NEW.chroot_states <> OLD.chroot_states
        OR NEW.chroots <> OLD.chroots)
    EXECUTE FUNCTION builds_newest();
CREATE TRIGGER builds_newest_gone AFTER DELETE ON builds FOR EACH ROW
    WHEN (OLD.package_id IS NOT NULL) EXECUTE FUNCTION builds_newest();
SELECT count(summarise_build(id)) FROM builds;

-- What deleted builds left, until a job has made snapshots without their packages and removed their objects. No number
-- here is a foreign key, since it says what is gone.
CREATE TABLE removed_builds (
    build bigint PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    dirname text NOT NULL,
    package text,
    chroots text[] NOT NULL,
    -- `repositories.id` of those with packages of it.
    repositories bigint[] NOT NULL,
    -- `tasks.id`, which name folders.
    tasks bigint[] NOT NULL
);
CREATE INDEX removed_builds_project ON removed_builds (project_id, build);

-- What was sent to a project's webhooks and what came of it.
CREATE TABLE webhook_deliveries (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    at timestamptz NOT NULL,
    -- github, gitlab, bitbucket, custom, custom-dir
    kind text NOT NULL,
    package text,
    dirname text,
    -- The forge's own number of the delivery, if it has one.
    forge_id text,
    event text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    status int NOT NULL,
    -- What was decided: {"started": [...], "not_started": [{"package":, "reason":}], "message":}
    decision jsonb NOT NULL,
    builds bigint[] NOT NULL DEFAULT '{}',
    redelivery_of bigint REFERENCES webhook_deliveries (id) ON DELETE SET NULL
);
CREATE INDEX webhook_deliveries_project ON webhook_deliveries (project_id, id DESC);
CREATE INDEX webhook_deliveries_redelivery ON webhook_deliveries (redelivery_of) WHERE redelivery_of IS NOT NULL;

-- Events leave through here, in the order of `id`; written in the transaction that made them true.
CREATE TABLE outbox (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    topic text NOT NULL,
    message_id text NOT NULL UNIQUE,
    body jsonb NOT NULL,
    sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

-- Limits of an owner (user or `@group`) that differ from the service's; null: the service's.
CREATE TABLE quotas (
    owner text PRIMARY KEY,
    concurrent_builds int,
    queued_builds int,
    cpu_seconds bigint,
    stored_bytes bigint,
    served_bytes bigint
);
-- What was served and computed, per owner and UTC day.
CREATE TABLE usage (
    owner text NOT NULL,
    day date NOT NULL,
    cpu_seconds bigint NOT NULL DEFAULT 0,
    served_bytes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, day)
);
