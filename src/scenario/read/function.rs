//! `[[function]]`.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::{Reader, shown};
use super::super::schema::{Function, NodeClass, Selector, ServiceTime, Take, Work};
use super::super::value::{Data, Value};
use super::distribution::{distribution, durations, optional_distribution, sizes};
use super::faas::{ANYCALL_POLICY, anycall_policies};
use super::names::Names;
use super::select::{ALL, NODE_LIST, NODES_MAX, SELECTOR_CHOICES, selector};
use crate::draws::Distribution;
use crate::units::Quantity;

/// Functions of a scenario, copies counted.
const FUNCTIONS_MAX: u64 = 1_000_000;
/// Providers of all functions together.
const PROVIDERS_MAX: u64 = 50_000_000;

pub(in crate::scenario) static SERVICE_TRACE: Section = Section {
    id: "service_trace",
    title: "a trace of service times",
    doc: "Durations of the Azure Functions 2019 format.",
    keys: &[required(
        "trace",
        Kind::Text("a file's path"),
        "The durations file: copy i has the percentiles of row i, modulo the rows.",
    )],
    choices: &[],
};

pub(in crate::scenario) static PROVIDERS: Section = Section {
    id: "providers",
    title: "providers",
    doc: "Which nodes host a function: where to choose from and how many, drawn for each copy apart.",
    keys: &[
        optional("share", SHARE, "all", "This share of the nodes chosen from, at least one."),
        optional("count", Kind::Integer(1, NODES_MAX), "all", "This many of them."),
        optional("nodes", NODE_LIST, "all nodes", "Choose from these nodes, by index from 0."),
        optional("region", Kind::Text("a region's name"), "all nodes", "Choose from the nodes of a region."),
        optional("class", Kind::Text("a node class' name"), "all nodes", "Choose from the nodes of a class."),
    ],
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) static FUNCTION: Section = Section {
    id: "function",
    title: "[[function]]",
    doc: "A function, or copies that are alike: where it runs and what a call of it costs.",
    keys: &[
        required("name", Kind::Text("a name"), "Its name: letters, digits, `-`, `_`; unique."),
        optional(
            "copies",
            Kind::Integer(1, FUNCTIONS_MAX),
            "one, without a number",
            "This many functions, `name-0`, `name-1` ….",
        ),
        required(
            "providers",
            Kind::Any(&[Kind::Integer(1, NODES_MAX), ALL, Kind::Table(&PROVIDERS)]),
            "The nodes that host it: how many, or a table that says which; `\"all\"`: every node.",
        ),
        required(
            "service_time",
            Kind::Any(&[durations::KIND, Kind::Table(&SERVICE_TRACE)]),
            "How long a call's work takes on a core of speed 1.",
        ),
        default(
            "work",
            Kind::Word(&["cpu", "sleep"]),
            "cpu",
            "`cpu`: running calls share the node's cores. `sleep`: it waits and uses none.",
        ),
        default(
            "concurrency",
            Kind::Integer(1, 1_000_000),
            "4",
            "Calls that a provider runs at once, each in an instance of its own.",
        ),
        default(
            "queue",
            Kind::Integer(0, 1_000_000),
            "0",
            "Calls that may wait at a provider; beyond, it answers 429.",
        ),
        optional(
            "cold_start",
            durations::KIND,
            "instances are always warm",
            "How long the start of an instance takes.",
        ),
        default(
            "image",
            SIZE,
            "0B",
            "The image's size, pulled over the node's link before its first cold start there.",
        ),
        optional("keep_alive", DURATION, "for ever", "An idle instance stops after this."),
        optional(
            "prewarm",
            Kind::Integer(0, 1_000_000),
            "0 with `cold_start`, else `concurrency`",
            "Instances that are warm from the start; not above `concurrency`.",
        ),
        default("memory", SIZE, "128MiB", "Memory of an instance."),
        optional(
            "idempotent",
            Kind::Bool,
            "as `[faas]` says",
            "Whether a call that may have started may run again.",
        ),
        optional(
            "policy",
            ANYCALL_POLICY,
            "as `[faas]` says",
            "Who runs its anycalls, unless the phase says.",
        ),
        default(
            "timeout",
            POSITIVE_DURATION,
            "60s",
            "A call's deadline, counted from its scheduled time, unless the phase says.",
        ),
        optional("request", sizes::KIND, "1KiB", "The body of a request, unless the phase says."),
        optional("response", sizes::KIND, "1KiB", "The body of a response, unless the phase says."),
        default(
            "failure_share",
            SHARE,
            "0%",
            "Share of calls that the function itself answers with an error.",
        ),
    ],
    choices: &[],
};

