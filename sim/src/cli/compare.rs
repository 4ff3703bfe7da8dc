//! `sim compare BASE NEW`: two runs held against each other.

use super::args::Compare;
use super::{Failure, print};
use edge_faas_analysis::Run;
use edge_faas_analysis::compare::{Layout, Margins, Verdict, compare as compare_runs, fidelity, table};
use serde_json::{Value, json, to_value};

/// The exit code if something regressed, or does not hold.
const WORSE: u8 = 1;
/// The exit code if something is inconclusive, under `--strict`.
const INCONCLUSIVE: u8 = 3;

pub(super) fn compare(args: &Compare) -> Result<(), Failure> {
    let base = Run::open_kept(&args.base).map_err(Failure::input)?;
    let new = Run::open_kept(&args.new).map_err(Failure::input)?;
    let margins = match &args.margins {
        None => Margins::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text =
                std::fs::read_to_string(path).map_err(|error| Failure::input(format!("{name}: {error}")))?;
            Margins::read(&name, &text).map_err(Failure::input)?
        }
    };
    let layout = if args.markdown { Layout::Markdown } else { Layout::Terminal };
    if !args.table.is_empty() {
        return print(&table(&base, &new, &args.table, layout).map_err(Failure::input)?);
    }
    let (text, value, status) = if args.fidelity {
        let found = fidelity(&base, &new, &margins).map_err(Failure::input)?;
        let status = if found.holds { 0 } else { WORSE };
        (found.text(layout, args.all), to_value(&found), status)
    } else {
        let found = compare_runs(&base, &new, &margins).map_err(Failure::input)?;
        let status = if args.identical {
            if found.identical { 0 } else { WORSE }
        } else if found.count(Verdict::Regressed) > 0 {
            WORSE
        } else if args.strict && found.count(Verdict::Inconclusive) > 0 {
            INCONCLUSIVE
        } else {
            0
        };
        (found.text(layout, args.all), to_value(&found), status)
    };
    if args.json {
        print(&json_text(value.map_err(Failure::other)?, status)?)?;
    } else {
        print(&text)?;
    }
    if status == 0 { Ok(()) } else { Err(Failure::Status(status)) }
}

/// The comparison as JSON, with what the exit code says.
fn json_text(mut value: Value, status: u8) -> Result<String, Failure> {
    value["exit_code"] = json!(status);
    let text = serde_json::to_string_pretty(&value).map_err(Failure::other)?;
    Ok(format!("{text}\n"))
}
