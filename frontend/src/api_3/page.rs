//! Lists, and which part of one is asked for.

use actix_web::web::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::models::{Meta, Paged};
use crate::api_3::written::Written;
use crate::error::Error;
use crate::operations::projects::shown;

/// `before` and `limit` of a list that goes back by number, newest first: `most` items unless fewer are asked for.
///
/// # Errors
/// 400 when one is no number.
pub(super) fn window(query: &Query, most: i64) -> Result<(Option<i64>, i64), Error> {
    let number = |name: &str| -> Result<Option<i64>, Error> {
        let wrong = |_| Error::Invalid(format!("{name}: Not a valid integer value"));
        query
            .get(name)?
            .map(|text| text.parse().map_err(wrong))
            .transpose()
    };
    let limit = number("limit")?.unwrap_or(most).clamp(0, most);
    Ok((number("before")?, limit))
}

/// Part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    limit: Option<i64>,
    most: i64,
    /// Items to leave out.
    pub offset: i64,
    /// Field to sort by, one of those that the route declares.
    pub order: &'static str,
    /// Last first.
    pub descending: bool,
}

impl Page {
    /// How many items to look for at most; without a limit one more than are given, which tells that there are too
    /// many.
    pub fn limit(&self) -> i64 {
        self.limit.unwrap_or(self.most.saturating_add(1))
    }

    /// The answer to a request for a list.
    ///
    /// # Errors
    /// 413 when all were asked for and there are too many for one answer.
    pub fn answer<T>(&self, items: Vec<T>) -> Result<Json<Paged<T>>, Error> {
        Ok(Json(self.paged(items)?))
    }

    /// The same, written at once, with items of about `size` bytes each that borrow from the database's rows; `T` is
    /// their type.
    ///
    /// # Errors
    /// The same.
    pub fn written<T: JsonSchema + 'static>(
        &self,
        items: Vec<impl Serialize>,
        size: usize,
    ) -> Result<Written<Paged<T>>, Error> {
        let size = 128 + items.len() * size;
        Written::new(&self.paged(items)?, size)
    }

    fn paged<T>(&self, items: Vec<T>) -> Result<Paged<T>, Error> {
        let found = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if self.limit.is_none() && found > self.most {
            return Err(Error::TooLarge(format!(
                "The list has more than {} items; ask for pages of it, with limit and offset.",
                self.most
            )));
        }
        Ok(Paged {
            items,
            meta: Meta {
                limit: self.limit,
                offset: self.offset,
                order: self.order,
                order_type: if self.descending { "DESC" } else { "ASC" },
            },
        })
    }
}

impl Query {
    /// The part of a list that is asked for, the first item first.
    pub fn page(&self) -> Result<Page, Error> {
        self.part(false)
    }

    /// The same of a list whose newest items come first, unless something else is said.
    pub fn page_newest_first(&self) -> Result<Page, Error> {
        self.part(true)
    }

    fn part(&self, newest_first: bool) -> Result<Page, Error> {
        let number = |name: &str| match self.get(name)? {
            None | Some("None") => Ok(None),
            Some(text) => text
                .parse::<i64>()
                .ok()
                .filter(|n| *n >= 0)
                .map(Some)
                .ok_or_else(|| Error::Invalid(format!("{name}: Not a valid integer value"))),
        };
        let orders = self.choices("order");
        let first = orders.first().copied().unwrap_or("id");
        let order = match self.get("order")? {
            None => first,
            Some(name) => orders.iter().find(|o| **o == name).ok_or_else(|| {
                Error::Invalid(format!(
                    "Cannot order by {}; use one of {}.",
                    shown(name),
                    orders.join(", ")
                ))
            })?,
        };
        let descending = match self.get("order_type")? {
            Some(word) if word.eq_ignore_ascii_case("desc") => true,
            Some(word) if word.eq_ignore_ascii_case("asc") => false,
            _ => newest_first && order == first,
        };
        Ok(Page {
            limit: number("limit")?.map(|n| n.min(self.most())),
            most: self.most(),
            offset: number("offset")?.unwrap_or(0),
            order,
            descending,
        })
    }
}
