//! `[[phase]]`: the workload.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::{Reader, shown};
use super::super::schema::{
    Anycalls, Arrivals, CallStream, Entry, FunctionRange, Manycalls, Phase, Popularity, Process, Selector,
};
use super::super::value::{Data, Value};
use super::distribution::{durations, optional_distribution, sizes};
use super::faas::{ANYCALL_POLICY, MANYCALL_POLICY, anycall_policies, manycall_policies};
use super::names::Names;
use super::select::{FUNCTION_LIST, SELECTOR_CHOICES, patterns, selector_if_any, selector_keys};
use super::select::{NODE_LIST, NODES_MAX};
use crate::draws::Distribution;
use crate::time::Duration;
use crate::units::Quantity;

const PROCESS: Kind = Kind::Word(&["poisson", "constant"]);

pub(in crate::scenario) static PHASE: Section = Section {
    id: "phase",
    title: "[[phase]]",
    doc: "A stretch of the run with its workload; the first phase starts at time 0, each next one when the one before ends. A phase without calls is a pause.",
    keys: &[
        required("name", Kind::Text("a name"), "Its name, unique."),
        required(
            "duration",
            POSITIVE_DURATION,
            "How long calls are scheduled; calls that run at its end go on.",
        ),
        default("measure", Kind::Bool, "true", "`false`: a warm-up, recorded and not summarised."),
        optional("anycall", Kind::Table(&ANYCALL), "", "Single calls."),
        optional("manycall", Kind::Table(&MANYCALL), "", "Calls of many items."),
    ],
    choices: &[],
};

pub(in crate::scenario) static ZIPF: Section = Section {
    id: "popularity",
    title: "popularity",
    doc: "How calls spread.",
    keys: &[required("zipf", Kind::Number(0.0, 100.0), "The exponent s: rank r has weight r^-s.")],
    choices: &[],
};

pub(in crate::scenario) static ENTRY: Section = Section {
    id: "entry",
    title: "entry",
    doc: "Where calls enter: a selector, and how calls spread over its nodes.",
    keys: selector_keys!(optional(
        "zipf",
        Kind::Number(0.0, 100.0),
        "uniform",
        "The exponent of a Zipf law over the nodes."
    )),
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) static TRACE: Section = Section {
    id: "trace",
    title: "trace",
    doc: "Recorded arrivals. The trace's functions map onto the phase's functions in order, modulo their number.",
    keys: &[
        optional("azure2019", Kind::Table(&AZURE2019), "", "Azure Functions 2019: invocations per minute."),
        optional(
            "azure2021",
            Kind::Text("a file's path"),
            "",
            "Azure Functions 2021: a row an invocation, start = end − duration.",
        ),
        default("sample", SHARE, "100%", "Share of the trace's functions that is used."),
        default("speedup", Kind::Number(0.000001, 1e9), "1", "How much faster than recorded."),
        optional(
            "arrivals",
            PROCESS,
            "poisson",
            "With `azure2019`: how a minute's calls spread over the minute.",
        ),
    ],
    choices: &[Choice { keys: &["azure2019", "azure2021"], required: true }],
};

pub(in crate::scenario) static AZURE2019: Section = Section {
    id: "azure2019",
    title: "azure2019",
    doc: "Files of the Azure Functions 2019 format.",
    keys: &[
        required("invocations", Kind::Text("a file's path"), "Invocations per function and minute."),
        optional(
            "durations",
            Kind::Text("a file's path"),
            "the functions' own service times",
            "Percentiles of each function's durations.",
        ),
    ],
    choices: &[],
};

/// The keys that anycalls and manycalls share, around those of their own.
macro_rules! call_keys {
    ($($own:expr),* ; $doc:literal) => {
        &[
            $($own,)*
            optional("rate", RATE, "", concat!("Open loop: this many ", $doc, ".")),
            optional("every", POSITIVE_DURATION, "", "Open loop: one at the phase's start and one each time this has passed."),
            optional("clients", Kind::Integer(1, 10_000_000), "", "Closed loop: this many clients, each with one call at a time; an answer and its think time, then the next."),
            optional("arrivals", PROCESS, "poisson", "With `rate`: at random or evenly."),
            optional("think_time", durations::KIND, "0s", "With `clients`: between a success and the next call."),
            optional("think_after_failure", durations::KIND, "as `think_time`, but at least 1s", "With `clients`: between a failure and the next call."),
            optional("calls", Kind::Integer(1, u64::MAX), "no limit", "Stop after this many."),
            optional("calls_per_client", Kind::Integer(1, u64::MAX), "no limit", "With `clients`: stop each after this many."),
            optional("functions", FUNCTION_LIST, "all functions", "The functions called, in the order of popularity: names (with copies: all of them), `name-3`, `na*`."),
            optional("popularity", Kind::Any(&[Kind::Word(&["uniform"]), Kind::Table(&ZIPF)]), "uniform", "How calls spread over the functions."),
            optional("entry", Kind::Any(&[Kind::Word(&["uniform", "all"]), Kind::Table(&ENTRY)]), "uniform", "Where calls enter: any node, or a table that says which. An open loop draws for each call, a client once."),
            optional("request", sizes::KIND, "as the function says", "The body of a request."),
            optional("response", sizes::KIND, "as the function says", "The body of a response."),
            optional("idempotent", Kind::Bool, "as the function says", "Whether a call that may have started may run again."),
            default("cold", Kind::Bool, "false", "Caches and connections of the entry are emptied before each call."),
        ]
    };
}

