//! The comparison over a simulated set: one line of JSON for each pattern and gap, so that it can
//! be stopped, resumed and shared among machines.

use super::case::{held_out, network};
use super::{Contender, ContenderOutcome, Outcome, Score, Trial, Truth};
use crate::error::{Error, Result};
use crate::evaluate::{blinded, gaps_of_ratio, without_gaps};
use crate::inpaint::distance_to_measured;
use crate::inpaint::model::Model;
use crate::io::Claim;
use crate::io::set::{Set, Split};
use crate::phasing::ensemble::FirstSupport;
use crate::pixels::Pattern;
use crate::reconstruct::{Observer, PhasingStart, Silent, advise};
use crate::settings::{Settings, TypedSettings};
use crate::volume::Centered;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Seed of the places of the gaps.
const GAP_SEED: u64 = 0;

/// Beginning and end of the names of the files of outcomes.
pub(super) const LINES: (&str, &str) = ("outcomes-", ".jsonl");

/// A part of the work: number `index`, from 1, of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Whether it takes what has this index, from 0.
    pub fn takes(self, index: usize) -> bool {
        index % self.count + 1 == self.index
    }
}

impl Default for Shard {
    fn default() -> Self {
        Shard { index: 1, count: 1 }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::setting("shard", text, "write I/N, from 1/N to N/N");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count): (usize, usize) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        if (1..=count).contains(&index) { Ok(Self { index, count }) } else { Err(wrong()) }
    }
}

/// First support of a simulated pattern.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum StartSupport {
    /// Where the autocorrelation exceeds a threshold.
    Auto,
    /// The true one, grown by so many pixels.
    Grown(f32),
}

impl FromStr for StartSupport {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(StartSupport::Auto),
            number => match number.parse() {
                Ok(pixels) if pixels >= 0.0 => Ok(StartSupport::Grown(pixels)),
                _ => Err(Error::setting("start-support", text, "takes auto, or a number of pixels")),
            },
        }
    }
}

impl TryFrom<String> for StartSupport {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<StartSupport> for String {
    fn from(start: StartSupport) -> String {
        match start {
            StartSupport::Auto => "auto".into(),
            StartSupport::Grown(pixels) => pixels.to_string(),
        }
    }
}

/// What is compared on the patterns of a set.
pub struct SetComparison<'a> {
    /// File of the simulated set.
    pub set: &'a Path,
    /// Folder of the outcomes.
    pub folder: &'a Path,
    /// Contenders; `full` is always possible here.
    pub contenders: &'a [Contender],
    /// Split of the set whose patterns are used.
    pub split: Split,
    /// Number of patterns at most.
    pub limit: Option<usize>,
    /// Smallest number of photons of a pattern: dimmer ones fail with and without a gap.
    pub least_photons: f64,
    /// Widths of the gap, in units of the linear oversampling across it.
    pub ratios: &'a [f64],
    /// Whether each pattern has one of the ratios in turn, instead of all.
    pub in_turn: bool,
    /// Whether a cross is cut instead of a straight gap.
    pub cross: bool,
    /// Whether copies of the gap are cut into measured pixels too.
    pub hold_out: bool,
    /// First support of all contenders.
    pub start: StartSupport,
    /// Part of the work that is done here.
    pub shard: Shard,
    /// Whether outcomes of another comparison are replaced.
    pub force: bool,
}

/// What tells a comparison from another one in the same folder: the first line of each file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetIdentity {
    /// Settings with which all contenders were phased.
    pub settings: TypedSettings,
    /// Checksum of the network's weights.
    pub model: String,
    /// Split of the set, by name.
    pub split: String,
    /// Seed of the places of the gaps.
    pub seed: u64,
    /// Contenders, in the order in which they were asked for.
    pub gaps: Vec<Contender>,
    /// First support of all contenders.
    pub start: StartSupport,
    /// Whether gaps are crosses.
    pub cross: bool,
    /// Whether copies of the gap were held out.
    pub hold_out: bool,
    /// Recipe of the set.
    pub set: String,
    /// Seed of the set.
    pub set_seed: u64,
    /// Version of the program.
    pub version: String,
}

/// The first line of a file of outcomes.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub comparison: SetIdentity,
}

