-- Packages of somebody else's repository.
ALTER TABLE builds DROP CONSTRAINT builds_source_kind_check;
ALTER TABLE builds ADD CONSTRAINT builds_source_kind_check CHECK (source_kind IN
    ('upload', 'link', 'scm', 'distgit', 'pypi', 'rubygems', 'custom', 'rpm_upload', 'import'));
-- What is imported again is known by its content.
CREATE INDEX rpms_unsigned ON rpms (unsigned_sha256, repository_id);