/// Reads the functions.
pub(super) fn functions(
    readers: &[Reader<'_>],
    names: &Names,
    classes: &[NodeClass],
    files: &mut Files<'_>,
) -> Result<Vec<Function>, ScenarioError> {
    let mut functions = Vec::with_capacity(readers.len());
    let (mut count, mut providers) = (0u64, 0u64);
    for reader in readers {
        let function = function(reader, names, classes, files)?;
        count = count.saturating_add(u64::from(function.copies));
        if count > FUNCTIONS_MAX {
            return Err(reader.error("copies", format!("makes more than {FUNCTIONS_MAX} functions in all")));
        }
        let each = match function.providers.take {
            Take::Count(count) => u64::from(count),
            Take::Share(share) => (f64::from(names.nodes) * share) as u64,
            Take::All => u64::from(names.nodes),
        };
        providers = providers.saturating_add(each.saturating_mul(u64::from(function.copies)));
        if providers > PROVIDERS_MAX {
            let problem = format!("makes more than {PROVIDERS_MAX} pairs of functions and providers in all");
            return Err(reader.error("providers", problem));
        }
        functions.push(function);
    }
    same_copy_names(readers, &functions)?;
    Ok(functions)
}

/// Refuses `f` with copies beside a function named `f-3`.
fn same_copy_names(readers: &[Reader<'_>], functions: &[Function]) -> Result<(), ScenarioError> {
    for (reader, function) in readers.iter().zip(functions) {
        let Some((group, number)) = function.name.rsplit_once('-') else {
            continue;
        };
        let clash = functions.iter().any(|other| {
            other.numbered && other.name == group && number.parse().is_ok_and(|n: u32| n < other.copies)
        });
        if clash && !function.numbered {
            return Err(reader.error("name", format!("is also the name of a copy of `{group}`")));
        }
    }
    Ok(())
}

fn function(
    reader: &Reader<'_>,
    names: &Names,
    classes: &[NodeClass],
    files: &mut Files<'_>,
) -> Result<Function, ScenarioError> {
    let name = reader.text("name")?;
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 200 || !name.chars().all(valid) {
        return Err(reader.error("name", "must be made of letters, digits, - and _ (1 to 200 of them)"));
    }
    let copies = reader.optional_integer("copies")?.map(|copies| copies as u32);
    let concurrency = reader.count("concurrency")?;
    let cold_start = optional_distribution(reader, "cold_start", Quantity::Duration)?;
    let prewarm = match reader.optional_integer("prewarm")? {
        Some(prewarm) if prewarm > u64::from(concurrency) => {
            return Err(reader.error("prewarm", format!("must not be above concurrency = {concurrency}")));
        }
        Some(prewarm) => prewarm as u32,
        None if cold_start.is_some() => 0,
        None => concurrency,
    };
    let memory = reader.size("memory")?;
    let largest = classes.iter().map(|class| class.memory).max().unwrap_or(u64::MAX);
    if memory > largest {
        return Err(
            reader.error("memory", format!("fits no node: the largest node class has {largest} bytes"))
        );
    }
    Ok(Function {
        name,
        copies: copies.unwrap_or(1),
        numbered: copies.is_some(),
        providers: providers(reader, names)?,
        service_time: service_time(reader, files)?,
        work: reader.word("work", &[("cpu", Work::Cpu), ("sleep", Work::Sleep)])?,
        concurrency,
        queue: reader.count("queue")?,
        cold_start,
        image: reader.size("image")?,
        keep_alive: reader.optional_duration("keep_alive")?,
        prewarm,
        memory,
        idempotent: reader.optional_bool("idempotent")?,
        policy: reader.optional_word("policy", &anycall_policies())?,
        timeout: reader.duration("timeout")?,
        request: optional_distribution(reader, "request", Quantity::Size)?.unwrap_or(DEFAULT_BODY),
        response: optional_distribution(reader, "response", Quantity::Size)?.unwrap_or(DEFAULT_BODY),
        failure_share: reader.share("failure_share")?,
    })
}

/// 1 KiB.
const DEFAULT_BODY: Distribution = Distribution::Constant(1024.0);

fn providers(reader: &Reader<'_>, names: &Names) -> Result<Selector, ScenarioError> {
    match reader.given("providers") {
        Some(Value { data: Data::Table(_), .. }) => match reader.table("providers", &PROVIDERS)? {
            Some(table) => selector(&table, names),
            None => Ok(Selector::ALL),
        },
        Some(Value { data: Data::Text(text), .. }) if text == "all" => Ok(Selector::ALL),
        Some(Value { data: Data::Integer(_), .. }) => {
            let count = reader.count("providers")?;
            if count > names.nodes {
                let problem =
                    format!("asks for more providers than there are nodes (network.nodes = {})", names.nodes);
                return Err(reader.error("providers", problem));
            }
            Ok(Selector { take: Take::Count(count), ..Selector::ALL })
        }
        other => {
            let given = other.map(shown).unwrap_or_default();
            let problem = format!(
                "providers = {given} must be a number of nodes, \"all\", or a table such as {{ region = \"…\", count = 3 }}"
            );
            Err(reader.sources.error(reader.at("providers"), problem))
        }
    }
}

fn service_time(reader: &Reader<'_>, files: &mut Files<'_>) -> Result<ServiceTime, ScenarioError> {
    if let Some(Value { data: Data::Table(table), .. }) = reader.given("service_time")
        && table.get("trace").is_some()
        && let Some(trace) = reader.table("service_time", &SERVICE_TRACE)?
    {
        let path = trace.text("trace")?;
        return Ok(ServiceTime::Trace { file: files.named(trace.sources, trace.at("trace"), &path)? });
    }
    distribution(reader, "service_time", Quantity::Duration).map(ServiceTime::Drawn)
}
