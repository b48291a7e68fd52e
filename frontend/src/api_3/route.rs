//! What a route of the API is: its address, who may call it, what it reads, and what it answers. The OpenAPI document
//! is made from this, and the readers of requests hold handlers to it: a field that is not declared cannot be read.

use std::borrow::Cow;
use std::future::Future;

use actix_web::web::Json;
use actix_web::{FromRequest, Handler, HttpRequest, Responder, Route, web};
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub use crate::access::Action;
use crate::error::Error;

pub(super) const GET: &[&str] = &["GET"];
pub(super) const POST: &[&str] = &["POST"];
/// Copr takes POST wherever it takes PUT or DELETE.
pub(super) const PUT: &[&str] = &["PUT", "POST"];
pub(super) const DELETE: &[&str] = &["DELETE", "POST"];

/// Who gets beyond a route's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Users with an API token that allows the action.
    Token(Action),
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A truth value.
    Flag,
    /// A whole number.
    Number,
    /// A list of texts, or one text with white space between the entries.
    List,
    /// A list of whole numbers.
    Numbers,
    /// An object of any fields; its shape is told in words.
    Object,
    /// A file, in a multipart form.
    File,
}

/// A field of a query or a body.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it has to be there.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

impl Field {
    /// A field that may be absent.
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            required: false,
            about,
        }
    }

    /// A field that has to be there.
    pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            required: true,
            about,
        }
    }
}

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing is read.
    None,
    /// A JSON object, or a form with the same names.
    Object,
    /// A multipart form: files, and a part `json`.
    Multipart,
    /// A JSON object whose names are not fixed; told in the summary.
    Free,
}

/// What a route reads; handlers that read anything else fail.
#[derive(Debug, Clone)]
pub struct Reads {
    /// Methods that this is about.
    pub methods: &'static [&'static str],
    /// Who gets in.
    pub access: Access,
    /// Fields of the query.
    pub query: Vec<Field>,
    /// Fields of the body.
    pub body: Vec<Field>,
    /// What the body is.
    pub body_kind: BodyKind,
}

/// What is read at one address, for the readers of requests.
#[derive(Debug, Clone, Default)]
pub struct Address(pub Vec<Reads>);

impl Address {
    /// What the request's route reads; nothing outside of the API.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Reads> {
        // HEAD is a GET whose body stays behind.
        let method = match request.method().as_str() {
            "HEAD" => "GET",
            other => other,
        };
        request
            .app_data::<Self>()?
            .0
            .iter()
            .find(|reads| reads.methods.contains(&method))
    }
}

/// Something that a handler answers, and the schema of it.
pub trait Answer: Responder + 'static {
    /// Its media type.
    const TYPE: &'static str = "application/json";

    /// What the answer's JSON, or its text, is.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<T: serde::Serialize + JsonSchema + 'static> Answer for Json<T> {
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// One operation of the API.
pub struct ApiRoute {
    /// Path below `/api_3`, without a trailing slash; both forms are served.
    pub path: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// What it reads, and who gets in.
    pub reads: Reads,
    /// The media type of its answer.
    pub answer_type: &'static str,
    /// The schema of its answer.
    pub answer: fn(&mut SchemaGenerator) -> Schema,
    handler: Box<dyn Fn() -> Route>,
}

/// An operation that everybody may call.
pub(super) fn public<F, A, T>(methods: &'static [&'static str], path: &'static str, handler: F) -> ApiRoute
where
    F: Handler<A, Output = Result<T, Error>>,
    A: FromRequest + 'static,
    T: Answer,
    F::Future: Future<Output = Result<T, Error>>,
{
    ApiRoute {
        path,
        about: "",
        reads: Reads {
            methods,
            access: Access::Public,
            query: Vec::new(),
            body: Vec::new(),
            body_kind: BodyKind::None,
        },
        answer_type: T::TYPE,
        answer: T::schema,
        handler: Box::new(move || web::to(handler.clone())),
    }
}

/// An operation that takes a token which allows the action.
pub(super) fn token<F, A, T>(
    action: Action,
    methods: &'static [&'static str],
    path: &'static str,
    handler: F,
) -> ApiRoute
where
    F: Handler<A, Output = Result<T, Error>>,
    A: FromRequest + 'static,
    T: Answer,
    F::Future: Future<Output = Result<T, Error>>,
{
    let mut route = public(methods, path, handler);
    route.reads.access = Access::Token(action);
    route
}

