-- What packages have for the catalogue of software. Packages without are not here.
CREATE TABLE package_software (
    -- rpms.unsigned_sha256: a signature changes nothing of it, and equal files of all projects have the same.
    unsigned_sha256 text PRIMARY KEY,
    -- A JSON list of `<component>` elements, compressed by zstd.
    components bytea NOT NULL,
    -- When somebody last was about to publish such a package.
    claimed_at timestamptz NOT NULL
);
