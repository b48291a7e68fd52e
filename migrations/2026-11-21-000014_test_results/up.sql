-- What tests outside of the service found, and what came of it.
CREATE TABLE test_results (
    id bigserial PRIMARY KEY,
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Of a build, or else of a snapshot.
    build_id bigint REFERENCES builds (id) ON DELETE CASCADE,
    snapshot bigint,
    passed boolean NOT NULL,
    url text NOT NULL,
    message text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    -- rpms.id of packages that come to builds and users by it, and that go.
    added bigint[] NOT NULL DEFAULT '{}',
    removed bigint[] NOT NULL DEFAULT '{}',
    -- Since when builds and users see those that came.
    builds_at timestamptz,
    users_at timestamptz,
    -- When users get them by themselves, and when that was asked for.
    release_at timestamptz,
    released_at timestamptz,
    CHECK (num_nonnulls(build_id, snapshot) = 1)
);
CREATE INDEX test_results_repository ON test_results (repository_id, id DESC);
CREATE INDEX test_results_build ON test_results (build_id) WHERE build_id IS NOT NULL;
CREATE INDEX test_results_unseen ON test_results (repository_id) WHERE passed AND (builds_at IS NULL OR users_at IS NULL);
CREATE INDEX test_results_due ON test_results (release_at) WHERE release_at IS NOT NULL AND released_at IS NULL;