pub(in crate::scenario) static ANYCALL: Section = Section {
    id: "anycall",
    title: "anycall",
    doc: "Single calls: when they come, of which function, where they enter.",
    keys: call_keys!(
        optional("policy", ANYCALL_POLICY, "as the function or `[faas]` says", "Who runs them."),
        optional("trace", Kind::Table(&TRACE), "", "Recorded arrivals."),
        optional("deadline", POSITIVE_DURATION, "the function's `timeout`", "Counted from the scheduled time.");
        "calls a second (or minute …) on average"
    ),
    choices: &[Choice { keys: &["rate", "every", "clients", "trace"], required: true }],
};

pub(in crate::scenario) static MANYCALL: Section = Section {
    id: "manycall",
    title: "manycall",
    doc: "Calls of many items: how many, when they come, of which function, where they enter.",
    keys: call_keys!(
        required("items", Kind::Integer(1, 10_000_000), "Items of each."),
        optional("policy", MANYCALL_POLICY, "as `[faas]` says", "Who runs the items."),
        optional("deadline", POSITIVE_DURATION, "none", "Of each item, counted from the manycall's scheduled time.");
        "manycalls a second (or minute …) on average"
    ),
    choices: &[Choice { keys: &["rate", "every", "clients"], required: true }],
};

/// Reads a phase.
pub(super) fn phase(
    reader: &Reader<'_>,
    names: &Names,
    files: &mut Files<'_>,
) -> Result<Phase, ScenarioError> {
    let name = reader.text("name")?;
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(reader.error("name", "must have 1 to 200 bytes and no control characters"));
    }
    let anycall = match reader.table("anycall", &ANYCALL)? {
        Some(table) => Some(anycalls(&table, names, files)?),
        None => None,
    };
    let manycall = match reader.table("manycall", &MANYCALL)? {
        Some(table) => Some(manycalls(&table, names)?),
        None => None,
    };
    Ok(Phase {
        name,
        duration: reader.duration("duration")?,
        measure: reader.bool("measure")?,
        anycall,
        manycall,
    })
}

fn anycalls(reader: &Reader<'_>, names: &Names, files: &mut Files<'_>) -> Result<Anycalls, ScenarioError> {
    let arrivals = match reader.table("trace", &TRACE)? {
        Some(table) => trace(&table, files)?,
        None => arrivals(reader)?,
    };
    only_with(reader)?;
    if reader.has("trace") && reader.has("popularity") {
        return Err(reader.error("popularity", "says nothing beside a trace, which has its own"));
    }
    Ok(Anycalls {
        stream: stream(reader, names, arrivals)?,
        policy: reader.optional_word("policy", &anycall_policies())?,
        deadline: reader.optional_duration("deadline")?,
    })
}

fn manycalls(reader: &Reader<'_>, names: &Names) -> Result<Manycalls, ScenarioError> {
    only_with(reader)?;
    Ok(Manycalls {
        items: reader.count("items")?,
        stream: stream(reader, names, arrivals(reader)?)?,
        policy: reader.optional_word("policy", &manycall_policies())?,
        deadline: reader.optional_duration("deadline")?,
    })
}

/// The keys that anycalls and manycalls share.
fn stream(reader: &Reader<'_>, names: &Names, arrivals: Arrivals) -> Result<CallStream, ScenarioError> {
    Ok(CallStream {
        arrivals,
        calls: reader.optional_integer("calls")?,
        calls_per_client: reader.optional_integer("calls_per_client")?,
        functions: called(reader, names)?,
        popularity: popularity(reader)?,
        entry: entry(reader, names)?,
        request: optional_distribution(reader, "request", Quantity::Size)?,
        response: optional_distribution(reader, "response", Quantity::Size)?,
        idempotent: reader.optional_bool("idempotent")?,
        cold: reader.bool("cold")?,
    })
}

/// Refuses keys that say nothing beside the chosen kind of arrivals.
fn only_with(reader: &Reader<'_>) -> Result<(), ScenarioError> {
    for (key, with) in [
        ("arrivals", "rate"),
        ("think_time", "clients"),
        ("think_after_failure", "clients"),
        ("calls_per_client", "clients"),
    ] {
        if reader.has(key) && !reader.has(with) {
            return Err(reader.error(key, format!("says something only together with {with}")));
        }
    }
    Ok(())
}

