//! What clients send: queries, JSON objects and forms, with the freedoms that Copr's server allows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use db::builds::BuildOptions;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::api_3::route::{Address, Field, Kind};
use crate::api_3::shape;
use crate::app::App;
use crate::error::Error;
use crate::operations::BuildRequest;
use crate::operations::sources::Given;

/// Longest body that is no upload, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;

/// What a handler may read; a slip is a fault of ours that every test of the route finds.
#[derive(Debug, Default)]
struct Declared(Option<Vec<Field>>);

impl Declared {
    fn new(fields: Option<&[Field]>) -> Self {
        Self(fields.map(<[Field]>::to_vec))
    }

    /// Refuses values that are not what their fields are declared to hold, each with a line; fields that are not
    /// declared are nobody's business.
    fn check_values(&self, values: &Map<String, Value>) -> Result<(), Error> {
        let fields = self.0.iter().flatten();
        let wrong: Vec<String> = fields
            .filter_map(|field| shape::flaw(field, values.get(field.name)?))
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(wrong.join("\n")))
    }

    /// The words that a field may hold.
    fn choices(&self, name: &str) -> &'static [&'static str] {
        let field = self.0.iter().flatten().find(|f| f.name == name);
        match field.map(|f| f.kind) {
            Some(Kind::Choice(words)) => words,
            _ => &[],
        }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        match &self.0 {
            Some(fields) if !fields.iter().any(|f| f.name == name) => {
                let slip = format!("the handler reads '{name}', which its route does not declare");
                debug_assert!(false, "{slip}");
                Err(Error::Internal(slip))
            }
            _ => Ok(()),
        }
    }
}

/// The query's pairs; of a repeated name the last counts.
pub(super) struct Query {
    last: HashMap<String, String>,
    all: Vec<(String, String)>,
    declared: Declared,
    /// Most rows of a list.
    most: i64,
}

impl FromRequest for Query {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let all: Vec<_> = form_urlencoded::parse(request.query_string().as_bytes())
            .into_owned()
            .collect();
        ready(Ok(Self {
            last: all.iter().cloned().collect(),
            all,
            declared: Declared::new(Address::of(request).map(|reads| reads.query.as_slice())),
            most: request
                .app_data::<Data<App>>()
                .map_or(0, |app| app.config.list_rows),
        }))
    }
}

impl Query {
    /// A value that is there and not empty.
    ///
    /// # Errors
    /// When the route does not declare it.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Error> {
        self.declared.check(name)?;
        Ok(self.last.get(name).map(String::as_str).filter(|v| !v.is_empty()))
    }

    /// All values of a name that may be repeated.
    pub fn all(&self, name: &str) -> Result<Vec<&str>, Error> {
        self.declared.check(name)?;
        Ok(self
            .all
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect())
    }

    /// Python's word for a truth value, or any other; absent means no.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name)? {
            None | Some("None") => Ok(false),
            Some(word) => {
                shape::truth(word).ok_or_else(|| Error::Invalid(format!("{name}: Not a valid boolean")))
            }
        }
    }

    /// The words that a declared field may have.
    pub fn choices(&self, name: &str) -> &'static [&'static str] {
        self.declared.choices(name)
    }

    /// How many items a list may have at most.
    pub fn most(&self) -> i64 {
        self.most
    }

    /// A value that has to be there.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.get(name)?
            .ok_or_else(|| Error::Invalid(format!("Missing argument {name}")))
    }
}

/// The fields of a JSON object or a form. A field that is `null` is absent; an empty list is not.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: Map<String, Value>,
    declared: Declared,
}

impl FromRequest for Fields {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        let form = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.starts_with("application/x-www-form-urlencoded"));
        let mut fields = Self::of(request);
        Box::pin(async move {
            let body = crate::body::read(payload, MAX_BODY).await?;
            if form {
                for (name, value) in form_urlencoded::parse(&body) {
                    fields.add_text(&name, &value);
                }
                fields.declared.check_values(&fields.values)?;
            } else {
                fields.add_json(&body)?;
            }
            Ok(fields)
        })
    }
}

