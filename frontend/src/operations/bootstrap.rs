//! Copr's words for how a buildroot is made (`bootstrap`) and kept apart (`isolation`). Every build has a machine of its own,
//! so they are checked, kept and given back, and mean nothing.

use crate::operations::projects::shown;

/// What a chroot may be set to; *unchanged* is what its project says.
pub const BOOTSTRAPS_OF_CHROOT: &[&str] = &["unchanged", "default", "on", "off", "image", CUSTOM_IMAGE];
/// What a build may ask for.
pub const BOOTSTRAPS_OF_BUILD: &[&str] = BOOTSTRAPS_OF_CHROOT.split_at(5).0;
/// What a project may be set to.
pub const BOOTSTRAPS: &[&str] = BOOTSTRAPS_OF_BUILD.split_at(1).1;
/// The one that needs the name of an image.
pub const CUSTOM_IMAGE: &str = "custom_image";
/// What a chroot may be set to, and a build may ask for.
pub const ISOLATIONS_OR_UNCHANGED: &[&str] = &["unchanged", "default", "simple", "nspawn"];
/// What a project may be set to.
pub const ISOLATIONS: &[&str] = ISOLATIONS_OR_UNCHANGED.split_at(1).1;

/// What is wrong with a value that has to be one of these.
pub(crate) fn wrong_choice(field: &str, value: &str, choices: &[&str]) -> Option<String> {
    (!choices.contains(&value))
        .then(|| format!("{field}: '{}' is not a valid choice for this field", shown(value)))
}
