//! Whether a value is what its field is declared to hold, with the freedoms that Copr's clients use. What a value means
//! is the handler's business.

use std::borrow::Cow;

use serde_json::Value;

use crate::api_3::route::{Field, Kind};
use crate::operations::projects::shown;

/// The truth value that a word stands for, in JSON, Python, forms and by hand.
pub(super) fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "on" => Some(true),
        "false" | "0" | "no" | "n" | "off" | "" => Some(false),
        _ => None,
    }
}

/// Whether there is a NUL character, which no text of ours has and which the database cannot hold.
pub(super) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(holds_nul),
        Value::Object(object) => object.iter().any(|(key, v)| key.contains('\0') || holds_nul(v)),
        _ => false,
    }
}

/// What is said about one.
pub(super) fn nul(name: &str) -> String {
    format!("{}: Leave out the NUL character", shown(name))
}

/// What is wrong with a field's value, as a line that names the field.
pub(super) fn flaw(field: &Field, value: &Value) -> Option<String> {
    let name = field.name;
    let not = |what: &str| Some(format!("{name}: Not a valid {what}"));
    if holds_nul(value) {
        return Some(nul(name));
    }
    match field.kind {
        Kind::Text if text(value).is_none() => not("string"),
        Kind::Choice(words) => match text(value) {
            None => not("string"),
            Some(word) if word.is_empty() || words.contains(&&*word) => None,
            Some(word) => Some(format!(
                "{name}: '{}' is not a valid choice for this field",
                shown(&word)
            )),
        },
        Kind::Flag if text(value).and_then(|word| truth(&word)).is_none() => not("boolean"),
        Kind::Number if !number(value) => not("integer value"),
        Kind::List if !list(value, |entry| entry.is_string() || entry.is_number()) => not("list of strings"),
        Kind::Numbers if !numbers(value) => not("list of integers"),
        Kind::Object if !value.is_object() => not("object"),
        // Files are parts of forms, which are never among the fields.
        Kind::Text | Kind::Flag | Kind::Number | Kind::List | Kind::Numbers | Kind::Object | Kind::File => {
            None
        }
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

fn number(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty() || text.trim().parse::<i64>().is_ok(),
        other => other.as_i64().is_some(),
    }
}

/// A list, or one text with all entries, or the only entry.
fn list(value: &Value, entry: impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(list) => list.iter().all(entry),
        Value::String(_) => true,
        other => entry(other),
    }
}

fn numbers(value: &Value) -> bool {
    match value {
        Value::String(text) => text
            .split([' ', ','])
            .all(|word| word.is_empty() || word.parse::<i64>().is_ok()),
        other => list(other, number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_fit_their_fields_or_are_told_why_not() {
        let flaw = |kind, value: Value| flaw(&Field::new("a", kind, ""), &value);
        let words = Kind::Choice(&["on", "off"]);
        for (kind, good, bad) in [
            (Kind::Text, json!("x"), json!({})),
            (Kind::Text, json!(1.5), json!([])),
            (words, json!("on"), json!("On")),
            (words, json!(""), json!([])),
            (Kind::Flag, json!("True"), json!("maybe")),
            (Kind::Flag, json!(1), json!(2)),
            (Kind::Number, json!(" 7 "), json!(1.5)),
            (Kind::Number, json!(""), json!(true)),
            (Kind::List, json!("a b"), json!([{}])),
            (Kind::List, json!([]), json!(true)),
            (Kind::Numbers, json!(["3", 2]), json!(["x"])),
            (Kind::Numbers, json!("3, 2"), json!("x")),
            (Kind::Object, json!({}), json!("x")),
            (Kind::Text, json!("\u{1}"), json!("\u{0}")),
        ] {
            assert_eq!(flaw(kind, good.clone()), None, "{kind:?} {good}");
            assert!(
                flaw(kind, bad.clone()).unwrap().starts_with("a: "),
                "{kind:?} {bad}"
            );
        }
    }
}
