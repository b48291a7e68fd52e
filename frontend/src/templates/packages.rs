//! What the pages about packages and webhooks are given.

use serde::Serialize;

use super::context::{BuildLine, Field, Head, Moment, ProjectHead};

/// A project's packages.
#[derive(Debug, Clone, Serialize)]
pub struct Packages {
    /// Top.
    pub project: ProjectHead,
    /// What was searched for.
    pub query: String,
    /// How it is sorted, as addresses say it; empty: as ever.
    pub sort: String,
    /// Heads of the table.
    pub heads: Vec<Head>,
    /// One page of them.
    pub packages: Vec<PackageLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// A package in a list.
#[derive(Debug, Clone, Serialize)]
pub struct PackageLine {
    /// Name.
    pub name: String,
    /// URL path with a trailing slash.
    pub path: String,
    /// Copr's word for the type of its default source.
    pub source: String,
    /// Whether webhooks rebuild it.
    pub auto_rebuild: bool,
    /// Its latest build.
    pub latest: Option<BuildLine>,
}

/// A field of a source, or another setting.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// Which.
    pub name: String,
    /// Shown as it is, over several lines if it has them.
    pub value: String,
}

/// A package's page.
#[derive(Debug, Clone, Serialize)]
pub struct Package {
    /// Top.
    pub project: ProjectHead,
    /// The package.
    pub package: PackageLine,
    /// Whether it has a source that can be built.
    pub buildable: bool,
    /// What it is set to.
    pub facts: Vec<Fact>,
    /// One page of its builds.
    pub builds: Vec<BuildLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
    /// The same build by `copr-cli`.
    pub cli: String,
}

/// A type of source to choose.
#[derive(Debug, Clone, Serialize)]
pub struct SourceChoice {
    /// For people.
    pub label: String,
    /// Where its form is.
    pub url: String,
    /// It is this form's.
    pub current: bool,
}

/// A choice of a list.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// Sent.
    pub value: String,
    /// Shown.
    pub label: String,
    /// Chosen.
    pub chosen: bool,
}

/// A field of a form.
#[derive(Debug, Clone, Serialize)]
pub struct FormField {
    /// Name, as in the API.
    pub name: String,
    /// For people.
    pub label: String,
    /// What to enter.
    pub hint: String,
    /// `text`, `area` or `choice`.
    pub kind: String,
    /// What was entered, and what is wrong with it.
    pub field: Field,
    /// Of a choice.
    pub choices: Vec<Choice>,
}

/// The form of a package.
#[derive(Debug, Clone, Serialize)]
pub struct PackageForm {
    /// Top.
    pub project: ProjectHead,
    /// Heading.
    pub title: String,
    /// Where it is sent.
    pub action: String,
    /// Types of sources.
    pub sources: Vec<SourceChoice>,
    /// What concerns no single field.
    pub error: Option<String>,
    /// Name; `None`: it is fixed.
    pub name: Option<Field>,
    /// Of the source.
    pub fields: Vec<FormField>,
    /// Whether webhooks rebuild it.
    pub webhook_rebuild: bool,
    /// Of any package.
    pub options: Vec<FormField>,
}

/// A URL to paste.
#[derive(Debug, Clone, Serialize)]
pub struct HookUrl {
    /// Who delivers there.
    pub name: String,
    /// The URL.
    pub url: String,
    /// What to choose there.
    pub hint: String,
}

/// A delivery in a list.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryLine {
    /// Number.
    pub id: i64,
    /// URL path with a trailing slash.
    pub path: String,
    /// When.
    pub at: Moment,
    /// Where it came in.
    pub kind: String,
    /// What happened at the forge.
    pub event: String,
    /// `started`, `nothing` or `refused`.
    pub state: String,
    /// What was decided.
    pub message: String,
    /// Builds: number and URL path.
    pub builds: Vec<(i64, String)>,
}

/// A project's webhooks.
#[derive(Debug, Clone, Serialize)]
pub struct Webhooks {
    /// Top.
    pub project: ProjectHead,
    /// Ready to paste.
    pub urls: Vec<HookUrl>,
    /// Whether deliveries have to be signed.
    pub signed: bool,
    /// The key, typed.
    pub key: Field,
    /// Deliveries with a wrong secret.
    pub refused: u64,
    /// One page of the log.
    pub deliveries: Vec<DeliveryLine>,
    /// URL of the next page.
    pub older: Option<String>,
    /// URL of the previous page.
    pub newer: Option<String>,
}

