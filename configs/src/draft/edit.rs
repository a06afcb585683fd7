//! Changes of a TOML document that leave comments and order alone.

use toml::Value;
use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, TableLike};

/// What was taken out of a document, for when it is wanted again.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf(Vec<(String, Key, Item)>);

impl Shelf {
    /// Takes settings out; a section whose settings all go is taken as a whole.
    pub(super) fn take(&mut self, document: &mut DocumentMut, gone: &[&str]) {
        self.take_from(document.as_table_mut(), "", gone);
    }

    fn take_from(&mut self, table: &mut dyn TableLike, prefix: &str, gone: &[&str]) {
        let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            let path = join(prefix, &key);
            let Some(item) = table.get_mut(&key) else {
                continue;
            };
            // `budget = "none"` stands for `budget.kind = "none"`.
            let word = format!("{path}.kind");
            let is_gone = match item.as_table_like() {
                Some(inner) => !inner.is_empty() && all_gone(inner, &path, gone),
                None => gone.contains(&path.as_str()) || gone.contains(&word.as_str()),
            };
            if is_gone {
                let place = table.key(&key).cloned();
                if let (Some(place), Some(item)) = (place, table.remove(&key)) {
                    self.0.retain(|(known, ..)| *known != path);
                    self.0.push((path, place, item));
                }
            } else if let Some(inner) = item.as_table_like_mut() {
                self.take_from(inner, &path, gone);
                space_out(item);
            }
        }
    }

    /// Puts everything back that the document does not have.
    pub(super) fn put_back(&mut self, document: &mut DocumentMut) {
        for (path, key, item) in std::mem::take(&mut self.0) {
            let section = path.rsplit_once('.').map_or("", |(section, _)| section);
            let Some(table) = section_mut(document.as_table_mut(), section, false) else {
                continue;
            };
            if !table.contains_key(key.get()) {
                table.entry_format(&key).or_insert(item);
            }
        }
    }
}

fn all_gone(table: &dyn TableLike, prefix: &str, gone: &[&str]) -> bool {
    table.iter().all(|(key, item)| {
        let path = join(prefix, key);
        match item.as_table_like() {
            Some(inner) => all_gone(inner, &path, gone),
            None => gone.contains(&path.as_str()),
        }
    })
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// What the document writes at a path.
pub(super) fn read(document: &DocumentMut, path: &str) -> Option<Item> {
    let mut table: &dyn TableLike = document.as_table();
    let mut rest = path;
    loop {
        let Some((section, inner)) = rest.split_once('.') else {
            return table.get(rest).cloned();
        };
        let item = table.get(section)?;
        match item.as_table_like() {
            Some(next) => table = next,
            None => return (inner == "kind" && item.is_str()).then(|| item.clone()),
        }
        rest = inner;
    }
}

/// A value as it was written, text without quotes.
pub(super) fn bare(item: &Item) -> String {
    match item.as_str() {
        Some(text) => text.to_owned(),
        None => match item.as_value() {
            Some(value) => value.clone().decorated("", "").to_string(),
            None => item.to_string().trim().to_owned(),
        },
    }
}

/// Writes a value at a path, or removes what stands there.
pub(super) fn write(document: &mut DocumentMut, path: &str, value: Option<&Value>) {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    match value {
        Some(value) => {
            if let Some(table) = section_mut(document.as_table_mut(), section, false) {
                put(table, key, convert(value));
            }
        }
        None => remove(document.as_table_mut(), path),
    }
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for section in section.split('.') {
        let Some(item) = table.get_mut(section) else {
            return;
        };
        space_out(item);
        let Some(inner) = item.as_table_like_mut() else {
            return;
        };
        table = inner;
    }
}

/// Puts the blanks of a table between braces right again, unless it goes over several lines.
fn space_out(item: &mut Item) {
    if let Some(table) = item.as_inline_table_mut()
        && !table.to_string().contains('\n')
    {
        table.fmt();
    }
}

fn put(table: &mut dyn TableLike, key: &str, mut value: toml_edit::Value) {
    match table.get_mut(key) {
        Some(item) => {
            if let Some(old) = item.as_value() {
                *value.decor_mut() = old.decor().clone();
            }
            *item = Item::Value(value);
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn remove(table: &mut dyn TableLike, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((section, rest)) => {
            let Some(item) = table.get_mut(section) else {
                return;
            };
            match item.as_table_like_mut() {
                Some(inner) => remove(inner, rest),
                // The word in place of the table.
                None if rest == "kind" => {
                    table.remove(section);
                }
                None => {}
            }
        }
    }
}

/// The section at a path, made where it does not exist; inside a table that is written between
/// braces it is written so too. A word in its place becomes its kind.
fn section_mut<'a>(
    table: &'a mut dyn TableLike,
    path: &str,
    inline: bool,
) -> Option<&'a mut dyn TableLike> {
    if path.is_empty() {
        return Some(table);
    }
    let (section, rest) = path.split_once('.').unwrap_or((path, ""));
    let found = table.get(section);
    if found.is_none_or(|item| item.as_table_like().is_none()) {
        let item = match found.and_then(Item::as_value) {
            Some(value) => between_braces(value),
            None if inline => Item::Value(toml_edit::Value::InlineTable(InlineTable::new())),
            None => Item::Table(Table::new()),
        };
        table.insert(section, item);
    }
    let item = table.get_mut(section)?;
    let inline = item.is_inline_table();
    section_mut(item.as_table_like_mut()?, rest, inline)
}

/// A table in place of a value; a word becomes its kind.
fn between_braces(value: &toml_edit::Value) -> Item {
    let mut table = InlineTable::new();
    if let Some(word) = value.as_str() {
        table.insert("kind", word.into());
    }
    *table.decor_mut() = value.decor().clone();
    Item::Value(toml_edit::Value::InlineTable(table))
}

fn convert(value: &Value) -> toml_edit::Value {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => grouped(*number)
            .parse()
            .unwrap_or_else(|_| (*number).into()),
        Value::Float(number) => (*number).into(),
        Value::Boolean(truth) => (*truth).into(),
        other => other
            .to_string()
            .parse()
            .unwrap_or_else(|_| other.to_string().into()),
    }
}

/// A whole number with its thousands set apart, as in the presets.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}
