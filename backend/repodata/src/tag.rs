//! Numbers of the header tags that this crate reads, as rpm's `rpmtag.h` assigns them.
//!
//! Tags below [`NAME`] live in the signature header as well; those named `SIG_*` only there.

/// Region marker of the signature header.
pub const HEADER_SIGNATURES: u32 = 62;
/// Region marker of the main header.
pub const HEADER_IMMUTABLE: u32 = 63;

/// OpenPGP signature over the main header by any algorithm but RSA.
pub const SIG_DSA: u32 = 267;
/// OpenPGP RSA signature over the main header.
pub const SIG_RSA: u32 = 268;
/// Hexadecimal SHA-1 of the main header.
pub const SIG_SHA1: u32 = 269;
/// Size of main header and payload, where 32 bits do not suffice.
pub const SIG_LONG_SIZE: u32 = 270;
/// Size of the uncompressed payload, where 32 bits do not suffice.
pub const SIG_LONG_ARCHIVE_SIZE: u32 = 271;
/// Hexadecimal SHA-256 of the main header.
pub const SIG_SHA256: u32 = 273;
/// Signatures of files for IMA (string array).
pub const SIG_FILES: u32 = 274;
/// Length of each of them (int32).
pub const SIG_FILES_LENGTH: u32 = 275;
/// Signatures of files for fs-verity (string array).
pub const SIG_VERITY: u32 = 276;
/// Their hash algorithm (int32).
pub const SIG_VERITY_ALGORITHM: u32 = 277;
/// Base64 OpenPGP signatures over the main header (rpm 6).
pub const SIG_OPENPGP: u32 = 278;
/// Hexadecimal SHA3-256 of the main header (format of rpm 6).
pub const SIG_SHA3_256: u32 = 279;
/// Filler of packages in rpm 6's own format.
pub const SIG_RESERVED: u32 = 999;
/// Size of main header and payload.
pub const SIG_SIZE: u32 = 1000;
/// Legacy RSA signature over header and payload.
pub const SIG_PGP: u32 = 1002;
/// Legacy DSA signature over header and payload.
pub const SIG_GPG: u32 = 1005;
/// Legacy signature of PGP 5.
pub const SIG_PGP5: u32 = 1006;
/// Size of the uncompressed payload.
pub const SIG_PAYLOAD_SIZE: u32 = 1007;
/// Filler that a later signature may use up.
pub const SIG_RESERVED_SPACE: u32 = 1008;