/// A delivery's page.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Top.
    pub project: ProjectHead,
    /// The delivery.
    pub delivery: DeliveryLine,
    /// HTTP status of the answer.
    pub status: i32,
    /// The forge's own number of it.
    pub forge_id: Option<String>,
    /// The delivery that was run again.
    pub redelivery_of: Option<i64>,
    /// Packages that were not built, and why.
    pub not_started: Vec<Fact>,
    /// Names and values.
    pub headers: Vec<Fact>,
    /// As text.
    pub body: String,
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::templates::context::samples::{HOSTILE, build_line, head, heads, moment, wrong};

    fn line(full: bool) -> PackageLine {
        PackageLine {
            name: HOSTILE.to_owned(),
            path: "/coprs/alice/tools/package/hello/".to_owned(),
            source: "scm".to_owned(),
            auto_rebuild: full,
            latest: full.then(|| build_line(None)),
        }
    }

    fn fact() -> Fact {
        Fact {
            name: HOSTILE.to_owned(),
            value: HOSTILE.to_owned(),
        }
    }

    fn fields() -> Vec<FormField> {
        ["text", "area", "choice"]
            .into_iter()
            .map(|kind| FormField {
                name: format!("field_{kind}"),
                label: HOSTILE.to_owned(),
                hint: HOSTILE.to_owned(),
                kind: kind.to_owned(),
                field: wrong(),
                choices: vec![Choice {
                    value: HOSTILE.to_owned(),
                    label: HOSTILE.to_owned(),
                    chosen: true,
                }],
            })
            .collect()
    }

    fn delivery(full: bool) -> DeliveryLine {
        DeliveryLine {
            id: 7,
            path: "/coprs/alice/tools/webhooks/7/".to_owned(),
            at: moment(),
            kind: "github".to_owned(),
            event: HOSTILE.to_owned(),
            state: if full { "started" } else { "refused" }.to_owned(),
            message: HOSTILE.to_owned(),
            builds: if full {
                vec![(12, "/coprs/alice/tools/build/12/".to_owned())]
            } else {
                vec![]
            },
        }
    }

    impl Packages {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |full: bool| Self {
                project: head(full),
                query: HOSTILE.to_owned(),
                sort: HOSTILE.to_owned(),
                heads: heads(),
                packages: if full {
                    vec![line(true), line(false)]
                } else {
                    vec![]
                },
                older: full.then(|| "?page=3".to_owned()),
                newer: full.then(|| "?page=1".to_owned()),
            };
            vec![of(true), of(false)]
        }
    }

    impl Package {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |full: bool| Self {
                project: head(full),
                package: line(full),
                buildable: full,
                facts: vec![fact()],
                builds: if full { vec![build_line(None)] } else { vec![] },
                older: None,
                newer: None,
                cli: "copr-cli build-package tools --name hello".to_owned(),
            };
            vec![of(true), of(false)]
        }
    }

    impl PackageForm {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |new: bool| Self {
                project: head(true),
                title: HOSTILE.to_owned(),
                action: if new {
                    "/coprs/alice/tools/add_package/scm/"
                } else {
                    "/coprs/alice/tools/package/hello/edit/scm/"
                }
                .to_owned(),
                sources: vec![SourceChoice {
                    label: HOSTILE.to_owned(),
                    url: "/coprs/alice/tools/add_package/scm/".to_owned(),
                    current: new,
                }],
                error: new.then(|| HOSTILE.to_owned()),
                name: new.then(wrong),
                fields: fields(),
                webhook_rebuild: new,
                options: fields(),
            };
            vec![of(true), of(false)]
        }
    }

    impl Webhooks {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |full: bool| Self {
                project: head(true),
                urls: vec![HookUrl {
                    name: "GitHub".to_owned(),
                    url: "https://koper.example.org/webhooks/github/1/x/".to_owned(),
                    hint: HOSTILE.to_owned(),
                }],
                signed: full,
                key: wrong(),
                refused: u64::from(full),
                deliveries: if full {
                    vec![delivery(true), delivery(false)]
                } else {
                    vec![]
                },
                older: None,
                newer: None,
            };
            vec![of(true), of(false)]
        }
    }

    impl Delivery {
        pub(crate) fn samples() -> Vec<Self> {
            let of = |full: bool| Self {
                project: head(true),
                delivery: delivery(full),
                status: if full { 200 } else { 403 },
                forge_id: full.then(|| HOSTILE.to_owned()),
                redelivery_of: full.then_some(6),
                not_started: if full { vec![fact()] } else { vec![] },
                headers: vec![fact()],
                body: HOSTILE.to_owned(),
            };
            vec![of(true), of(false)]
        }
    }
}
