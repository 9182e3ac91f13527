//! Options that several verbs share.

use clap::{Args, ValueEnum};
use lacuna::error::{Error, Result};
use lacuna::network::{NetworkDevice, OpenNetworkDevice};
use lacuna::settings::{GapKeys, InputKeys, PhasingKeys, Settings, TypedSettings};

/// Options of every verb that writes a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
pub struct OutputFlags {
    /// Replace existing outputs
    #[arg(long)]
    pub force: bool,
    /// One JSON object a line on standard output, the last one a summary
    #[arg(long)]
    pub json: bool,
    /// No progress and no notes
    #[arg(long, short)]
    pub quiet: bool,
}

/// Options of every verb that writes a page.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
pub struct FigureFlags {
    /// Also write each figure of the page as a file: png (300 dots per inch) or svg. The folder is
    /// figures/ in that of lacuna run, else NAME-figures/ beside NAME.html
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub figures: Option<Figures>,
}

/// Further outputs of a reconstruction.
#[derive(Debug, Args)]
pub struct FurtherOutputs {
    /// Also write one CXI file for each kept run (nb-run-keep), named as PyNX names them
    #[arg(long)]
    pub run_files: bool,
    /// Also bring the object of a Bragg scan to the laboratory: crystal.html and crystal.h5, as
    /// `lacuna crystal` writes them
    #[arg(long)]
    pub crystal: bool,
    /// Keep watch.html in the folder up to date while it works: pictures, curves and the runs so far,
    /// for any browser
    #[arg(long)]
    pub watch: bool,
}

impl FurtherOutputs {
    /// As they were typed, with the figures.
    pub fn flags(&self, figures: &FigureFlags) -> Vec<String> {
        let switches = [(self.run_files, "--run-files"), (self.crystal, "--crystal"), (self.watch, "--watch")];
        let figures = figures.figures.and_then(|format| format.to_possible_value());
        let figures = figures.map(|format| format!("--figures={}", format.get_name()));
        let typed = switches.into_iter().filter(|(typed, _)| *typed).map(|(_, flag)| flag.to_string());
        typed.chain(figures).collect()
    }
}

/// Format of the files of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Figures {
    Png,
    Svg,
}

impl Figures {
    pub fn of_library(self) -> lacuna::report::FigureFormat {
        match self {
            Figures::Png => lacuna::report::FigureFormat::Png,
            Figures::Svg => lacuna::report::FigureFormat::Svg,
        }
    }
}

/// Device of the verbs that do nothing but train or apply a network.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "General")]
pub struct NetworkDeviceFlag {
    /// Device of the network: cpu, vulkan or vulkan:N (a graphics card, in programs built with the
    /// feature vulkan), or auto, which is the first card there is, or else the CPU
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
}

impl NetworkDeviceFlag {
    /// Opens the device.
    pub fn open(&self) -> Result<OpenNetworkDevice> {
        self.device.parse::<NetworkDevice>()?.open("device")
    }
}

/// Options of the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "General")]
pub struct MachineFlags {
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Memory that may be used, GB [default: what is available]
    #[arg(long, value_name = "GB")]
    pub max_memory: Option<f64>,
}

impl MachineFlags {
    /// Sets the number of threads of the process.
    pub fn apply(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            if threads == 0 || threads > 4096 {
                return Err(Error::setting("--threads", threads, "must be from 1 to 4096"));
            }
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::setting("--threads", threads, e.to_string()))?;
        }
        Ok(())
    }

    /// Bytes that may be used, where the flag says so.
    pub fn memory(&self) -> Option<u64> {
        self.max_memory.map(|gb| (gb.max(0.0) * 1e9) as u64)
    }
}

/// The preset that settings start from.
#[derive(Debug, Args)]
pub struct PresetFlags {
    /// Preset by name (bragg, particle, forward) or a TOML file of settings
    #[arg(long, value_name = "NAME|FILE", default_value = "bragg")]
    pub preset: String,
}

/// The settings of a reconstruction, as they are typed for a verb.
#[derive(Debug, Args)]
pub struct ReconstructionFlags {
    #[command(flatten)]
    pub preset: PresetFlags,
    #[command(flatten)]
    pub gap: GapKeys,
    #[command(flatten)]
    pub phasing: PhasingKeys,
    #[command(flatten)]
    pub machine: MachineFlags,
}

impl ReconstructionFlags {
    /// What was typed means, with these settings of the input; sets the number of threads.
    pub fn settings(&self, input: &InputKeys) -> Result<Settings> {
        self.machine.apply()?;
        let typed = TypedSettings { input: input.clone(), gap: self.gap.clone(), phasing: self.phasing.clone() };
        let mut settings = Settings::resolve(&self.preset.preset, &typed)?;
        settings.device.max_memory = self.machine.memory();
        Ok(settings)
    }
}

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// HDF5 in CXI form: silx view, h5py, PyNX, cdiutils
    Cxi,
    /// numpy
    Npz,
}

impl Format {
    pub fn of_library(self) -> lacuna::reconstruct::Format {
        match self {
            Format::Cxi => lacuna::reconstruct::Format::Cxi,
            Format::Npz => lacuna::reconstruct::Format::Npz,
        }
    }
}
