//! From a metainfo file to an element of the catalogue.

use std::collections::HashMap;

use super::desktop::DesktopFile;
use super::tree::{Child, Node};

const LANGUAGE: &str = "xml:lang";
/// Elements that only metainfo files have, or that only whoever makes the catalogue may set.
const LEFT_OUT: [&str; 6] = [
    "metadata_license",
    "update_contact",
    "translation",
    "pkgname",
    "source_pkgname",
    "bundle",
];
/// More languages than anything is translated into; what is said in others is left out.
const MAX_LANGUAGES: usize = 256;
/// Kinds of software that come with a desktop file.
const DESKTOP: [&str; 2] = ["desktop", "desktop-application"];

/// The element for a metainfo file of the package; None if the file is no component of its own.
pub(super) fn component(
    metainfo: &str,
    package: &str,
    desktop_files: &HashMap<String, DesktopFile>,
) -> Option<String> {
    let mut root = Node::parse(metainfo.trim_start_matches('\u{feff}'))?;
    // What merges with others would say something of software that is not in this package.
    if root.name != "component" || root.attribute("merge").is_some() {
        return None;
    }
    let id = root.nodes().find(|node| node.name == "id")?.text();
    let id = id.trim();
    if id.is_empty() || id.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let desktop = desktop_file(&root, id, desktop_files);
    let mut children = Vec::new();
    for node in root.nodes().filter(|node| !LEFT_OUT.contains(&&*node.name)) {
        match &*node.name {
            "id" => {
                children.push(Node::of("id", id));
                children.push(Node::of("pkgname", package));
            }
            "description" => children.extend(by_language(node)),
            "releases" => children.push(releases(node)),
            _ => children.push(node.clone()),
        }
    }
    if let Some((id, file)) = desktop {
        complete(&root, id, file, &mut children);
    }
    root.attributes
        .retain(|(name, _)| name == "type" || name == LANGUAGE || name == "date_eol");
    root.children = children.into_iter().map(Child::Node).collect();
    let mut out = String::from("  ");
    root.write(&mut out);
    out.push('\n');
    Some(out)
}

/// The desktop file that starts the component, if it is a program with one.
fn desktop_file<'a>(
    root: &Node,
    id: &str,
    files: &'a HashMap<String, DesktopFile>,
) -> Option<(&'a str, &'a DesktopFile)> {
    if !DESKTOP.contains(&root.attribute("type")?) {
        return None;
    }
    let launchable = root
        .nodes()
        .find(|node| node.name == "launchable" && node.attribute("type") == Some("desktop-id"))
        .map(|node| node.text().trim().to_owned());
    let names = launchable
        .into_iter()
        .chain([id.to_owned(), format!("{id}.desktop")]);
    let found = names.filter_map(|name| files.get_key_value(&name)).next()?;
    Some((found.0, found.1))
}

/// Adds what the desktop file knows and the metainfo file does not say.
fn complete(root: &Node, id: &str, file: &DesktopFile, children: &mut Vec<Node>) {
    for (element, value) in [("name", &file.name), ("summary", &file.comment)] {
        if let Some(value) = value.as_ref().filter(|_| !root.has(element)) {
            children.push(Node::of(element, value));
        }
    }
    if let Some(icon) = file.icon.as_ref().filter(|_| !root.has("icon")) {
        children.push(Node::of("icon", icon).with("type", "stock"));
    }
    if !root.has("categories") && !file.categories.is_empty() {
        let all = file.categories.iter();
        children.push(Node {
            name: "categories".to_owned(),
            attributes: Vec::new(),
            children: all.map(|name| Child::Node(Node::of("category", name))).collect(),
        });
    }
    if !root.has("launchable") {
        children.push(Node::of("launchable", id).with("type", "desktop-id"));
    }
}

/// Releases are described as components are.
fn releases(node: &Node) -> Node {
    let release = |release: &Node| {
        let mut release = release.clone();
        let children = release.nodes().flat_map(|node| match &*node.name {
            "description" => by_language(node),
            _ => vec![node.clone()],
        });
        release.children = children.map(Child::Node).collect();
        Child::Node(release)
    };
    Node {
        children: node.nodes().map(release).collect(),
        ..node.clone()
    }
}

