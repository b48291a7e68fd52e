-- Which process runs a job, so that the next one in its place need not wait for the lease to end.
CREATE SEQUENCE job_holders;
ALTER TABLE jobs ADD COLUMN holder bigint;
CREATE INDEX jobs_holder ON jobs (holder) WHERE lease_expires_at IS NOT NULL AND failed_at IS NULL;