/// Progress of a comparison over a set.
#[derive(Debug)]
pub enum SetEvent<'a> {
    /// An earlier call left outcomes.
    Resumed {
        /// Comparisons that are there.
        done: usize,
        /// Number of comparisons in this part of the work.
        of: usize,
        /// File in which the earlier outcomes are.
        path: &'a Path,
    },
    /// A comparison is done; one that an earlier call made has no outcome here.
    Done {
        /// Number of comparisons in this part of the work.
        of: usize,
        /// Scores of all contenders.
        outcome: Option<&'a Outcome>,
    },
}

/// A pattern, and the width of its gap in units of the oversampling.
type Job = (usize, f64);

impl SetComparison<'_> {
    /// Compares, pattern by pattern, and returns the file of the outcomes.
    ///
    /// # Errors
    /// [`Error::File`] for a set without such patterns or a folder with outcomes of another
    /// comparison, [`Error::Write`], and those of phasing.
    pub fn run(
        &self,
        model: Option<&Path>,
        settings: &Settings,
        observer: &dyn Observer,
        on: &mut dyn FnMut(SetEvent<'_>),
    ) -> Result<PathBuf> {
        let set = Set::open(self.set)?;
        let jobs = self.jobs(&set)?;
        let model = crate::reconstruct::model(model, if set.shape()[0] == 1 { 2 } else { 3 })?;
        let name = format!("{}{}-of-{}{}", LINES.0, self.shard.index, self.shard.count, LINES.1);
        let path = self.folder.join(name);
        // Other shards write other files of the same folder.
        let claim = Claim::file(&path)?;
        let identity = SetIdentity {
            settings: settings.typed().clone(),
            model: model.card.sha256.clone(),
            split: self.split.name().into(),
            seed: GAP_SEED,
            gaps: self.contenders.to_vec(),
            start: self.start,
            cross: self.cross,
            hold_out: self.hold_out,
            set: set.header().recipe_name.clone(),
            set_seed: set.header().seed,
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let head = line(&Head { comparison: identity })?;
        let done = done(&path, &head, self.force)?;
        if !done.is_empty() {
            on(SetEvent::Resumed { done: done.len(), of: jobs.len(), path: &path });
        }
        let open = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = open.map_err(|e| Error::write(&path, e))?;
        if done.is_empty() {
            append(&mut file, &path, &head)?;
        }
        for &(pattern, ratio) in &jobs {
            let outcome = if done.contains(&key(pattern, ratio)) {
                None
            } else {
                let outcome = self.one(&set, pattern, ratio, &model, settings, &Silent(observer))?;
                append(&mut file, &path, &line(&outcome)?)?;
                Some(outcome)
            };
            on(SetEvent::Done { of: jobs.len(), outcome: outcome.as_ref() });
        }
        claim.finish();
        Ok(path)
    }

    /// The comparisons of this shard.
    fn jobs(&self, set: &Set) -> Result<Vec<Job>> {
        let mut patterns = set.indices(self.split);
        let photons = set.parameter("measurement_photons")?;
        patterns.retain(|&pattern| photons[pattern] >= self.least_photons);
        patterns.truncate(self.limit.unwrap_or(usize::MAX));
        if patterns.is_empty() {
            let problem = format!("has no {} pattern of {:e} photons or more", self.split.name(), self.least_photons);
            return Err(Error::file(self.set, problem));
        }
        let count = self.ratios.len();
        let mut jobs = Vec::new();
        for (i, &pattern) in patterns.iter().enumerate() {
            let ratios = self.ratios.iter().enumerate().filter(|(k, _)| !self.in_turn || i % count == *k);
            jobs.extend(ratios.map(|(_, &ratio)| (pattern, ratio)));
        }
        Ok(jobs.into_iter().skip(self.shard.index - 1).step_by(self.shard.count).collect())
    }

    /// One pattern with one gap, phased by all contenders.
    fn one(
        &self,
        set: &Set,
        pattern: usize,
        ratio: f64,
        model: &Model,
        settings: &Settings,
        observer: &dyn Observer,
    ) -> Result<Outcome> {
        let entry = set.entry(pattern)?;
        let shape = set.shape();
        let oversampling = entry.parameters.oversampling().unwrap_or([f64::NAN; 3]);
        let gaps = gaps_of_ratio(shape, oversampling, ratio, GAP_SEED, pattern);
        let gap = gaps[0];
        let mut inside = gap.pixels(shape);
        if self.cross {
            inside.zip_mut_with(&gaps[1].pixels(shape), |inside, &other| *inside |= other);
        }
        let full = without_gaps(&set.measurement(pattern)?, GAP_SEED, pattern);
        let seen = blinded(full.clone(), &inside);
        let photons = entry.parameters.number("measurement_photons").unwrap_or(f64::NAN);
        let truth = Truth { object: entry.object, support: entry.support };
        let start = self.first(&seen, &truth, settings)?;
        let network = network(&seen, self.contenders, model, settings, observer)?;
        let trial = Trial { pattern: &seen, full: Some(&full), network: network.as_ref(), start: &start, settings };
        let mut contenders = BTreeMap::new();
        for runs in &trial.phase(self.contenders, observer)? {
            let score = |run| Score::new(run, &truth, !settings.recipe.positivity);
            let scores: Vec<Score> = runs.runs.iter().map(score).collect::<Result<_>>()?;
            let chosen = runs.chosen().map(|index| scores[index]);
            let random = scores.into_iter().zip(&runs.runs).filter(|(_, run)| run.average_of == 0);
            let outcome = ContenderOutcome {
                chosen,
                runs: random.map(|(score, _)| score).collect(),
                begun: settings.ensemble.most(),
                hold_out: None,
            };
            contenders.insert(runs.contender, outcome);
        }
        if self.hold_out {
            for (contender, prediction) in held_out(&seen, self.contenders, model, &start, settings, observer)? {
                if let Some(outcome) = contenders.get_mut(&contender) {
                    outcome.hold_out = Some(prediction);
                }
            }
        }
        Ok(Outcome {
            pattern,
            particle: entry.particle,
            asked: ratio,
            width: gap.width,
            oversampling: oversampling[gap.axis],
            ratio: gap.width as f64 / oversampling[gap.axis],
            photons,
            offset: gap.offset(shape),
            advice: network.is_some_and(|network| advise(&seen, &network, oversampling).fill),
            contenders,
        })
    }

    /// Where all contenders begin.
    fn first(&self, pattern: &Pattern, truth: &Truth, settings: &Settings) -> Result<PhasingStart> {
        let held_out = PhasingStart::new(pattern, None, settings)?.held_out;
        let support = match self.start {
            StartSupport::Auto => FirstSupport::Autocorrelation {
                intensity: pattern.intensity.to_cornered(),
                threshold: settings.start.autocorrelation,
            },
            StartSupport::Grown(pixels) => {
                let near = distance_to_measured(&truth.support.0, !pattern.is_2d());
                FirstSupport::Given(Centered(near.mapv(|distance| distance <= pixels)).to_cornered())
            }
        };
        Ok(PhasingStart { held_out, support })
    }
}

fn line(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::encode("an outcome", error))
}

