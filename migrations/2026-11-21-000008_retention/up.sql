-- When a snapshot's files go, and when they went. Its row stays, since later ones say what they hold by it.
ALTER TABLE snapshots ADD COLUMN purge_at timestamptz;
ALTER TABLE snapshots ADD COLUMN purged_at timestamptz;
CREATE INDEX snapshots_kept ON snapshots (repository_id, number) WHERE purged_at IS NULL;
CREATE INDEX snapshots_going ON snapshots (repository_id, number) WHERE purge_at IS NOT NULL;
-- Until when a pointer named a snapshot.
CREATE INDEX pointer_moves_from ON pointer_moves (repository_id, from_snapshot, moved_at);
-- Builds that may be reading one.
CREATE INDEX tasks_at_work ON tasks (started_at) WHERE state IN ('running', 'publishing');
-- When the service last looked for what can go.
ALTER TABLE repositories ADD COLUMN looked_at timestamptz;
CREATE INDEX repositories_looked_at ON repositories (looked_at NULLS FIRST);
