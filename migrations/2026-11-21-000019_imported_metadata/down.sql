DROP TABLE imported_metadata;
DROP FUNCTION imported_metadata_loosen_blobs();
