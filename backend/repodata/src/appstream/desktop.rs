//! Desktop files, as far as a catalogue repeats them.

/// What a desktop entry says of its program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DesktopFile {
    pub(super) name: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) categories: Vec<String>,
}

impl DesktopFile {
    /// Reads the group `[Desktop Entry]`, untranslated.
    pub(super) fn parse(text: &str) -> DesktopFile {
        let mut file = DesktopFile::default();
        let mut lines = text.lines().map(str::trim);
        let is_head = |line: &str| line == "[Desktop Entry]";
        let entry = lines.by_ref().skip_while(|line| !is_head(line)).skip(1);
        for line in entry.take_while(|line| !line.starts_with('[')) {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            let some = || (!value.is_empty()).then(|| value.to_owned());
            match key.trim_end() {
                "Name" => file.name = some(),
                "Comment" => file.comment = some(),
                // A path is a file of this package's, which a software centre has no more than the package.
                "Icon" if !value.starts_with('/') => file.icon = some(),
                "Categories" => {
                    let parts = value.split(';').map(str::trim);
                    file.categories = parts.filter(|part| !part.is_empty()).map(str::to_owned).collect();
                }
                _ => {}
            }
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_entry_itself_counts() {
        let file = DesktopFile::parse(
            "# comment\n[Other]\nName=No\n[Desktop Entry]\nName = Editor\nName[de]=Bearbeiter\nIcon=editor\n\
             Categories=Utility;;TextEditor;\n[Desktop Action new]\nName=New\nIcon=new\n",
        );
        assert_eq!(file.name.as_deref(), Some("Editor"));
        assert_eq!(file.icon.as_deref(), Some("editor"));
        assert_eq!(file.categories, ["Utility", "TextEditor"]);
        assert_eq!(DesktopFile::parse("[Desktop Entry]\nIcon=/opt/x.png").icon, None);
        assert_eq!(DesktopFile::parse("Name=x"), DesktopFile::default());
    }
}
