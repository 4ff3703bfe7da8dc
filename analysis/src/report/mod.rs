//! A page about runs: what was run, the figures, the tables, and how to make them again.
//!
//! The page is one HTML file that asks nothing of the network and runs no scripts. All text of a run is escaped by the template
//! engine; the figures come from [`crate::plot`], which escapes theirs.

mod page;
mod run;
mod tables;

use crate::Run;
use crate::plot::{PlotError, PlotRequest, Plots, plot};
use maud::html;

/// Makes the page.
///
/// # Errors
/// If a file of a run is broken, with file and row; or no variant has the levels asked for.
pub fn report(runs: &[Run], variants: &[(String, String)]) -> Result<String, PlotError> {
    let plots = plot(runs, &PlotRequest { variants: variants.to_vec(), ..PlotRequest::default() })?;
    let tables = tables::tables(runs)?;
    let mut names: Vec<&str> = runs.iter().map(|run| run.manifest().name.as_str()).collect();
    names.dedup();
    let title = names.join(", ");
    let body = html! {
        header {
            h1 { (title) }
            @for run in runs { p.lead { (run::headline(run)) } }
        }
        (figures(&plots))
        @for (run, table) in runs.iter().zip(&tables) {
            section {
                h2 { @if runs.len() > 1 { (run::headline(run)) } @else { "The run" } }
                (run::facts(run))
                (table)
                (run::details(run))
            }
        }
    };
    Ok(page::page(&title, &body))
}

fn figures(plots: &Plots) -> maud::Markup {
    html! {
        section {
            h2 { "Figures" }
            @if let Some(overlay) = &plots.overlay { p { (overlay) "." } }
            div.figures {
                @for plot in &plots.plots {
                    figure id=(plot.figure.name()) {
                        h3 { (plot.figure.title()) }
                        // An SVG of ours: its text was escaped when it was drawn.
                        (maud::PreEscaped(plot.inline_svg()))
                        figcaption { @for note in &plot.notes { (note) " " } }
                    }
                }
            }
            @if !plots.left_out.is_empty() {
                p { "Not drawn:" }
                ul { @for (figure, why) in &plots.left_out { li { (figure.title()) ": " (why) } } }
            }
        }
    }
}
