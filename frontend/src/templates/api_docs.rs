//! What the page about the API is given.

use serde::Serialize;

/// The page about the API.
#[derive(Debug, Clone, Serialize)]
pub struct ApiDocs {
    /// The service's URL.
    pub url: String,
    /// Operations by subject.
    pub sections: Vec<Section>,
}

/// The operations of one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Such as `project`.
    pub name: String,
    /// In the table's order.
    pub operations: Vec<Operation>,
}

/// An operation.
#[derive(Debug, Clone, Serialize)]
pub struct Operation {
    /// Where links on the page lead.
    pub anchor: String,
    /// `GET`.
    pub method: String,
    /// Path from the service's root, names in braces.
    pub path: String,
    /// A sentence.
    pub about: String,
    /// What a token has to allow; none: everybody may call it.
    pub action: Option<String>,
    /// What the body is; empty if none is read.
    pub body: String,
    /// Parameters and fields.
    pub inputs: Vec<Input>,
    /// The answer's shape.
    pub answer: String,
    /// A line to try it with.
    pub curl: String,
    /// The form that does the same, names in braces.
    pub form: Option<String>,
}

/// A parameter or a field.
#[derive(Debug, Clone, Serialize)]
pub struct Input {
    /// Name.
    pub name: String,
    /// `path`, `query` or `body`.
    pub place: String,
    /// What it holds, in words.
    pub kind: String,
    /// Whether it has to be there.
    pub required: bool,
    /// What it means.
    pub about: String,
}

#[cfg(test)]
impl ApiDocs {
    pub(crate) fn samples() -> Vec<Self> {
        let operation = |action: Option<&str>, inputs: Vec<Input>| Operation {
            anchor: "put-project".to_owned(),
            method: "PUT".to_owned(),
            path: "/api_3/project".to_owned(),
            about: "<b>hostile</b>".to_owned(),
            action: action.map(str::to_owned),
            body: "JSON object".to_owned(),
            inputs,
            answer: "{\n  id: integer\n}".to_owned(),
            curl: "curl 'https://koper.test/api_3/project'".to_owned(),
            form: action.map(|_| "/coprs/{owner}/{project}/edit/".to_owned()),
        };
        let input = Input {
            name: "name".to_owned(),
            place: "body".to_owned(),
            kind: "text".to_owned(),
            required: true,
            about: "<b>hostile</b>".to_owned(),
        };
        let sections = vec![Section {
            name: "project".to_owned(),
            operations: vec![operation(Some("edit"), vec![input]), operation(None, Vec::new())],
        }];
        let of = |sections| Self {
            url: "https://koper.test".to_owned(),
            sections,
        };
        vec![of(sections), of(Vec::new())]
    }
}
