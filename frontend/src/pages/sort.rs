//! Tables that are sorted by a column: `?sort=name`, or `?sort=-name` for the other way round.

use crate::templates::context::Head;

/// A table's column.
pub struct Column<T> {
    /// In addresses; empty: nothing is sorted by it.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// What rows are sorted by.
    pub by: T,
    /// Whether its link leads to the last first, as with what has an age.
    pub last_first: bool,
}

impl<T> Column<T> {
    /// A column by which nothing is sorted.
    pub const fn plain(label: &'static str, by: T) -> Self {
        Self {
            name: "",
            label,
            by,
            last_first: false,
        }
    }

    fn is(&self, by: &T) -> bool
    where
        T: PartialEq,
    {
        !self.name.is_empty() && self.by == *by
    }
}

/// How a table is sorted.
pub struct Sort<T: 'static> {
    columns: &'static [Column<T>],
    /// What rows are sorted by.
    pub by: T,
    /// The last first.
    pub descending: bool,
}

impl<T: Copy + Default + PartialEq> Sort<T> {
    /// As an address asks for it; by the type's default when it asks for nothing that there is.
    pub fn of(text: &str, columns: &'static [Column<T>]) -> Self {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let named = columns.iter().find(|c| !c.name.is_empty() && c.name == name);
        let by = named.map_or_else(T::default, |c| c.by);
        let natural = columns.iter().any(|c| c.is(&by) && c.last_first);
        Self {
            columns,
            by,
            descending: named.map_or(natural, |_| descending),
        }
    }

    /// The table's heads; `url` makes the address of the same list, sorted as the text says.
    pub fn heads(&self, url: impl Fn(&str) -> String) -> Vec<Head> {
        let head = |column: &Column<T>| {
            let chosen = column.is(&self.by);
            let descending = if chosen {
                !self.descending
            } else {
                column.last_first
            };
            let sign = if descending { "-" } else { "" };
            Head {
                label: column.label,
                url: (!column.name.is_empty()).then(|| url(&format!("{sign}{}", column.name))),
                sorted: match (chosen, self.descending) {
                    (false, _) => "",
                    (true, false) => "ascending",
                    (true, true) => "descending",
                },
            }
        };
        self.columns.iter().map(head).collect()
    }
}
