//! The scenarios that ship, the reference and the JSON Schema agree with the reader.

use super::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The file system, with an empty file in place of a data set that is not part of the project.
struct Disk;

impl Loader for Disk {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        if path.contains("/data/") { Ok(Vec::new()) } else { fs::read(path) }
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(project().join("scenarios"))
        .expect("the folder `scenarios`")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_shipped_scenario_loads_and_opens_with_its_question() {
    let paths = shipped();
    assert!(paths.len() >= 13, "{}", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).expect("a scenario");
        let comment: String =
            text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join(" ");
        assert!(comment.contains('?'), "{} must open with its question", path.display());
        let loaded =
            Scenario::load(&path.display().to_string(), &Disk, &[]).unwrap_or_else(|error| panic!("{error}"));
        for variant in &loaded.variants {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            assert_eq!(Some(variant.scenario.name.clone()), stem, "a scenario is named like its file");
        }
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let path = project().join("docs/scenario.md");
    let text = fs::read_to_string(&path).expect("docs/scenario.md");
    let marker = "<!-- The rest is made from the list of keys in the code: UPDATE_DOCS=1 cargo test the_reference -->\n";
    let (introduction, documented) = text.split_once(marker).expect("the marker of the generated part");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{introduction}{marker}\n{}", reference()))
            .expect("docs/scenario.md is written");
        return;
    }
    assert!(
        documented.trim() == reference().trim(),
        "docs/scenario.md differs from the code's keys: run `UPDATE_DOCS=1 cargo test the_reference`"
    );
}

#[test]
fn examples_in_the_reference_load() {
    let text = fs::read_to_string(project().join("docs/scenario.md")).expect("docs/scenario.md");
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let whole: Vec<&&str> = examples.iter().filter(|example| example.contains("[network]")).collect();
    assert!(!whole.is_empty());
    for example in whole {
        let files = memory(&[("a.toml", example)]);
        Scenario::load("a.toml", &files, &[]).unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

/// What is wrong with `value` by `schema`. Knows the keywords that [`json_schema`] uses, and refuses others.
fn check(schema: &Value, value: &Value, root: &Value, path: &str) -> Result<(), String> {
    let list = |schema: &Value| schema.as_array().cloned().unwrap_or_default();
    let fits = |schema: &Value| check(schema, value, root, path);
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let number = |rule: &Value| rule.as_f64().expect("a limit");
        let passes = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "examples" | "$defs" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|rule| rule.strip_prefix("#/")).expect("a local reference");
                let target = name.split('/').fold(root, |value, part| &value[part]);
                assert!(target.is_object(), "{name} is defined");
                fits(target)?;
                true
            }
            "type" => {
                let types = if rule.is_array() { list(rule) } else { vec![rule.clone()] };
                types.iter().filter_map(Value::as_str).any(|kind| match kind {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    other => panic!("unknown type {other}"),
                })
            }
            "enum" => list(rule).contains(value),
            "minimum" => value.as_f64().is_none_or(|value| value >= number(rule)),
            "maximum" => value.as_f64().is_none_or(|value| value <= number(rule)),
            // The patterns end with their units; the numbers before them are the reader's tests' matter.
            "pattern" => value.as_str().is_none_or(|text| {
                let pattern = rule.as_str().expect("a pattern");
                let units =
                    pattern.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("units").0;
                units.split('|').any(|unit| text.trim_end().ends_with(unit))
            }),
            "items" => match value.as_array() {
                Some(items) => {
                    for (index, item) in items.iter().enumerate() {
                        check(rule, item, root, &format!("{path}.{index}"))?;
                    }
                    true
                }
                None => true,
            },
            "properties" => match value.as_object() {
                Some(object) => {
                    for (key, value) in object {
                        if let Some(rule) = rule.get(key) {
                            check(rule, value, root, &format!("{path}.{key}"))?;
                        }
                    }
                    true
                }
                None => true,
            },
            "additionalProperties" => {
                let known = schema.get("properties");
                let mut others = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| known.is_none_or(|known| known.get(key.as_str()).is_none()));
                match rule {
                    Value::Bool(allowed) => *allowed || others.next().is_none(),
                    rule => others.all(|(_, value)| check(rule, value, root, path).is_ok()),
                }
            }
            "required" => list(rule).iter().filter_map(Value::as_str).all(|key| value.get(key).is_some()),
            "anyOf" => list(rule).iter().any(|rule| fits(rule).is_ok()),
            "oneOf" => list(rule).iter().filter(|rule| fits(rule).is_ok()).count() == 1,
            "allOf" => list(rule).iter().all(|rule| fits(rule).is_ok()),
            "not" => fits(rule).is_err(),
            other => panic!("unknown keyword {other}"),
        };
        if !passes {
            return Err(format!("{path}: {keyword} {rule} refuses {value}"));
        }
    }
    Ok(())
}

