//! The reference of keys in `docs/scenario.md`, made from the same list that the reader uses.

use super::keys::{Kind, Presence, Section, Zero};
use super::read::SCENARIO;
use std::fmt::Write as _;

/// The reference of every key as Markdown: a table for each section.
pub fn reference() -> String {
    let mut text = String::new();
    for section in SCENARIO.reachable() {
        // Distributions of sizes have the keys of distributions of durations.
        if section.id.starts_with("size-") {
            continue;
        }
        let doc = match section.id {
            "duration-distribution" => {
                "A law that draws durations, or sizes where a size is asked for; a plain text is a constant."
            }
            _ => section.doc,
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "### {}\n\n{doc}\n\n", heading(section));
        if section.keys.is_empty() {
            continue;
        }
        text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = match key.presence {
                Presence::Required => "**required**".to_owned(),
                Presence::Default(value) => match key.kind {
                    Kind::Bool | Kind::Integer(..) | Kind::Number(..) => format!("`{value}`"),
                    _ => format!("`\"{value}\"`"),
                },
                Presence::Else(words) => words.to_owned(),
            };
            let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.name, value(&key.kind), key.doc);
        }
        for choice in section.choices {
            let number = if choice.required { "Exactly" } else { "At most" };
            let keys: Vec<String> = choice.keys.iter().map(|key| format!("`{key}`")).collect();
            let _ = write!(text, "\n{number} one of {}.\n", keys.join(", "));
        }
        text.push('\n');
    }
    text
}

/// The heading of a section, under which other tables link to it.
fn heading(section: &Section) -> String {
    match section.id {
        "duration-distribution" => "distribution".to_owned(),
        id => match id.strip_prefix("duration-") {
            Some(law) => format!("distribution: {law}"),
            None if section.title.starts_with('[') => format!("`{}`", section.title),
            None => section.title.to_owned(),
        },
    }
}

/// The address of a section's heading, as forges make it.
fn anchor(section: &Section) -> String {
    let section_heading = match section.id.strip_prefix("size-") {
        Some("distribution") => "distribution".to_owned(),
        Some(law) => format!("distribution: {law}"),
        None => heading(section),
    };
    section_heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// What a key holds, for a cell of the table.
fn value(kind: &Kind) -> String {
    match kind {
        Kind::Word(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Quantity(quantity, zero) => {
            let above = if *zero == Zero::Refused { " above zero" } else { "" };
            format!("{}{above}", quantity.what())
        }
        Kind::List(kind) => format!("list of: {}", value(kind)),
        Kind::Map(kind) => format!("table of names: {}", value(kind)),
        Kind::Any(kinds) => kinds.iter().map(value).collect::<Vec<_>>().join(" or "),
        Kind::Table(section) => format!("[table](#{})", anchor(section)),
        Kind::Tables(section) => format!("[tables](#{})", anchor(section)),
        other => other.words(),
    }
}
