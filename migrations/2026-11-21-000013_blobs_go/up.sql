-- Blobs that may be named by nothing: those that were just stored, and those that something named which is gone. `since`
-- is when the service came to know of it, and `deleting_at` says that nobody may count on the blob any more.
CREATE TABLE loose_blobs (
    sha256 text PRIMARY KEY,
    since timestamptz,
    deleting_at timestamptz
);
CREATE INDEX loose_blobs_since ON loose_blobs (since);
-- Who names a blob.
CREATE INDEX rpms_sha256 ON rpms USING hash (sha256);
CREATE INDEX builds_srpm_sha256 ON builds USING hash (srpm_sha256);
CREATE INDEX builds_source_sha256 ON builds USING hash ((source ->> 'sha256'));
CREATE INDEX project_chroots_comps_sha256 ON project_chroots (comps_sha256) WHERE comps_sha256 IS NOT NULL;

-- Always in the same order, as others do this at the same time.
CREATE FUNCTION loosen_blobs(blobs text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO loose_blobs (sha256) SELECT DISTINCT b FROM unnest(blobs) b WHERE b IS NOT NULL ORDER BY b
    ON CONFLICT (sha256) DO UPDATE SET since = NULL WHERE loose_blobs.deleting_at IS NULL
$$;
CREATE FUNCTION rpms_loosen_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM loosen_blobs(ARRAY(SELECT sha256 FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER rpms_loosen_blobs AFTER DELETE ON rpms REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION rpms_loosen_blobs();
CREATE FUNCTION builds_loosen_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM loosen_blobs(ARRAY(SELECT srpm_sha256 FROM gone UNION SELECT source ->> 'sha256' FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER builds_loosen_blobs AFTER DELETE ON builds REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION builds_loosen_blobs();
CREATE FUNCTION project_chroots_loosen_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM loosen_blobs(ARRAY(SELECT comps_sha256 FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER project_chroots_loosen_blobs AFTER DELETE ON project_chroots REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION project_chroots_loosen_blobs();
CREATE TRIGGER project_chroots_change_blobs AFTER UPDATE ON project_chroots REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION project_chroots_loosen_blobs();

-- What the service does now and then, and when it last began.
CREATE TABLE chores (name text PRIMARY KEY, begun_at timestamptz NOT NULL);