impl Fields {
    /// No fields yet, of those that the request's route declares.
    pub fn of(request: &HttpRequest) -> Self {
        Self {
            values: Map::new(),
            declared: Declared::new(Address::of(request).map(|reads| reads.body.as_slice())),
        }
    }

    fn value(&self, name: &str) -> Result<Option<&Value>, Error> {
        self.declared.check(name)?;
        let value = self.values.get(name);
        // What came as a part of its own was not looked at before.
        if value.is_some_and(shape::holds_nul) {
            return Err(Error::Invalid(shape::nul(name)));
        }
        Ok(value)
    }

    /// Whether a field is there at all.
    pub fn has(&self, name: &str) -> Result<bool, Error> {
        Ok(self.value(name)?.is_some())
    }

    /// All of an object whose names are not fixed.
    pub fn all(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Takes in the fields of a JSON object; an empty text has none.
    pub fn add_json(&mut self, text: &[u8]) -> Result<(), Error> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        match serde_json::from_slice(text) {
            Ok(Value::Object(object)) => {
                if let Some((name, _)) = object
                    .iter()
                    .find(|(n, v)| n.contains('\0') || shape::holds_nul(v))
                {
                    return Err(Error::Invalid(shape::nul(name)));
                }
                self.values
                    .extend(object.into_iter().filter(|(_, v)| !v.is_null()));
                self.declared.check_values(&self.values)
            }
            Ok(Value::Null) => Ok(()),
            Ok(_) => Err(Error::Invalid(
                "The request's body has to be a JSON object.".to_owned(),
            )),
            Err(e) => Err(Error::Invalid(format!(
                "The request's body is not valid JSON: {e}."
            ))),
        }
    }

