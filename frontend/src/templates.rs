//! Pages as templates: one typed function for each, so that a template never meets a context that it was not written
//! for. The texts are part of the program.

pub mod accounts;
pub mod api_docs;
pub mod context;
pub mod keys;
pub mod packages;
pub mod snapshots;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tera::{Context, Tera};

use accounts::{Group, Groups, Permissions, Token};
use api_docs::ApiDocs;
use context::{
    Batches, Build, BuildDelete, Builds, Failure, Frame, Home, Import, Monitor, Project, ProjectDelete,
    ProjectEdit, ProjectNew, Projects, SignIn, Submit,
};
use keys::Keys;
use packages::{Delivery, Package, PackageForm, Packages, Webhooks};
use snapshots::Snapshots;

/// A page that could not be made: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("rendering {template}: {source}")]
pub struct RenderError {
    /// Which template.
    pub template: &'static str,
    /// What is wrong with it.
    #[source]
    pub source: tera::Error,
}

impl From<RenderError> for crate::error::Error {
    fn from(error: RenderError) -> Self {
        Self::Internal(error.to_string())
    }
}

macro_rules! embedded {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../", $folder, "/", $name)).as_slice())),*]
    };
}

/// What `/static/` serves.
pub const STATIC: &[(&str, &[u8])] = embedded!("static": "app.js", "logo.svg", "style.css");

/// All pages, parsed.
#[derive(Debug)]
pub struct Templates {
    tera: Tera,
    asset_version: String,
}

impl Templates {
    /// Parses all templates.
    ///
    /// # Errors
    /// When one does not parse.
    pub fn new() -> Result<Self, RenderError> {
        let failed = |source| RenderError {
            template: "all templates",
            source,
        };
        let mut tera = Tera::new();
        tera.add_raw_templates(SOURCES.iter().copied()).map_err(failed)?;
        let mut hash = Sha256::new();
        for (_, bytes) in STATIC {
            hash.update(bytes);
        }
        let asset_version = hex::encode(&hash.finalize()[..6]);
        tera.global_context().insert("asset_version", &asset_version);
        Ok(Self { tera, asset_version })
    }

    /// Changes with every change of a static file; URLs that carry it may be cached for good.
    pub fn asset_version(&self) -> &str {
        &self.asset_version
    }

    fn render<T: Serialize>(
        &self,
        template: &'static str,
        frame: &Frame,
        page: &T,
    ) -> Result<String, RenderError> {
        let mut context = Context::new();
        context.insert("frame", frame);
        context.insert("page", page);
        self.tera
            .render(template, &context)
            .map_err(|source| RenderError { template, source })
    }
}

macro_rules! pages {
    ($($(#[$doc:meta])* $render:ident($context:ty) = $file:literal;)*) => {
        pub(crate) const SOURCES: &[(&str, &str)] = &[
            ("base.html", include_str!("../templates/base.html")),
            ("parts.html", include_str!("../templates/parts.html")),
            $(($file, include_str!(concat!("../templates/", $file)))),*
        ];

        impl Templates {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When the template asks for what its context lacks.
                pub fn $render(&self, frame: &Frame, page: &$context) -> Result<String, RenderError> {
                    self.render($file, frame, page)
                }
            )*
        }

        /// All pages with all samples.
        #[cfg(test)]
        pub(crate) fn render_samples(templates: &Templates, frame: &Frame) -> Vec<(&'static str, String)> {
            let mut out = Vec::new();
            $(
                for page in <$context>::samples() {
                    out.push(($file, templates.$render(frame, &page).expect($file)));
                }
            )*
            out
        }
    };
}

pages! {
    /// What the service is, and what is new.
    render_home(Home) = "home.html";
    /// Lists of projects: all, found, an owner's.
    render_projects(Projects) = "projects.html";
    /// A project.
    render_project(Project) = "project.html";
    /// The form for a new project.
    render_project_new(ProjectNew) = "project_new.html";
    /// A project's settings.
    render_project_edit(ProjectEdit) = "project_edit.html";
    /// Asks before a project goes.
    render_project_delete(ProjectDelete) = "project_delete.html";
    /// The forms for a new build.
    render_submit(Submit) = "submit.html";
    /// The form for packages from elsewhere.
    render_import(Import) = "import.html";
    /// A project's builds.
    render_builds(Builds) = "builds.html";
    /// How packages stand in each chroot.
    render_monitor(Monitor) = "monitor.html";
    /// A build.
    render_build(Build) = "build.html";
    /// Asks before a build goes.
    render_build_delete(BuildDelete) = "build_delete.html";
    /// Batches that have not ended.
    render_batches(Batches) = "batches.html";
    /// How to sign in.
    render_sign_in(SignIn) = "sign_in.html";
    /// The API tokens.
    render_token(Token) = "token.html";
    /// All groups.
    render_groups(Groups) = "groups.html";
    /// A group.
    render_group(Group) = "group.html";
    /// Who may do what in a project.
    render_permissions(Permissions) = "permissions.html";
    /// A project's keys.
    render_keys(Keys) = "keys.html";
    /// The API's operations.
    render_api_docs(ApiDocs) = "api_docs.html";
    /// A repository's snapshots and pointers.
    render_snapshots(Snapshots) = "snapshots.html";
    /// A project's packages.
    render_packages(Packages) = "packages.html";
    /// A package.
    render_package(Package) = "package.html";
    /// The form of a package.
    render_package_form(PackageForm) = "package_form.html";
    /// A project's webhooks.
    render_webhooks(Webhooks) = "webhooks.html";
    /// A delivery to a webhook.
    render_delivery(Delivery) = "delivery.html";
    /// Any error.
    render_error(Failure) = "error.html";
}

/// Frames for nobody and for somebody.
#[cfg(test)]
pub(crate) fn sample_frames() -> Vec<Frame> {
    let frame = |user: Option<&str>| Frame {
        service: "Koper".to_owned(),
        user: user.map(str::to_owned),
        csrf: "csrf-of-the-session".to_owned(),
        unfinished: true,
    };
    vec![frame(None), frame(Some("alice"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_renders_with_every_sample() {
        let templates = Templates::new().expect("templates parse");
        for frame in sample_frames() {
            for (file, html) in render_samples(&templates, &frame) {
                assert!(html.starts_with("<!doctype html>"), "{file}");
                assert!(html.contains("</html>"), "{file}");
                assert!(!html.contains("<script>"), "{file} has an inline script");
                assert!(!html.contains(" style="), "{file} has an inline style");
                assert!(
                    !html.contains("<b>hostile"),
                    "{file} lets mark-up through:\n{html}"
                );
                let forms = html.matches("method=\"post\"").count();
                assert_eq!(
                    html.matches("name=\"csrf\" value=\"csrf-of-the-session\"")
                        .count(),
                    forms,
                    "{file}"
                );
            }
        }
    }

    #[test]
    fn every_template_file_is_registered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        for entry in std::fs::read_dir(folder).expect("the folder of templates") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            assert!(
                SOURCES.iter().any(|(known, _)| *known == name),
                "{name} is not registered"
            );
        }
    }

    #[test]
    fn static_files_stay_small() {
        let size: usize = STATIC.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(size < 40 << 10, "{size} bytes");
    }
}
