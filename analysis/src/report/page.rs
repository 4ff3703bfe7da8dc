//! The page around everything: its head and its looks.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Readable from 320 CSS pixels on, in light and in dark, and on paper. What is too wide scrolls by itself, never the page.
const STYLE: &str = r"
:root { color-scheme: light dark; --ink: #1a1c1e; --paper: #fff; --soft: #5c6369; --line: #d5d9dd; --card: #f6f7f8; --link: #0060a0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #15181b; --soft: #a2a9b0; --line: #363c42; --card: #1d2125; --link: #7cc0f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; color: var(--ink); background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
a { color: var(--link); }
.lead, figcaption { color: var(--soft); }
.lead { margin: .25rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; }
figure svg { display: block; width: 100%; height: auto; color: var(--ink); }
@media (prefers-color-scheme: dark) { figure svg { filter: brightness(1.3); } }
@media (max-width: 26rem) { body { padding: .6rem; } figure { padding: .4rem; } }
figcaption { font-size: .8rem; margin-top: .5rem; }
dl { display: grid; grid-template-columns: minmax(6.5rem, max-content) 1fr; gap: .2rem .8rem; margin: .5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
code, pre { font: .85rem/1.4 ui-monospace, monospace; }
pre { padding: .6rem; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; overflow: auto; max-height: 30rem; white-space: pre-wrap; }
details { margin: .6rem 0; }
summary { cursor: pointer; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .15rem .6rem .15rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
";

/// The whole page.
pub(super) fn page(title: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing is loaded and nothing runs, whatever a name in the run says.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    markup.into_string()
}
