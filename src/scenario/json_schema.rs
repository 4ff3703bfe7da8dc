//! The JSON Schema of a scenario file, for editors.

use super::keys::{Choice, Key, Kind, Presence, Section, Zero};
use super::read::SCENARIO;
use crate::units::Quantity;
use serde_json::{Map, Value, json};

/// The JSON Schema (draft 2020-12) of a scenario file, for completion and checks in editors. It knows keys, kinds and
/// ranges; what refers to something else in the file (names, sums, totals) only `sim check` knows.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    for section in SCENARIO.reachable() {
        if section.id != SCENARIO.id {
            definitions.insert(section.id.to_owned(), table(section));
        }
    }
    let mut schema = table(&SCENARIO);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("edge-faas scenario"));
        schema.insert("$defs".to_owned(), Value::Object(definitions));
        // What is required may come from an included file.
        if let Some(required) = schema.remove("required") {
            schema.insert("anyOf".to_owned(), json!([{ "required": ["include"] }, { "required": required }]));
        }
    }
    schema
}

fn table(section: &Section) -> Value {
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), property(key));
    }
    let required: Vec<&str> = section
        .keys
        .iter()
        .filter(|key| matches!(key.presence, Presence::Required))
        .map(|key| key.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("description".to_owned(), json!(section.doc));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    let choices: Vec<Value> = section.choices.iter().flat_map(choice).collect();
    if !choices.is_empty() {
        schema.insert("allOf".to_owned(), json!(choices));
    }
    // A sweep has any other key of the scenario, with a list of values or as a table around such keys.
    let others = if section.id == "sweep" { json!({ "type": ["array", "object"] }) } else { json!(false) };
    schema.insert("additionalProperties".to_owned(), others);
    Value::Object(schema)
}

/// What keys that exclude each other allow.
fn choice(choice: &Choice) -> Vec<Value> {
    let one: Vec<Value> = choice.keys.iter().map(|key| json!({ "required": [key] })).collect();
    if choice.required {
        return vec![json!({ "oneOf": one })];
    }
    let mut pairs = Vec::new();
    for (index, first) in choice.keys.iter().enumerate() {
        for second in choice.keys.iter().skip(index + 1) {
            pairs.push(json!({ "not": { "required": [first, second] } }));
        }
    }
    pairs
}

fn property(key: &Key) -> Value {
    let mut schema = of_kind(&key.kind);
    if let Value::Object(schema) = &mut schema {
        let description = match key.presence {
            Presence::Else(otherwise) if !otherwise.is_empty() => {
                format!("{} Default: {otherwise}.", key.doc)
            }
            _ => key.doc.to_owned(),
        };
        schema.insert("description".to_owned(), json!(description));
        if let Presence::Default(text) = key.presence {
            schema.insert("default".to_owned(), default(&key.kind, text));
        }
    }
    schema
}

/// A default in JSON.
fn default(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Bool => json!(text == "true"),
        Kind::Integer(..) => text.parse::<u64>().map_or(Value::Null, |value| json!(value)),
        Kind::Number(..) => text.parse::<f64>().map_or(Value::Null, |value| json!(value)),
        _ => json!(text),
    }
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text(_) => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(low, u64::MAX) => json!({ "type": "integer", "minimum": low }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Quantity(quantity, zero) => {
            json!({ "type": "string", "pattern": pattern(*quantity, *zero), "examples": [quantity.example()] })
        }
        Kind::List(kind) => json!({ "type": "array", "items": of_kind(kind) }),
        Kind::Table(section) => json!({ "$ref": format!("#/$defs/{}", section.id) }),
        Kind::Tables(section) => {
            json!({ "type": "array", "items": { "$ref": format!("#/$defs/{}", section.id) } })
        }
        Kind::Map(kind) => json!({ "type": "object", "additionalProperties": of_kind(kind) }),
        Kind::Any(kinds) => json!({ "anyOf": kinds.iter().map(of_kind).collect::<Vec<_>>() }),
        Kind::Free => json!({}),
    }
}

/// A number and its unit.
fn pattern(quantity: Quantity, zero: Zero) -> String {
    let units: Vec<&str> = quantity.names().collect();
    let digit = match zero {
        Zero::Allowed => "",
        // At least one digit that is not zero.
        Zero::Refused => "(?=[0-9_.]*[1-9])",
    };
    format!("^\\s*{digit}\\+?[0-9_]*\\.?[0-9_]+\\s*({})\\s*$", units.join("|"))
}
