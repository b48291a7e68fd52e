//! What is asked for most: builds, packages, projects and the monitor as clients see them. Each function is one query
//! whose prepared statement its connection keeps, asks for the columns that are shown and no others, and reads along an
//! index, however large the tables are. Lists of builds ask once more, for the names of the submitters.
//!
//! A limit is written `(SELECT ?::bigint)`: PostgreSQL then plans for one that it does not know, always along the index,
//! and once per connection. With a number it would plan each execution anew, and take a project of average size for
//! granted.

pub mod build_chroots;
pub mod builds;
pub mod monitor;
pub mod overview;
pub mod packages;
pub mod projects;

use std::borrow::Cow;
use std::marker::PhantomData;

use diesel::QueryResult;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Jsonb, Text};
use serde::de::DeserializeOwned;

/// A value for a `?` of a [`Prepared`] query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bind<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Number(i64),
    Numbers(&'a [i64]),
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Bind<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A query written in SQL, with a `?` for each value, whose rows have the types `ST`. Other than diesel's `sql_query`
/// it is prepared once per connection.
pub(crate) struct Prepared<'a, ST> {
    text: Cow<'static, str>,
    binds: Vec<Bind<'a>>,
    types: PhantomData<ST>,
}

impl<'a, ST> Prepared<'a, ST> {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, binds: impl IntoIterator<Item = Bind<'a>>) -> Self {
        Self {
            text: text.into(),
            binds: binds.into_iter().collect(),
            types: PhantomData,
        }
    }
}

impl<ST> Query for Prepared<'_, ST> {
    type SqlType = ST;
}

impl<ST> QueryId for Prepared<'_, ST> {
    type QueryId = ();
    // The text is the key of the prepared statement.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST> QueryFragment<Pg> for Prepared<'_, ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut parts = self.text.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (part, bind) in parts.zip(&self.binds) {
            match bind {
                Bind::Text(text) => out.push_bind_param::<Text, &str>(text)?,
                Bind::Texts(texts) => out.push_bind_param::<Array<Text>, [&str]>(texts)?,
                Bind::Numbers(numbers) => out.push_bind_param::<Array<BigInt>, [i64]>(numbers)?,
                Bind::Number(number) => out.push_bind_param::<BigInt, i64>(number)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

/// JSON that becomes its type at once, without a tree of values in between.
#[derive(Debug, FromSqlRow)]
pub(crate) struct Parsed<T>(pub(crate) T);

impl<T: DeserializeOwned> FromSql<Jsonb, Pg> for Parsed<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        // One byte of version comes first, always 1.
        match value.as_bytes().split_first() {
            Some((1, json)) => Ok(Self(serde_json::from_slice(json)?)),
            _ => Err("the JSON has a version that is not known".into()),
        }
    }
}

/// A pattern for `ILIKE` that finds the text anywhere, whatever it holds.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    // No text in the database holds a zero byte, and none can be asked for.
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