    /// Takes in a field of a form; a repeated name makes a list.
    pub fn add_text(&mut self, name: &str, value: &str) {
        let value = Value::from(value);
        match self.values.get_mut(name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                self.values.insert(name.to_owned(), value);
            }
        }
    }

    /// Adds a part of a form: one `json` of several fields, or one field.
    ///
    /// # Errors
    /// 400 when the JSON cannot be read.
    pub fn add_part(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        if name == "json" {
            return self.add_json(bytes);
        }
        self.add_text(name, &String::from_utf8_lossy(bytes));
        Ok(())
    }

    /// A text; numbers and truth values count as theirs.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(_) => Err(Error::Invalid(format!("{name}: Not a valid string"))),
        }
    }

    /// A text that has to be there.
    pub fn required(&self, name: &str) -> Result<String, Error> {
        self.text(name)?
            .filter(|t| !t.is_empty())
            .ok_or_else(|| Error::Invalid(format!("{name}: This field is required.")))
    }

    /// A truth value, or Python's or a form's word for one.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(value) => {
                let word = value
                    .as_str()
                    .map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
                shape::truth(&word)
                    .map(Some)
                    .ok_or_else(|| Error::Invalid(format!("{name}: Not a valid boolean")))
            }
        }
    }

    /// A whole number, also as text; an empty text is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        let number = match self.value(name)? {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_i64(),
        };
        number
            .map(Some)
            .ok_or_else(|| Error::Invalid(format!("{name}: Not a valid integer value")))
    }

    /// A list, or a text of entries with white space between them. Entries of lists from command lines may hold several
    /// words, or none: `--repo ""` is how `copr-cli` empties a list.
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let wrong = || Error::Invalid(format!("{name}: Not a valid list of strings"));
        match self.value(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(words_of(text).collect())),
            Some(Value::Array(list)) => {
                let mut words = Vec::with_capacity(list.len());
                for entry in list {
                    words.extend(words_of(entry.as_str().ok_or_else(wrong)?));
                }
                Ok(Some(words))
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A list of words, of which some may come as numbers; a text is split at white space and commas.
    pub fn words(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let wrong = || Error::Invalid(format!("{name}: Not a valid list"));
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Array(list)) => list
                .iter()
                .map(|v| match v {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(number) => Ok(number.to_string()),
                    _ => Err(wrong()),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(Value::Number(number)) => Ok(Some(vec![number.to_string()])),
            Some(Value::String(text)) => Ok(Some(
                text.split([' ', ','])
                    .filter(|w| !w.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )),
            Some(_) => Err(wrong()),
        }
    }

    /// A list of whole numbers, also as text.
    pub fn numbers(&self, name: &str) -> Result<Option<Vec<i64>>, Error> {
        let wrong = || Error::Invalid(format!("{name}: Not a valid list of integers"));
        self.words(name)?
            .map(|words| words.iter().map(|w| w.parse().map_err(|_| wrong())).collect())
            .transpose()
    }

    /// Copr's common options of builds.
    pub fn build_request(&self) -> Result<BuildRequest, Error> {
        let timeout = self.number("timeout")?;
        Ok(BuildRequest {
            chroots: self.list("chroots")?.unwrap_or_default(),
            exclude_chroots: self.list("exclude_chroots")?.unwrap_or_default(),
            dir: self.text("project_dirname")?,
            after_build: self.number("after_build_id")?,
            with_build: self.number("with_build_id")?,
            pointer: self.text("pointer")?,
            commit: self.text("commit")?,
            options: BuildOptions {
                // What is negative fails the check of the range as 0 does.
                timeout_s: timeout.map(|t| u64::try_from(t).unwrap_or(0)),
                enable_net: self.flag("enable_net")?,
                background: self.flag("background")?.unwrap_or(false),
                bootstrap: self.text("bootstrap")?.filter(|t| !t.is_empty()),
                isolation: self.text("isolation")?.filter(|t| !t.is_empty()),
                packit_forge_project: self.text("packit_forge_project")?.filter(|t| !t.is_empty()),
                scratch: self.flag("scratch")?.unwrap_or(false),
                pointer: None,
                commit: None,
                chroots_named: false,
                chroots_excluded: Vec::new(),
            },
        })
    }
}

fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace().map(str::to_owned)
}

impl Given for Fields {
    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        Self::text(self, name)
    }

    fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        Self::list(self, name)
    }

    fn words(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        Self::words(self, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        let mut fields = Fields::default();
        fields.add_json(json.as_bytes()).unwrap();
        fields
    }

    #[test]
    fn values_may_come_in_several_shapes() {
        let f = fields(
            r#"{"a": "100", "b": 5, "c": null, "d": "x  y", "e": ["x", "y"], "f": "True", "g": "", "h": {}, "i": [""],
                "j": ["x y", " "]}"#,
        );
        assert_eq!(f.number("a").unwrap(), Some(100));
        assert_eq!(f.number("b").unwrap(), Some(5));
        assert_eq!(f.number("c").unwrap(), None);
        assert_eq!(f.number("g").unwrap(), None);
        assert!(f.number("d").is_err());
        assert_eq!(f.list("d").unwrap(), f.list("e").unwrap());
        assert_eq!(f.list("c").unwrap(), None);
        assert_eq!(f.list("i").unwrap(), Some(Vec::new()));
        assert_eq!(f.list("j").unwrap(), f.list("e").unwrap());
        assert_eq!(f.flag("f").unwrap(), Some(true));
        assert!(f.flag("d").is_err());
        assert_eq!(f.text("b").unwrap().as_deref(), Some("5"));
        assert!(f.text("h").is_err());
        assert!(f.required("g").is_err());
    }

    #[test]
    fn only_objects_are_taken() {
        for bad in ["[]", "1", "{", "\"x\""] {
            assert!(Fields::default().add_json(bad.as_bytes()).is_err(), "{bad}");
        }
        for empty in ["", "  ", "null", "{}"] {
            assert!(Fields::default().add_json(empty.as_bytes()).is_ok(), "{empty}");
        }
    }
}
