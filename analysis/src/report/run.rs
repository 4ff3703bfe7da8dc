//! What was run, on what, and how to make it again.

use crate::Run;
use edge_faas_core::results::text;
use maud::{Markup, html};

/// One line that names a run.
pub(super) fn headline(run: &Run) -> Markup {
    let manifest = run.manifest();
    let hash = manifest.run_hash.get(..8).unwrap_or(&manifest.run_hash);
    let repetitions = if manifest.repetitions == 1 { "repetition" } else { "repetitions" };
    html! {
        (manifest.name) ", seed " (manifest.seed) ", " (manifest.repetitions) " " (repetitions)
        @if manifest.variants.len() > 1 { " of " (manifest.variants.len()) " variants" }
        ", hash " code { (hash) }
    }
}

/// The facts about a run, and the command that makes it again.
pub(super) fn facts(run: &Run) -> Markup {
    let manifest = run.manifest();
    let (program, host, cost) = (&manifest.program, &manifest.host, &manifest.cost);
    let seconds = |seconds: f64| text::micros(seconds * 1e6);
    html! {
        dl {
            dt { "Scenario" } dd { (manifest.name) }
            dt { "Seed" } dd { (manifest.seed) }
            dt { "Repetitions" } dd { (manifest.repetitions) }
            @if manifest.variants.len() > 1 { dt { "Variants" } dd { (manifest.variants.len()) } }
            dt { "Backend" } dd { code { (manifest.backend) } }
            dt { "Program" }
            dd { (program.name) " " (program.version) @if let Some(commit) = &program.git_commit { ", commit " code { (commit) } } }
            dt { "Machine" }
            dd { (host.os) ", " (host.cores) " cores" @if let Some(cpu) = &host.cpu { ", " (cpu) } }
            dt { "Cost" }
            dd {
                (seconds(cost.simulated_seconds)) " of the network's time in " (seconds(cost.wall_seconds))
                @if let Some(cpu) = cost.cpu_seconds { ", " (seconds(cpu)) " of processor time" }
                @if let Some(memory) = cost.peak_memory_bytes { ", " (text::count(memory as f64 / 1e6)) " MB" }
                "; " (text::count(cost.events as f64)) " events, " (text::count(cost.messages as f64)) " messages"
            }
            dt { "Run" } dd { code { (manifest.run) } }
            dt { "Hash" } dd { code { (manifest.run_hash) } }
        }
        p { "Made again by:" }
        pre { (command(&manifest.command)) }
    }
}

/// Everything else that the manifest says.
pub(super) fn details(run: &Run) -> Markup {
    let manifest = run.manifest();
    // What was read back from JSON can be written as JSON.
    let scenario = serde_json::to_string_pretty(&manifest.scenario).unwrap_or_default();
    html! {
        details {
            summary { "Files" }
            div.scroll {
                table {
                    thead { tr { th { "File" } th.number { "Rows" } th.number { "Bytes" } th { "SHA-256" } } }
                    tbody {
                        @for file in &manifest.files {
                            tr {
                                td { (file.name) }
                                td.number { @if let Some(rows) = file.rows { (text::count(rows as f64)) } }
                                td.number { (text::count(file.bytes as f64)) }
                                td { code { (file.sha256) } }
                            }
                        }
                        @for input in &manifest.inputs {
                            tr {
                                td { (input.path) " (read)" }
                                td.number {}
                                td.number { (text::count(input.bytes as f64)) }
                                td { code { (input.sha256) } }
                            }
                        }
                    }
                }
            }
        }
        @if scenario.len() <= SCENARIO_MAX {
            details { summary { "The scenario with everything filled in" } pre { (scenario) } }
        } @else {
            p { "The scenario with everything filled in is in " code { "manifest.json" } "." }
        }
    }
}

/// Longer scenarios (of many variants) stay in the manifest.
const SCENARIO_MAX: usize = 200_000;

/// A command as it is typed: words with anything but plain characters are in single quotes.
fn command(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%+@".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_stands() {
        let words = ["sim", "a b.toml", "--set", "x=[1, 2]", "it's", ""].map(str::to_owned);
        assert_eq!(command(&words), "sim 'a b.toml' --set 'x=[1, 2]' 'it'\\''s' ''");
    }
}