/// Package name.
pub const NAME: u32 = 1000;
/// Version.
pub const VERSION: u32 = 1001;
/// Release.
pub const RELEASE: u32 = 1002;
/// Epoch, absent when none was given.
pub const EPOCH: u32 = 1003;
/// One line of description.
pub const SUMMARY: u32 = 1004;
/// Long description.
pub const DESCRIPTION: u32 = 1005;
/// Build time, seconds since 1970.
pub const BUILD_TIME: u32 = 1006;
/// Host that built the package.
pub const BUILD_HOST: u32 = 1007;
/// Installed size in bytes.
pub const SIZE: u32 = 1009;
/// Vendor.
pub const VENDOR: u32 = 1011;
/// License expression.
pub const LICENSE: u32 = 1014;
/// Packager.
pub const PACKAGER: u32 = 1015;
/// Group.
pub const GROUP: u32 = 1016;
/// Home page.
pub const URL: u32 = 1020;
/// Operating system.
pub const OS: u32 = 1021;
/// Architecture (of a source package: that of its build host).
pub const ARCH: u32 = 1022;
/// File sizes, 32 bits each.
pub const FILE_SIZES: u32 = 1028;
/// Whole file names, as packages made before rpm 4 hold them.
pub const OLD_FILE_NAMES: u32 = 1027;
/// File modes.
pub const FILE_MODES: u32 = 1030;
/// File digests.
pub const FILE_DIGESTS: u32 = 1035;
/// File flags.
pub const FILE_FLAGS: u32 = 1037;
/// Name of the source package; absent in source packages.
pub const SOURCE_RPM: u32 = 1044;
/// Archive size, as old packages hold it in the main header.
pub const ARCHIVE_SIZE: u32 = 1046;
/// Provides: names.
pub const PROVIDE_NAME: u32 = 1047;
/// Requires: flags.
pub const REQUIRE_FLAGS: u32 = 1048;
/// Requires: names.
pub const REQUIRE_NAME: u32 = 1049;
/// Requires: versions.
pub const REQUIRE_VERSION: u32 = 1050;
/// Conflicts: flags.
pub const CONFLICT_FLAGS: u32 = 1053;
/// Conflicts: names.
pub const CONFLICT_NAME: u32 = 1054;
/// Conflicts: versions.
pub const CONFLICT_VERSION: u32 = 1055;
/// `ExclusiveArch` of the spec.
pub const EXCLUSIVE_ARCH: u32 = 1061;
/// `ExcludeArch` of the spec.
pub const EXCLUDE_ARCH: u32 = 1059;
/// Changelog: times.
pub const CHANGELOG_TIME: u32 = 1080;
/// Changelog: authors.
pub const CHANGELOG_NAME: u32 = 1081;
/// Changelog: texts.
pub const CHANGELOG_TEXT: u32 = 1082;
/// `BuildArch` values of the spec.
pub const BUILD_ARCHS: u32 = 1089;
/// Obsoletes: names.
pub const OBSOLETE_NAME: u32 = 1090;
/// File inodes.
pub const FILE_INODES: u32 = 1096;
/// Not zero in a source package.
pub const SOURCE_PACKAGE: u32 = 1106;
/// Provides: flags.
pub const PROVIDE_FLAGS: u32 = 1112;
/// Provides: versions.
pub const PROVIDE_VERSION: u32 = 1113;
/// Obsoletes: flags.
pub const OBSOLETE_FLAGS: u32 = 1114;
/// Obsoletes: versions.
pub const OBSOLETE_VERSION: u32 = 1115;
/// For each file the number of its directory.
pub const DIR_INDEXES: u32 = 1116;
/// Names of files within their directories.
pub const BASE_NAMES: u32 = 1117;
/// Directories, each with its final slash.
pub const DIR_NAMES: u32 = 1118;
/// Compression of the payload.
pub const PAYLOAD_COMPRESSOR: u32 = 1125;
/// Weak dependencies of old SUSE packages: names of suggests.
pub const OLD_SUGGEST_NAME: u32 = 1156;
/// Weak dependencies of old SUSE packages: versions of suggests.
pub const OLD_SUGGEST_VERSION: u32 = 1157;
/// Weak dependencies of old SUSE packages: flags of suggests.
pub const OLD_SUGGEST_FLAGS: u32 = 1158;
/// Weak dependencies of old SUSE packages: names of enhances.
pub const OLD_ENHANCE_NAME: u32 = 1159;
/// Weak dependencies of old SUSE packages: versions of enhances.
pub const OLD_ENHANCE_VERSION: u32 = 1160;
/// Weak dependencies of old SUSE packages: flags of enhances.
pub const OLD_ENHANCE_FLAGS: u32 = 1161;
/// File sizes, 64 bits each.
pub const LONG_FILE_SIZES: u32 = 5008;
/// Installed size, 64 bits.
pub const LONG_SIZE: u32 = 5009;
/// Where bugs are reported.
pub const BUG_URL: u32 = 5012;
/// Recommends: names.
pub const RECOMMEND_NAME: u32 = 5046;
/// Recommends: versions.
pub const RECOMMEND_VERSION: u32 = 5047;
/// Recommends: flags.
pub const RECOMMEND_FLAGS: u32 = 5048;
/// Suggests: names.
pub const SUGGEST_NAME: u32 = 5049;
/// Suggests: versions.
pub const SUGGEST_VERSION: u32 = 5050;
/// Suggests: flags.
pub const SUGGEST_FLAGS: u32 = 5051;
/// Supplements: names.
pub const SUPPLEMENT_NAME: u32 = 5052;
/// Supplements: versions.
pub const SUPPLEMENT_VERSION: u32 = 5053;
/// Supplements: flags.
pub const SUPPLEMENT_FLAGS: u32 = 5054;
/// Enhances: names.
pub const ENHANCE_NAME: u32 = 5055;
/// Enhances: versions.
pub const ENHANCE_VERSION: u32 = 5056;
/// Enhances: flags.
pub const ENHANCE_FLAGS: u32 = 5057;
/// Hexadecimal digest of the compressed payload.
pub const PAYLOAD_DIGEST: u32 = 5092;
/// Algorithm of [`PAYLOAD_DIGEST`], an OpenPGP hash number.
pub const PAYLOAD_DIGEST_ALGO: u32 = 5093;
/// Bytes of the compressed payload (format of rpm 6).
pub const PAYLOAD_SIZE: u32 = 5112;
/// Bytes of the payload before compression (format of rpm 6).
pub const PAYLOAD_SIZE_ALT: u32 = 5113;
/// Number of the package's format, where it is not 4.
pub const RPM_FORMAT: u32 = 5114;
/// Hexadecimal SHA-512 of the compressed payload (format of rpm 6).
pub const PAYLOAD_SHA512: u32 = 5121;
/// Hexadecimal SHA3-256 of the compressed payload (format of rpm 6).
pub const PAYLOAD_SHA3_256: u32 = 5123;
