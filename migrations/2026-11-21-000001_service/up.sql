-- The service's first schema. Times are timestamptz; text columns hold names that the protocol crate has parsed.

CREATE TABLE users (
    id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE,
    is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);

-- Tokens are random and long, so one SHA-256 is enough at rest.
CREATE TABLE api_tokens (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    login text NOT NULL UNIQUE,
    token_sha256 text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE login_links (
    token_sha256 text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX login_links_user ON login_links (user_id);

CREATE TABLE sessions (
    token_sha256 text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    csrf_token text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE chroots (
    name text PRIMARY KEY,
    description text NOT NULL,
    active boolean NOT NULL,
    definition jsonb NOT NULL
);

CREATE TABLE projects (
    id bigserial PRIMARY KEY,
    owner text NOT NULL,
    name text NOT NULL,
    created_by bigint NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    -- Copr's texts and switches; the crate's type ProjectSettings says which.
    settings jsonb NOT NULL,
    -- The project's part of the repotag; never given to another project, not even after deletion.
    repotag text NOT NULL UNIQUE,
    -- Name of the key in the signer; its public part once it exists.
    key_id text NOT NULL UNIQUE,
    public_key jsonb,
    -- Set when key, empty repositories and key file exist.
    ready_at timestamptz,
    setup_error text
);
CREATE UNIQUE INDEX projects_live_name ON projects (owner, name) WHERE deleted_at IS NULL;
CREATE INDEX projects_created_by ON projects (created_by);

CREATE TABLE project_chroots (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    chroot text NOT NULL REFERENCES chroots (name),
    enabled boolean NOT NULL,
    PRIMARY KEY (project_id, chroot)
);
CREATE INDEX project_chroots_chroot ON project_chroots (chroot);

-- One repository: a directory's chroot. `generation` counts pointer moves and fences the writer of the pointer object.
CREATE TABLE repositories (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    dirname text NOT NULL,
    chroot text NOT NULL REFERENCES chroots (name),
    current_snapshot bigint NOT NULL DEFAULT 0,
    generation bigint NOT NULL DEFAULT 0,
    next_snapshot bigint NOT NULL DEFAULT 1,
    UNIQUE (project_id, dirname, chroot)
);
CREATE INDEX repositories_chroot ON repositories (chroot);

CREATE TABLE builds (
    id bigserial PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    dirname text NOT NULL,
    submitter bigint REFERENCES users (id),
    source_kind text NOT NULL CHECK (source_kind IN ('upload', 'link')),
    source_url text,
    srpm_sha256 text,
    srpm_name text,
    srpm_size bigint,
    package_name text,
    package_version text,
    submitted_at timestamptz NOT NULL,
    canceled_at timestamptz,
    options jsonb NOT NULL,
    CHECK ((source_kind = 'link') = (source_url IS NOT NULL))
);
CREATE INDEX builds_project ON builds (project_id, id DESC);
CREATE INDEX builds_submitter ON builds (submitter);

-- What builders claim. One row per source part and per chroot of a build.
CREATE TABLE tasks (
    id bigserial PRIMARY KEY,
    build_id bigint NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('source', 'rpm')),
    chroot text REFERENCES chroots (name),
    state text NOT NULL CHECK (state IN ('waiting', 'pending', 'running', 'publishing', 'succeeded', 'failed', 'canceled', 'skipped')),
    priority int NOT NULL DEFAULT 0,
    attempt int NOT NULL DEFAULT 0,
    max_attempts int NOT NULL DEFAULT 5,
    not_before timestamptz,
    lease_expires_at timestamptz,
    builder text,
    phase text,
    cancel_requested boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    failure_kind text,
    failure_message text,
    -- What the attempt uploaded, as it says: JSON array of the protocol's Artifact.
    manifest jsonb,
    boot_ms bigint,
    -- Result directory name, `<%08d build>-<package>`.
    result_dir text,
    UNIQUE NULLS NOT DISTINCT (build_id, kind, chroot),
    CHECK ((kind = 'rpm') = (chroot IS NOT NULL)),
    CHECK (state <> 'running' OR lease_expires_at IS NOT NULL)
);
CREATE INDEX tasks_pending ON tasks (priority DESC, id) WHERE state = 'pending';
CREATE INDEX tasks_leased ON tasks (lease_expires_at) WHERE state = 'running';
CREATE INDEX tasks_chroot ON tasks (chroot);

-- Live logs, until the attempt ends and the log becomes an object.
CREATE TABLE log_chunks (
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    attempt int NOT NULL,
    start bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (task_id, attempt, start)
);

-- Published (or about to be published) packages.
CREATE TABLE rpms (
    id bigserial PRIMARY KEY,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    task_id bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    name text NOT NULL,
    epoch int NOT NULL,
    version text NOT NULL,
    release text NOT NULL,
    arch text NOT NULL,
    file_name text NOT NULL,
    sha256 text NOT NULL,
    unsigned_sha256 text NOT NULL,
    size bigint NOT NULL,
    -- Snapshot that it first appeared in; null while it is being published.
    since_snapshot bigint,
    -- The three metadata fragments, each zstd-compressed XML.
    primary_xml bytea NOT NULL,
    filelists_xml bytea NOT NULL,
    other_xml bytea NOT NULL,
    UNIQUE (repository_id, name, epoch, version, release, arch)
);
CREATE INDEX rpms_task ON rpms (task_id);

CREATE TABLE snapshots (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    number bigint NOT NULL,
    parent bigint NOT NULL,
    created_at timestamptz NOT NULL,
    cause text NOT NULL,
    packages bigint NOT NULL,
    repomd_sha256 text NOT NULL,
    PRIMARY KEY (repository_id, number)
);

-- What the service does to itself.
CREATE TABLE jobs (
    id bigserial PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    priority int NOT NULL DEFAULT 0,
    attempt int NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL,
    lease_expires_at timestamptz,
    last_error text,
    failed_at timestamptz,
    created_at timestamptz NOT NULL
);
-- Only jobs that wait: one that runs may have looked before the newest change.
CREATE UNIQUE INDEX jobs_same ON jobs (kind, payload) WHERE failed_at IS NULL AND lease_expires_at IS NULL;
CREATE INDEX jobs_ready ON jobs (priority DESC, id) WHERE failed_at IS NULL;

CREATE TABLE audit (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_object ON audit (object, id);

CREATE TABLE builders (
    name text PRIMARY KEY,
    last_seen_at timestamptz NOT NULL,
    arches jsonb NOT NULL,
    refusal text
);
