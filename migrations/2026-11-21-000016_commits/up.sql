-- The commit that a build was made of, as its submitter said it: one truth with the other choices, so that forks, promotions and
-- builds of the same once more have it too.
ALTER TABLE builds ADD COLUMN commit text GENERATED ALWAYS AS (options ->> 'commit') STORED;
CREATE INDEX builds_commit ON builds (project_id, commit, id DESC) WHERE commit IS NOT NULL;

-- The snapshot that first had the packages of a build of a commit. Outlives the build, as the snapshot does.
CREATE TABLE commit_snapshots (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    build_id bigint NOT NULL,
    commit text NOT NULL,
    snapshot bigint NOT NULL,
    PRIMARY KEY (repository_id, build_id)
);
CREATE INDEX commit_snapshots_commit ON commit_snapshots (repository_id, commit, build_id DESC);
CREATE INDEX commit_snapshots_snapshot ON commit_snapshots (repository_id, snapshot);
