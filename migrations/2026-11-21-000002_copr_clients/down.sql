DROP TABLE usage;
DROP TABLE quotas;
DROP TABLE outbox;
DROP TABLE webhook_deliveries;
DROP TABLE removed_builds;
DROP TRIGGER batches_open_deleted ON builds;
DROP TRIGGER batches_open ON builds;
DROP FUNCTION batches_open();
DROP TRIGGER builds_newest_gone ON builds;
DROP TRIGGER builds_newest ON builds;
DROP FUNCTION builds_newest();
DROP FUNCTION add_newest_build(builds, text[]);
DROP FUNCTION find_newest_builds(bigint, text);
DROP FUNCTION not_canceled(text[], text[]);
DROP TABLE newest_builds;
DROP TRIGGER builds_package ON builds;
DROP FUNCTION builds_package();
DROP TRIGGER builds_canceled ON builds;
DROP FUNCTION builds_canceled();
DROP TRIGGER tasks_updated ON tasks;
DROP TRIGGER tasks_inserted ON tasks;
DROP FUNCTION tasks_summarise();
DROP FUNCTION summarise_build(bigint);
DROP FUNCTION build_state(bigint);
-- The older schema knows neither these states nor these sources.
DELETE FROM tasks WHERE state = 'forked';
DROP INDEX tasks_build;
DROP INDEX rpms_repository;
DROP INDEX rpms_nevra;
DELETE FROM rpms WHERE scratch;
ALTER TABLE rpms ADD CONSTRAINT rpms_repository_id_name_epoch_version_release_arch_key
    UNIQUE (repository_id, name, epoch, version, release, arch);
ALTER TABLE rpms DROP COLUMN scratch;
DROP INDEX tasks_pending;
CREATE INDEX tasks_pending ON tasks (priority DESC, id) WHERE state = 'pending';
ALTER TABLE tasks DROP COLUMN held;
ALTER TABLE tasks DROP CONSTRAINT tasks_state_check;
ALTER TABLE tasks ADD CONSTRAINT tasks_state_check CHECK (state IN
    ('waiting', 'pending', 'running', 'publishing', 'succeeded', 'failed', 'canceled', 'skipped'));
DELETE FROM builds WHERE source_kind NOT IN ('upload', 'link');
UPDATE builds SET source_url = NULL WHERE source_kind <> 'link';
DROP INDEX builds_directory;
DROP INDEX builds_state;
DROP INDEX builds_batch_open;
DROP INDEX builds_batch;
DROP INDEX builds_package_succeeded;
DROP INDEX builds_package;
DROP INDEX builds_forked_from;
ALTER TABLE builds DROP COLUMN forked_from, DROP COLUMN chroot_states, DROP COLUMN chroots, DROP COLUMN ended_at, DROP COLUMN started_at, DROP COLUMN state,
    DROP COLUMN scratch, DROP COLUMN batch_id, DROP COLUMN package_id, DROP COLUMN source;
ALTER TABLE builds DROP CONSTRAINT builds_source_url_check;
ALTER TABLE builds DROP CONSTRAINT builds_source_kind_check;
ALTER TABLE builds ADD CONSTRAINT builds_source_kind_check CHECK (source_kind IN ('upload', 'link'));
ALTER TABLE builds ADD CONSTRAINT builds_check CHECK ((source_kind = 'link') = (source_url IS NOT NULL));
DROP TABLE batches;
DROP TABLE packages;
ALTER TABLE project_chroots DROP COLUMN disabled_at, DROP COLUMN comps_sha256, DROP COLUMN comps_name,
    DROP COLUMN settings;
ALTER TABLE repositories DROP COLUMN devel_snapshot;
ALTER TABLE repositories DROP COLUMN released_snapshot;
DROP TABLE directories;
DROP TABLE project_permissions;
DROP INDEX projects_live_id;
ALTER TABLE jobs DROP COLUMN trouble_of;
DROP INDEX IF EXISTS projects_name_part;
DROP TRIGGER projects_holder ON projects;
DROP FUNCTION projects_holder();
ALTER TABLE projects DROP COLUMN forked_from, DROP COLUMN delete_at, DROP COLUMN webhook_hmac_key,
    DROP COLUMN webhook_secret, DROP COLUMN holder;
DROP INDEX api_tokens_name;
-- A limited token must not become one without limits.
DELETE FROM api_tokens WHERE expires_at IS NULL OR scope IS NOT NULL;
ALTER TABLE api_tokens ALTER COLUMN expires_at SET NOT NULL;
ALTER TABLE api_tokens DROP COLUMN scope, DROP COLUMN name;
DROP TABLE group_members;
DROP TABLE groups;