fn append(file: &mut File, path: &Path, line: &str) -> Result<()> {
    writeln!(file, "{line}").and_then(|()| file.flush()).map_err(|e| Error::write(path, e))
}

/// A comparison by the digits that survive a file.
fn key(pattern: usize, ratio: f64) -> (usize, u64) {
    (pattern, (ratio * 1e6).round() as u64)
}

/// The comparisons that a file holds already. Its last line may be torn: it is cut off.
fn done(path: &Path, head: &str, force: bool) -> Result<HashSet<(usize, u64)>> {
    /// What tells an outcome from another.
    #[derive(Deserialize)]
    struct Key {
        pattern: usize,
        asked: f64,
    }

    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(Error::read(path, error)),
    };
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    if force || whole.is_empty() {
        std::fs::remove_file(path).map_err(|e| Error::write(path, e))?;
        return Ok(HashSet::new());
    }
    if whole.lines().next() != Some(head) {
        let problem = "is of a comparison with other settings: give --force to start anew, or another --output";
        return Err(Error::file(path, problem));
    }
    if whole.len() < text.len() {
        let file = OpenOptions::new().write(true).open(path);
        file.and_then(|file| file.set_len(whole.len() as u64)).map_err(|e| Error::write(path, e))?;
    }
    let keys = whole.lines().skip(1).filter_map(|line| serde_json::from_str::<Key>(line).ok());
    Ok(keys.map(|found| key(found.pattern, found.asked)).collect())
}
