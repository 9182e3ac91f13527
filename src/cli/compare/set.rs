//! The comparison over a simulated set: one line of JSON for each pattern and gap, so that it can be stopped, resumed and dealt out.

use super::{Command, Phased, held_out, phased};
use crate::cli::load;
use crate::cli::progress::{self, Voice};
use crate::cli::reconstruct;
use lacuna::compare::{Arm, ArmOutcome, Outcome, Score, Truth, advise};
use lacuna::config::Settings;
use lacuna::error::{Error, Result};
use lacuna::evaluate::{blinded, gaps_of_ratio, without_gaps};
use lacuna::inpaint::model::Model;
use lacuna::io::set::{Set, Split};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Which part of the work is done here.
#[derive(Debug, Clone, Copy)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl std::str::FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::setting("--shard", text, "write I/N, from 1/N to N/N");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count): (usize, usize) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        if (1..=count).contains(&index) { Ok(Self { index, count }) } else { Err(wrong()) }
    }
}

/// Beginning and end of the names of the files of outcomes.
pub const LINES: (&str, &str) = ("outcomes-", ".jsonl");

/// One thing to compare: a pattern, and the gap in units of the oversampling.
type Job = (usize, f64);

pub fn compare(command: &Command, path: &Path, settings: &Settings, voice: &Voice) -> Result<PathBuf> {
    let set = Set::open(path)?;
    let flat = set.shape()[0] == 1;
    let split = Split::ALL.into_iter().find(|split| split.name() == command.split);
    let split = split.ok_or_else(|| Error::setting("--split", &command.split, "test, validation or train"))?;
    let mut patterns = set.indices(split);
    let photons = set.parameter("measurement_photons")?;
    patterns.retain(|&pattern| photons[pattern] >= command.least_photons);
    patterns.truncate(command.limit.unwrap_or(usize::MAX));
    if patterns.is_empty() {
        let problem = format!("has no {} pattern of {:e} photons or more", split.name(), command.least_photons);
        return Err(Error::file(path, problem));
    }
    let arms = command.arms()?;
    let model = load::model(command.model.as_deref(), if flat { 2 } else { 3 })?;
    let shard = command.shard.unwrap_or(Shard { index: 1, count: 1 });
    let all = patterns
        .iter()
        .enumerate()
        .flat_map(|(i, &p)| command.ratios.iter().enumerate().map(move |(k, &r)| (i, k, p, r)));
    let count = command.ratios.len();
    let jobs: Vec<Job> =
        all.filter(|(i, k, ..)| !command.in_turn || i % count == *k).map(|(.., p, r)| (p, r)).collect();
    let jobs: Vec<Job> = jobs.into_iter().skip(shard.index - 1).step_by(shard.count).collect();
    std::fs::create_dir_all(&command.output).map_err(|e| Error::write(&command.output, e))?;
    let name = format!("{}{}-of-{}{}", LINES.0, shard.index, shard.count, LINES.1);
    let lines = command.output.join(name);
    // What tells this comparison from another in the same folder.
    let identity = json!({"settings": settings, "model": model.card.sha256, "split": command.split, "seed": command.seed,
                          "arms": arms.iter().map(ToString::to_string).collect::<Vec<_>>(), "start": command.start_support, "cross": command.cross, "hold_out": command.hold_out,
                          "set": set.header().recipe_name, "set_seed": set.header().seed, "version": env!("CARGO_PKG_VERSION")});
    let head = json!({"comparison": identity}).to_string();
    let done = done(&lines, &head, command.flags.force)?;
    if !done.is_empty() {
        voice.note(format!("going on after {} of {} comparisons in {}", done.len(), jobs.len(), lines.display()));
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&lines).map_err(|e| Error::write(&lines, e))?;
    let mut put =
        |value: &str| writeln!(file, "{value}").and_then(|()| file.flush()).map_err(|e| Error::write(&lines, e));
    if done.is_empty() {
        put(&head)?;
    }
    progress::catch_interrupts();
    let bar = voice.bar(jobs.len() as u64, "compare");
    for (pattern, ratio) in jobs {
        if !done.contains(&key(pattern, ratio)) {
            let outcome = one(command, &set, pattern, ratio, &arms, &model, settings)?;
            put(&json!(outcome).to_string())?;
            voice.event("outcome", json!(outcome))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(lines)
}

/// Numbers lose their last digit on the way through a file.
fn key(pattern: usize, ratio: f64) -> (usize, u64) {
    (pattern, (ratio * 1e6).round() as u64)
}

/// The comparisons that a file holds already. Its last line may be torn: it is cut off.
fn done(lines: &Path, head: &str, force: bool) -> Result<HashSet<(usize, u64)>> {
    let text = match std::fs::read_to_string(lines) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(Error::read(lines, error)),
    };
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let values: Vec<Value> = whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if force || values.is_empty() {
        std::fs::remove_file(lines).map_err(|e| Error::write(lines, e))?;
        return Ok(HashSet::new());
    }
    if whole.lines().next() != Some(head) {
        let problem = "is of a comparison with other settings: give --force to start anew, or another --output";
        return Err(Error::file(lines, problem));
    }
    if whole.len() < text.len() {
        std::fs::write(lines, whole).map_err(|e| Error::write(lines, e))?;
    }
    let of = |value: &Value| Some(key(value["pattern"].as_u64()? as usize, value["asked"].as_f64()?));
    Ok(values.iter().skip(1).filter_map(of).collect())
}

/// One pattern with one gap, phased by all arms.
fn one(
    command: &Command,
    set: &Set,
    pattern: usize,
    ratio: f64,
    arms: &[Arm],
    model: &Model,
    settings: &Settings,
) -> Result<Outcome> {
    let entry = set.entry(pattern)?;
    let shape = set.shape();
    let number = |name: &str| entry.parameters.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let list = entry.parameters.get("oversampling").and_then(Value::as_array).cloned().unwrap_or_default();
    let oversampling: [f64; 3] = std::array::from_fn(|axis| list.get(axis).and_then(Value::as_f64).unwrap_or(f64::NAN));
    let gaps = gaps_of_ratio(shape, oversampling, ratio, command.seed, pattern);
    let gap = gaps[0];
    let mut inside = gap.pixels(shape);
    if command.cross {
        inside.zip_mut_with(&gaps[1].pixels(shape), |inside, &other| *inside |= other);
    }
    let full = without_gaps(&set.measurement(pattern)?, command.seed, pattern);
    let seen = blinded(full.clone(), &inside);
    let truth = Truth { object: entry.object, support: entry.support };
    let support = command.first_support(&seen, &truth, settings)?;
    let plan = reconstruct::plan(settings, support)?;
    let Phased { runs, said } = phased(&seen, Some(&full), arms, model, &plan, settings)?;
    let mut outcomes = BTreeMap::new();
    for arm in &runs {
        let scores: Vec<Score> =
            arm.runs.iter().map(|run| Score::new(run, &truth, !settings.positivity)).collect::<Result<_>>()?;
        let chosen = arm.best().and_then(|best| arm.runs.iter().position(|run| run.seed == best.seed));
        let outcome = ArmOutcome { chosen: chosen.map(|index| scores[index]), runs: scores, hold_out: None };
        outcomes.insert(arm.arm, outcome);
    }
    if command.hold_out {
        for (arm, prediction) in held_out(&seen, arms, model, &plan, settings)? {
            if let Some(outcome) = outcomes.get_mut(&arm) {
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
        photons: number("measurement_photons"),
        offset: gap.offset(shape),
        advice: said.is_some_and(|said| advise(&seen, &said, oversampling).fill),
        arms: outcomes,
    })
}