fn as_json(text: &str) -> Value {
    let value: toml::Value = toml::from_str(text).expect("TOML");
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn the_json_schema_accepts_the_shipped_scenarios() {
    let schema = json_schema();
    for path in shipped() {
        let value = as_json(&fs::read_to_string(&path).expect("a scenario"));
        if let Err(problem) = check(&schema, &value, &schema, "") {
            panic!("{}: {problem}", path.display());
        }
    }
    assert_eq!(check(&schema, &as_json(APPENDIX), &schema, ""), Ok(()));
}

#[test]
fn the_json_schema_refuses_what_the_reader_refuses() {
    let schema = json_schema();
    for more in [
        "[kademlia]\nkk = 3",
        "[kademlia]\nk = 0",
        "[faas]\ncache_ttl = 60",
        "[faas]\ncache_ttl = \"60sec\"",
        "[faas]\npolicy = \"best\"",
        "[churn]\nsession = \"1h\"",
        "[[fault]]\nat = \"1s\"",
        "[[fault]]\nat = \"1s\"\nheal = true\nkill = \"all\"",
        "[[function]]\nname = \"g\"",
        "[[function]]\nname = \"g\"\nproviders = 1\nservice_time = { lognormal = { median = \"1s\" } }",
        "anycall = {}",
        "[output]\nfoo = true",
        "[harness]\nfoo = true",
    ] {
        let text = least(more);
        assert!(load_with(&text, &[]).is_err(), "{more}");
        assert!(check(&schema, &as_json(&text), &schema, "").is_err(), "{more}");
    }
    assert_eq!(check(&schema, &as_json(&least("")), &schema, ""), Ok(()));
}

#[test]
fn every_default_is_valid() {
    // The empty tables of every optional section are read with nothing but defaults.
    let scenario = one(&least("[kademlia]\n[faas]\n[output]\n[harness]\n"));
    assert_eq!(scenario, one(&least("")));
    assert_eq!(scenario.faas.cache_ttl, Duration::from_secs(60));
    assert_eq!(scenario.faas.retry_body_limit, 1 << 20);
    assert_eq!(scenario.kademlia.k, 20);
    // The defaults of the scenario are the core's.
    let faas = crate::faas::Config::default();
    let ours = &scenario.faas;
    assert_eq!((ours.policy, ours.manycall_policy), (faas.anycall, faas.manycall));
    assert_eq!((ours.cache_ttl, ours.negative_ttl), (faas.cache_ttl, faas.negative_ttl));
    assert_eq!((ours.backoff_initial, ours.backoff_max), (faas.backoff_initial, faas.backoff_max));
    assert_eq!((ours.retry_after, ours.avoid), (faas.retry_after, faas.avoid));
    assert_eq!((ours.probe_interval, ours.probe_misses), (faas.probe_interval, faas.probe_misses));
    assert_eq!((ours.attempt_timeout, ours.max_attempts), (faas.attempt_timeout, faas.max_attempts));
    assert_eq!((ours.entry_queue as usize, ours.backup_factor), (faas.entry_queue, faas.backup_factor));
    let kademlia = crate::kad::Config::default();
    let ours = &scenario.kademlia;
    assert_eq!((ours.k as usize, ours.alpha as usize), (kademlia.k, kademlia.alpha));
    assert_eq!(
        (ours.request_timeout, ours.lookup_timeout),
        (kademlia.request_timeout, kademlia.lookup_timeout)
    );
    assert_eq!(
        (ours.provider_ttl, ours.republish_interval),
        (kademlia.provider_ttl, kademlia.republish_interval)
    );
    assert_eq!((ours.refresh_interval, ours.record_ttl), (kademlia.refresh_interval, kademlia.record_ttl));
    assert_eq!(ours.max_providers_per_key as usize, kademlia.max_providers_per_key);
}
