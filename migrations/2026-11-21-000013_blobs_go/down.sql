DROP TABLE chores;
DROP TRIGGER project_chroots_change_blobs ON project_chroots;
DROP TRIGGER project_chroots_loosen_blobs ON project_chroots;
DROP TRIGGER builds_loosen_blobs ON builds;
DROP TRIGGER rpms_loosen_blobs ON rpms;
DROP FUNCTION project_chroots_loosen_blobs(), builds_loosen_blobs(), rpms_loosen_blobs(), loosen_blobs(text[]);
DROP INDEX project_chroots_comps_sha256, builds_source_sha256, builds_srpm_sha256, rpms_sha256;
DROP TABLE loose_blobs;