impl ApiRoute {
    /// Says what it is for.
    pub(super) fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }

    /// Declares fields of the query.
    pub(super) fn query(mut self, fields: &[Field]) -> Self {
        self.reads.query.extend_from_slice(fields);
        self
    }

    /// Declares fields of the body: JSON or a form.
    pub(super) fn body(mut self, fields: &[Field]) -> Self {
        self.reads.body.extend_from_slice(fields);
        self.reads.body_kind = BodyKind::Object;
        self
    }

    /// Declares the parts of a multipart form.
    pub(super) fn multipart(mut self, fields: &[Field]) -> Self {
        self.reads.body.extend_from_slice(fields);
        self.reads.body_kind = BodyKind::Multipart;
        self
    }

    /// Declares a body of another kind.
    pub(super) fn body_kind(mut self, kind: BodyKind) -> Self {
        self.reads.body_kind = kind;
        self
    }

    /// Its handler, for actix.
    pub(super) fn handler(&self) -> Route {
        (self.handler)()
    }

    /// Names in the path, in order, such as `owner`.
    pub fn path_names(&self) -> Vec<&'static str> {
        self.path
            .split('{')
            .skip(1)
            .filter_map(|part| part.split(['}', ':']).next())
            .collect()
    }

    /// The path as OpenAPI writes it: `{id:\d+}` becomes `{id}`.
    pub fn plain_path(&self) -> Cow<'static, str> {
        if !self.path.contains(':') {
            return Cow::Borrowed(self.path);
        }
        let mut plain = String::new();
        let mut inside = false;
        for c in self.path.chars() {
            match c {
                ':' => inside = true,
                '}' => inside = false,
                _ => {}
            }
            if !inside {
                plain.push(c);
            }
        }
        Cow::Owned(plain)
    }
}

/// Fields that many routes read.
pub(super) mod fields {
    use super::{Field, Kind};
    use crate::operations::bootstrap::{BOOTSTRAPS_OF_BUILD, ISOLATIONS_OR_UNCHANGED};

    pub const OWNER: Field = Field::required("ownername", Kind::Text, "User, or group as `@name`.");
    pub const PROJECT: Field = Field::required("projectname", Kind::Text, "Name of the project.");
    pub const CHROOT: Field = Field::required("chrootname", Kind::Text, "Such as `fedora-44-x86_64`.");
    pub const PACKAGE: Field = Field::required("packagename", Kind::Text, "Name of the package.");
    pub const BUILD_ID: Field = Field::required("build_id", Kind::Number, "Number of the build.");
    /// Of lists: which part, and sorted by one of these fields; the first is the default.
    pub const fn page_by(orders: &'static [&'static str]) -> [Field; 4] {
        [
            Field::new("limit", Kind::Number, "Most items to give; absent: all of them."),
            Field::new("offset", Kind::Number, "Items to leave out."),
            Field::new("order", Kind::Choice(orders), "Field to sort by."),
            Field::new("order_type", Kind::Choice(&["ASC", "DESC"]), "Direction."),
        ]
    }
    /// Options of everything that makes builds.
    pub const BUILD: [Field; 16] = [
        OWNER,
        PROJECT,
        Field::new(
            "project_dirname",
            Kind::Text,
            "Result directory: the project's name, or `project:custom:x`, `project:pr:12`.",
        ),
        Field::new(
            "timeout",
            Kind::Number,
            "Seconds after which the build is stopped.",
        ),
        Field::new(
            "chroots",
            Kind::List,
            "Chroots or patterns; all enabled ones when absent.",
        ),
        Field::new("exclude_chroots", Kind::List, "Chroots or patterns to leave out."),
        Field::new("background", Kind::Flag, "Lower priority."),
        Field::new("enable_net", Kind::Flag, "Network in the build."),
        Field::new(
            "bootstrap",
            Kind::Choice(BOOTSTRAPS_OF_BUILD),
            "Kept for Copr's clients; a VM needs no bootstrap.",
        ),
        Field::new(
            "isolation",
            Kind::Choice(ISOLATIONS_OR_UNCHANGED),
            "Kept for Copr's clients; every build has a VM of its own.",
        ),
        Field::new(
            "after_build_id",
            Kind::Number,
            "Start when the batch of this build is finished.",
        ),
        Field::new("with_build_id", Kind::Number, "Join the batch of this build."),
        Field::new(
            "packit_forge_project",
            Kind::Text,
            "The forge project that Packit builds for.",
        ),
        Field::new(
            "scratch",
            Kind::Flag,
            "Results can be downloaded, but enter no repository.",
        ),
        Field::new(
            "pointer",
            Kind::Text,
            "Who gets the packages and what the build sees: those who follow this pointer, such as `candidate`, in place \
             of everybody. `latest` is everybody, also where the project's setting `build_pointer` names another.",
        ),
        Field::new(
            "commit",
            Kind::Text,
            "The commit that the source is, its whole hash. What is built of it can be installed by that, as \
             `…/<chroot>/<aa>/<bb>/<hash>/`.",
        ),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        async fn nothing() -> Result<Json<u8>, Error> {
            Ok(Json(0))
        }
        let route = public(GET, "/a/{id:\\d+}/{owner}", nothing);
        assert_eq!(route.plain_path(), "/a/{id}/{owner}");
        assert_eq!(route.path_names(), ["id", "owner"]);
    }
}