/// Metainfo files have each paragraph in all languages, catalogues a description for each language.
fn by_language(description: &Node) -> Vec<Node> {
    // An absent language is that of the programmers.
    let mut languages: Vec<Option<&str>> = vec![None];
    for block in description.nodes() {
        for node in std::iter::once(block).chain(block.nodes()) {
            let language = node.attribute(LANGUAGE);
            // The one that is left out at once is made by tests of translations.
            let is_wanted = language != Some("x-test") && languages.len() < MAX_LANGUAGES;
            if is_wanted && !languages.contains(&language) {
                languages.push(language);
            }
        }
    }
    let one = |language: Option<&str>| {
        let block = |block: &Node| {
            let is_list = block.nodes().any(|node| node.name == "li");
            if !is_list {
                return (block.attribute(LANGUAGE) == language).then(|| without_language(block));
            }
            let items = block.nodes().filter(|item| {
                // A list may be translated as a whole or item by item.
                block.attribute(LANGUAGE).or(item.attribute(LANGUAGE)) == language
            });
            let items: Vec<Child> = items.map(|item| Child::Node(without_language(item))).collect();
            (!items.is_empty()).then(|| Node {
                children: items,
                ..without_language(block)
            })
        };
        let children: Vec<Child> = description.nodes().filter_map(block).map(Child::Node).collect();
        let node = Node {
            name: description.name.clone(),
            attributes: Vec::new(),
            children,
        };
        let node = match language {
            Some(language) => node.with(LANGUAGE, language),
            None => node,
        };
        (!node.children.is_empty()).then_some(node)
    };
    languages.into_iter().filter_map(one).collect()
}

fn without_language(node: &Node) -> Node {
    let mut node = node.clone();
    node.attributes.retain(|(name, _)| name != LANGUAGE);
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(metainfo: &str) -> Option<String> {
        let editor = DesktopFile {
            name: Some("Editor".to_owned()),
            comment: None,
            icon: Some("editor".to_owned()),
            categories: vec!["Utility".to_owned()],
        };
        let files = HashMap::from([("org.example.Editor.desktop".to_owned(), editor)]);
        component(metainfo, "editor", &files)
    }

    #[test]
    fn a_package_s_name_and_its_desktop_file_are_added() {
        let xml = "<?xml version='1.0'?><!-- c --><component type='desktop-application'>\n <id> org.example.Editor </id>\n\
            <pkgname>forged</pkgname><metadata_license>CC0-1.0</metadata_license><summary>&lt;Edits&gt; &amp; more</summary>\
            </component>";
        assert_eq!(
            made(xml).unwrap(),
            "  <component type=\"desktop-application\"><id>org.example.Editor</id><pkgname>editor</pkgname>\
             <summary>&lt;Edits&gt; &amp; more</summary><name>Editor</name><icon type=\"stock\">editor</icon>\
             <categories><category>Utility</category></categories>\
             <launchable type=\"desktop-id\">org.example.Editor.desktop</launchable></component>\n"
        );
    }

    #[test]
    fn each_language_has_a_description_of_its_own() {
        let xml = "<component><id>x</id><description><p>One</p><p xml:lang='de'>Eins</p><p xml:lang='x-test'>xx</p>\
            <ul><li>A</li><li xml:lang='de'>B</li></ul><ol><li>C</li></ol></description></component>";
        assert_eq!(
            made(xml).unwrap(),
            "  <component><id>x</id><pkgname>editor</pkgname><description><p>One</p><ul><li>A</li></ul>\
             <ol><li>C</li></ol></description><description xml:lang=\"de\"><p>Eins</p><ul><li>B</li></ul></description>\
             </component>\n"
        );
    }

    #[test]
    fn invented_languages_cost_nothing() {
        let blocks: String = (0..30_000).map(|n| format!("<p xml:lang='l{n}'>x</p>")).collect();
        let xml = format!("<component><id>x</id><description>{blocks}</description></component>");
        let made = made(&xml).unwrap();
        assert_eq!(made.matches("<description ").count(), MAX_LANGUAGES - 1);
    }

    #[test]
    fn what_is_no_component_is_passed_over() {
        let deep = format!(
            "<component><id>x</id>{}{}</component>",
            "<a>".repeat(40),
            "</a>".repeat(40)
        );
        for xml in [
            "",
            "text",
            "<component>",
            "<component/>",
            "<component><id></id></component>",
            "<component><id>a b</id></component>",
            "<application><id>x</id></application>",
            "<component merge='replace'><id>x</id></component>",
            "<!DOCTYPE c [<!ENTITY e 'x'>]><component><id>&e;</id></component>",
            "<component><id>x</id></component",
            &deep,
        ] {
            assert_eq!(made(xml), None, "{xml}");
        }
    }
}
