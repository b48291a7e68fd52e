-- What imports brought besides packages: `group`, `modules`, `updateinfo`, as they lay there.
CREATE TABLE imported_metadata (
    repository_id bigint NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    kind text NOT NULL,
    -- The blob.
    sha256 text NOT NULL,
    -- The address that it was imported from.
    url text NOT NULL,
    -- The build that brought it; it may be gone.
    build_id bigint NOT NULL,
    PRIMARY KEY (repository_id, kind)
);
CREATE INDEX imported_metadata_sha256 ON imported_metadata (sha256);
CREATE FUNCTION imported_metadata_loosen_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM loosen_blobs(ARRAY(SELECT sha256 FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER imported_metadata_loosen_blobs AFTER DELETE ON imported_metadata REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION imported_metadata_loosen_blobs();
CREATE TRIGGER imported_metadata_change_blobs AFTER UPDATE ON imported_metadata REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION imported_metadata_loosen_blobs();
