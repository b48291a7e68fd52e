DROP INDEX jobs_holder;
ALTER TABLE jobs DROP COLUMN holder;
DROP SEQUENCE job_holders;
