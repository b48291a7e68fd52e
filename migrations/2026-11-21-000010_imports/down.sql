DROP INDEX rpms_unsigned;
DELETE FROM builds WHERE source_kind = 'import';
ALTER TABLE builds DROP CONSTRAINT builds_source_kind_check;
ALTER TABLE builds ADD CONSTRAINT builds_source_kind_check CHECK (source_kind IN
    ('upload', 'link', 'scm', 'distgit', 'pypi', 'rubygems', 'custom', 'rpm_upload'));
