//! `lacuna gaps`: what the gaps of a pattern hide, before it is phased.

use super::console::Console;
use super::figures::{FigureFolder, NEEDS_REPORT};
use super::flags::{FigureFlags, MachineFlags, OutputFlags};
use super::text::command_line;
use lacuna::error::Result;
use lacuna::io;
use lacuna::reconstruct::{load, look_at_gaps, not_onto_itself};
use lacuna::settings::{InputKeys, PhasingKeys, Settings, TypedSettings};
use std::path::PathBuf;

/// Arguments of `lacuna gaps`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// The pattern; counts matter for the support only, so that any exposure with its mask will do
    file: String,
    /// Support of the object: circle:RADIUS, box:H,W, box:D,H,W, or a file, such as a result [default:
    /// the autocorrelation's, at half its scale]
    #[arg(long, value_name = "SUPPORT")]
    support: Option<String>,
    /// Write a page with a picture of where in the object the uncertainty lies
    #[arg(long, value_name = "PAGE.html")]
    report: Option<PathBuf>,
    /// Seed of the random vectors by which many modes are counted
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let phasing = PhasingKeys { support: self.support.clone(), seed: Some(self.seed), ..PhasingKeys::default() };
        let typed = TypedSettings { input: self.input.clone(), phasing, ..TypedSettings::default() };
        let settings = Settings::resolve("bragg", &typed)?;
        let mut claim = self.report.as_deref().map(io::Claim::file).transpose()?;
        let force = match (&mut claim, &self.report) {
            (Some(claim), Some(page)) => claim.outputs(&[page], self.flags.force)?,
            _ => self.flags.force,
        };
        let figures = FigureFolder::of_page_if_any(self.report.as_deref(), NEEDS_REPORT, &self.figures, force)?;
        self.report.iter().try_for_each(|page| not_onto_itself(&self.file, page))?;
        let console = Console::new(&self.flags);
        let look = look_at_gaps(load(&self.file, &settings, &console)?, &settings, &console)?;
        let summary = &look.summary;
        let hidden = &summary.hidden;
        let source =
            if summary.support_estimated { " (from the autocorrelation; give yours with --support)" } else { "" };
        let lines = [
            (
                "not measured",
                format!("{:.2} % of the pixels, widest gap {}", 100.0 * hidden.unmeasured, summary.outlook.widest_gap),
            ),
            ("support", format!("{} pixels{source}", hidden.support_pixels)),
            (
                "hidden modes",
                format!("{}: of each, more than half lies where nothing was measured", hidden.count_text()),
            ),
            ("noise gain", format!("{} along the worst of them", hidden.gain_text())),
            (
                "energy",
                format!(
                    "{:.2} % of a flat object's lies in hidden modes: an error of {:.2} if they come out at random",
                    100.0 * hidden.hidden_energy,
                    summary.outlook.error
                ),
            ),
            ("remedy", summary.advice.clone()),
        ];
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let text: String = lines.iter().map(|(name, text)| format!("{name:>width$}  {text}\n")).collect();
        console.print(text)?;
        if let (Some(page), Some(figures)) = (&self.report, figures) {
            let report = look.page(&self.file, &command_line());
            io::write_text(page, force, &report.to_html())?;
            console.note(format!("wrote {}", page.display()));
            figures.write(&report, &console)?;
        }
        if let Some(claim) = claim {
            claim.finish();
        }
        console.event("summary", summary);
        Ok(())
    }
}
