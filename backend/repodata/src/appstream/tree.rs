//! A small XML document in memory.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::xml::{push_attr, push_text};

/// Deeper than any component is.
const MAX_DEPTH: usize = 32;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Child>,
}

/// What is in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Child {
    Text(String),
    Node(Node),
}

impl Node {
    /// An element that holds nothing but text.
    pub(super) fn of(name: &str, text: &str) -> Node {
        Node {
            name: name.to_owned(),
            attributes: Vec::new(),
            children: vec![Child::Text(text.to_owned())],
        }
    }

    pub(super) fn with(mut self, attribute: &str, value: &str) -> Node {
        self.attributes.push((attribute.to_owned(), value.to_owned()));
        self
    }

    /// Reads a document; None if it is not well-formed, too deep, or makes use of entities of its own.
    pub(super) fn parse(xml: &str) -> Option<Node> {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Node::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Eof => break,
                Event::Start(start) if open.len() <= MAX_DEPTH => open.push(Node::start(&start)?),
                Event::Start(_) => return None,
                Event::Empty(start) => {
                    let node = Node::start(&start)?;
                    open.last_mut()?.children.push(Child::Node(node));
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(Child::Node(done));
                }
                Event::Text(text) => open.last_mut()?.push(&text),
                Event::CData(text) => open.last_mut()?.push(&text),
                Event::GeneralRef(name) => match name.resolve_char_ref().ok()? {
                    Some(c) => open.last_mut()?.push(c.encode_utf8(&mut [0; 4])),
                    None => open.last_mut()?.push(resolve_predefined_entity(&name)?),
                },
                _ => {}
            }
        }
        let [document] = <[Node; 1]>::try_from(open).ok()?;
        document.children.into_iter().find_map(|child| match child {
            Child::Node(root) => Some(root),
            Child::Text(_) => None,
        })
    }

    fn start(start: &BytesStart<'_>) -> Option<Node> {
        let mut node = Node {
            name: start.name().as_ref().to_owned(),
            ..Node::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            node.attributes
                .push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        Some(node)
    }

    fn push(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Child::Text(last)) => last.push_str(text),
            _ => self.children.push(Child::Text(text.to_owned())),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// The elements in it.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().filter_map(|child| match child {
            Child::Node(node) => Some(node),
            Child::Text(_) => None,
        })
    }

    /// The text in it, without that in other elements in it.
    pub(super) fn text(&self) -> String {
        let text = self.children.iter().filter_map(|child| match child {
            Child::Text(text) => Some(text.as_str()),
            Child::Node(_) => None,
        });
        text.collect()
    }

    /// Whether there is an element of that name in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.nodes().any(|node| node.name == name)
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            push_attr(out, name, value);
        }
        if self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for child in &self.children {
            match child {
                Child::Text(text) => push_text(out, text),
                Child::Node(node) => node.write(out),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}