fn arrivals(reader: &Reader<'_>) -> Result<Arrivals, ScenarioError> {
    if let Some(rate) = reader.optional_rate("rate")? {
        let process = reader.optional_word("arrivals", PROCESSES)?.unwrap_or(Process::Poisson);
        let interval = Duration::from_secs_f64(1.0 / rate);
        return match process {
            Process::Poisson => Ok(Arrivals::Poisson { rate }),
            Process::Constant if interval.is_zero() => {
                Err(reader.error("rate", "is too fast for even arrivals"))
            }
            Process::Constant => Ok(Arrivals::Every { interval }),
        };
    }
    if let Some(interval) = reader.optional_duration("every")? {
        return Ok(Arrivals::Every { interval });
    }
    let think_time = optional_distribution(reader, "think_time", Quantity::Duration)?
        .unwrap_or(Distribution::Constant(0.0));
    let think_after_failure = match optional_distribution(reader, "think_after_failure", Quantity::Duration)?
    {
        Some(time) => time,
        // A client that fails at once and does not think would call for ever at the same instant.
        None if think_time.mean().is_none_or(|mean| mean >= 1.0) => think_time.clone(),
        None => Distribution::Constant(1.0),
    };
    Ok(Arrivals::Clients { clients: reader.count("clients")?, think_time, think_after_failure })
}

const PROCESSES: &[(&str, Process)] = &[("poisson", Process::Poisson), ("constant", Process::Constant)];

fn trace(reader: &Reader<'_>, files: &mut Files<'_>) -> Result<Arrivals, ScenarioError> {
    let sample = reader.share("sample")?;
    if sample == 0.0 {
        return Err(reader.error("sample", "uses no function of the trace: it must be above zero"));
    }
    let speedup = reader.number("speedup")?;
    let within_minute = reader.optional_word("arrivals", PROCESSES)?;
    if let Some(table) = reader.table("azure2019", &AZURE2019)? {
        let mut file = |key: &str| match table.optional_text(key)? {
            Some(path) => files.named(table.sources, table.at(key), &path).map(Some),
            None => Ok(None),
        };
        let durations = file("durations")?;
        let Some(invocations) = file("invocations")? else {
            return Err(table.error("invocations", "is missing"));
        };
        let within_minute = within_minute.unwrap_or(Process::Poisson);
        return Ok(Arrivals::Azure2019 { invocations, durations, sample, speedup, within_minute });
    }
    if within_minute.is_some() {
        return Err(reader.error("arrivals", "says something only together with azure2019"));
    }
    let path = reader.text("azure2021")?;
    Ok(Arrivals::Azure2021 {
        file: files.named(reader.sources, reader.at("azure2021"), &path)?,
        sample,
        speedup,
    })
}

fn called(reader: &Reader<'_>, names: &Names) -> Result<Vec<FunctionRange>, ScenarioError> {
    let functions = match reader.given("functions") {
        Some(value) => names.functions(reader.sources, &patterns(reader, "functions", value)?)?,
        None => names.all_functions(),
    };
    if functions.is_empty() {
        return Err(reader
            .sources
            .error(reader.at, format!("{} calls functions, but there is no [[function]]", reader.path)));
    }
    Ok(functions)
}

fn popularity(reader: &Reader<'_>) -> Result<Popularity, ScenarioError> {
    match reader.given("popularity") {
        None => Ok(Popularity::Uniform),
        Some(Value { data: Data::Text(text), .. }) if text == "uniform" => Ok(Popularity::Uniform),
        Some(Value { data: Data::Table(_), .. }) => match reader.table("popularity", &ZIPF)? {
            Some(table) => table.number("zipf").map(Popularity::Zipf),
            None => Ok(Popularity::Uniform),
        },
        Some(_) => Err(reader.error("popularity", "must be \"uniform\" or a table such as { zipf = 0.9 }")),
    }
}

fn entry(reader: &Reader<'_>, names: &Names) -> Result<Entry, ScenarioError> {
    let uniform = Entry { nodes: Selector::ALL, popularity: Popularity::Uniform };
    match reader.given("entry") {
        None => Ok(uniform),
        Some(Value { data: Data::Text(text), .. }) if text == "uniform" || text == "all" => Ok(uniform),
        Some(Value { data: Data::Table(_), .. }) => {
            let Some(table) = reader.table("entry", &ENTRY)? else {
                return Ok(uniform);
            };
            let nodes = selector_if_any(&table, names)?;
            let popularity =
                if table.has("zipf") { Popularity::Zipf(table.number("zipf")?) } else { Popularity::Uniform };
            if nodes.is_none() && !table.has("zipf") {
                return Err(table
                    .sources
                    .error(table.at, format!("{} is empty: say which nodes, or zipf", table.path)));
            }
            Ok(Entry { nodes: nodes.unwrap_or(Selector::ALL), popularity })
        }
        Some(value) => Err(reader.error(
            "entry",
            format!(
                "must be \"uniform\" or a table such as {{ nodes = [0] }} or {{ zipf = 0.9 }}, not {}",
                shown(value)
            ),
        )),
    }
}
