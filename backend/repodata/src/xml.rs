//! Text that is safe in XML 1.0.

use std::borrow::Cow;
use std::fmt::Write;

/// Reads text as `createrepo_c` does: UTF-8 if it is that, else Latin-1 without 0x80..=0xbf (which are control
/// characters of a text that was Windows-1252 rather).
pub(crate) fn latin1_or_utf8(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => raw
            .iter()
            .filter(|byte| !(0x80..=0xbf).contains(*byte))
            .map(|byte| char::from(*byte))
            .collect(),
    }
}

/// Bytes that text cannot simply be copied over: what needs an escape in text or attributes, control characters, and the
/// first byte of U+FFFE and U+FFFF.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'"' as usize] = true;
    special[0xef] = true;
    special
};

/// Whether XML 1.0 can hold the character at all, even escaped.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Copies text, and lets `escape` replace special characters; those that XML cannot hold are left out.
fn push_escaped(out: &mut String, mut text: &str, escape: impl Fn(char) -> Option<&'static str>) {
    // Most text has nothing special at all, or not for long.
    while let Some(at) = text.bytes().position(|byte| SPECIAL[usize::from(byte)]) {
        let (plain, rest) = text.split_at(at);
        out.push_str(plain);
        let mut rest = rest.chars();
        let special = rest.next().filter(|c| is_xml_char(*c));
        match special.map(|c| (c, escape(c))) {
            Some((_, Some(escaped))) => out.push_str(escaped),
            Some((plain, None)) => out.push(plain),
            None => {}
        }
        text = rest.as_str();
    }
    out.push_str(text);
}

/// Appends text content; characters that XML cannot hold are left out.
pub(crate) fn push_text(out: &mut String, text: &str) {
    push_escaped(out, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        // A parser would turn a bare carriage return into a newline.
        '\r' => Some("&#13;"),
        _ => None,
    });
}

/// Appends ` name="value"`; white space other than blanks is escaped, since parsers normalise it in attributes.
pub(crate) fn push_attr(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        _ => None,
    });
    out.push('"');
}

/// Appends ` name="number"`.
pub(crate) fn push_number(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, " {name}=\"{value}\"");
}

/// Appends `<name>text</name>` on a line of its own; `<name/>` without text.
pub(crate) fn push_element(out: &mut String, indent: &str, name: &str, text: &str) {
    if text.is_empty() {
        let _ = writeln!(out, "{indent}<{name}/>");
        return;
    }
    let _ = write!(out, "{indent}<{name}>");
    push_text(out, text);
    let _ = writeln!(out, "</{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_xml_cannot_hold() {
        let mut out = String::new();
        push_text(&mut out, "a\u{1}b\u{0}<&>\r\u{fffe}é");
        assert_eq!(out, "ab&lt;&amp;&gt;&#13;é");
        let mut out = String::new();
        push_text(&mut out, "\u{ffff}ï\u{fffd}\u{feff}\"\n\t\u{1}");
        assert_eq!(out, "ï\u{fffd}\u{feff}\"\n\t");
        let mut out = String::new();
        push_attr(&mut out, "x", "\"\n\u{8}\t'");
        assert_eq!(out, " x=\"&quot;&#10;&#9;'\"");
    }

    #[test]
    fn reads_latin1() {
        assert_eq!(latin1_or_utf8(b"M\xfcller \x96 caf\xe9"), "Müller  café");
        assert_eq!(latin1_or_utf8("Müller".as_bytes()), "Müller");
    }
}
