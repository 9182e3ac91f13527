//! `lacuna compare`: the same pattern phased with its gap treated in several ways.

mod merge;
mod set;

use super::console::Console;
use super::figures::FigureFolder;
use super::flags::{FigureFlags, MachineFlags, OutputFlags, PresetFlags};
use super::text::command_line;
use lacuna::compare::{Case, Contender};
use lacuna::error::{Error, Result};
use lacuna::io;
use lacuna::pixels::Pattern;
use lacuna::reconstruct::{PhasingStart, load, model};
use lacuna::settings::{GapKeys, InputKeys, PhasingKeys, Settings, TypedSettings};
use std::path::{Path, PathBuf};

/// Arguments of `lacuna compare`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Command {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    comparison: Comparison,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Put the parts of a comparison over a set together that were made with --shard
    Merge(merge::Command),
}

/// Arguments of a comparison.
#[derive(Debug, clap::Args)]
struct Comparison {
    /// The pattern, raw or prepared
    #[arg(required_unless_present = "set")]
    file: Option<String>,
    /// The same pattern without the gap: its reconstruction is what the others are scored against
    #[arg(long, value_name = "FILE", requires = "file")]
    truth: Option<String>,
    /// Folder of the outcomes and the report
    #[arg(long, short, value_name = "DIR", required = true)]
    output: Option<PathBuf>,
    /// Treatments of the gap, as those of `lacuna run --gap`, auto, and full (no gap at all)
    /// [default: full, auto, free, zero, linear, linear-soft, linear-soft-release, idw-soft, network,
    /// network-hard, network-release]
    #[arg(long, visible_alias = "arms", value_name = "LIST", value_delimiter = ',')]
    gaps: Vec<String>,
    /// Folder of the network's model [default: the one in the program]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Half width of the network's bounds, in units of its 90 % intervals [default: the preset's]
    #[arg(long, value_name = "FACTOR")]
    gap_interval: Option<f64>,
    #[command(flatten)]
    set: set::SetFlags,
    #[command(flatten)]
    preset: PresetFlags,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    phasing: PhasingKeys,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    figures: FigureFlags,
    #[command(flatten)]
    flags: OutputFlags,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        match self.action {
            Some(Action::Merge(merge)) => merge.execute(),
            None => self.comparison.execute(),
        }
    }
}

impl Comparison {
    fn execute(self) -> Result<()> {
        self.machine.apply()?;
        let typed = TypedSettings {
            input: self.input.clone(),
            gap: GapKeys { gap_interval: self.gap_interval, ..GapKeys::default() },
            phasing: self.phasing.clone(),
        };
        let mut settings = Settings::resolve(&self.preset.preset, &typed)?;
        settings.device.max_memory = self.machine.memory();
        let contenders = Contender::list(&self.gaps)?;
        let output = self.output.clone().unwrap_or_default();
        let console = Console::new(&self.flags);
        match &self.file {
            // Not left to clap: a set that stands in conflict with a file would satisfy what
            // requires one.
            Some(file) if self.set.set.is_some() => {
                Err(Error::setting("set", file, "a set takes the place of the file: leave one of them out"))
            }
            Some(file) => self.one(file, &output, contenders, &settings, &console),
            None => {
                if let Some(format) = self.figures.figures {
                    let problem = "a set has its page from lacuna compare merge: give it there";
                    return Err(Error::setting("--figures", format.of_library().extension(), problem));
                }
                self.set.compare(&output, &contenders, self.model.as_deref(), self.flags.force, &settings, &console)
            }
        }
    }

    /// The comparison on one pattern.
    fn one(
        &self,
        file: &str,
        output: &Path,
        mut contenders: Vec<Contender>,
        settings: &Settings,
        console: &Console,
    ) -> Result<()> {
        let page = output.join("compare.html");
        let mut claim = io::Claim::folder(output)?;
        let force = claim.outputs(&[&page], self.flags.force)?;
        let figures = FigureFolder::of_page(&page, &self.figures, force)?;
        let prepared = load(file, settings, console)?;
        let flat = prepared.pattern.is_2d();
        let full = match &self.truth {
            None => None,
            Some(truth) => {
                // The same pixels, whatever else would be found in the other file.
                let full = load(truth, &settings.for_twin(prepared.centre, flat)?, console)?.pattern;
                if full.shape() != prepared.pattern.shape() {
                    return Err(Error::file(truth, format!("is not {file} without its gap: the shapes differ")));
                }
                Some(full)
            }
        };
        if self.gaps.is_empty() && full.is_none() {
            contenders.retain(|contender| *contender != Contender::Full);
        }
        if full.is_some() && !contenders.contains(&Contender::Full) {
            console.note("full is compared too: errors are distances from the object of the whole pattern");
            contenders.insert(0, Contender::Full);
        }
        let model = model(self.model.as_deref(), if flat { 2 } else { 3 })?;
        // From the pattern without estimates, so that all contenders begin in the same support.
        let bare = Pattern { estimate: None, ..prepared.pattern.clone() };
        let start = PhasingStart::new(&bare, prepared.support.as_ref(), settings)?;
        let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy().into_owned());
        let case = Case {
            name,
            pattern: prepared.pattern,
            full,
            truth: None,
            hold_out: true,
            contenders,
            model: &model,
            start,
            settings,
        };
        let compared = case.compare(console)?;
        let command = command_line();
        let report = compared.page(&command)?;
        io::write_text(&page, force, &report.to_html())?;
        figures.write(&report, console)?;
        claim.finish();
        console.note(compared.verdict());
        console.note(format!("wrote {}", page.display()));
        console.event("summary", &compared.summary(&command)?);
        Ok(())
    }
}
