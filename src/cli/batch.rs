//! `lacuna batch`: many scans.

use super::console::Console;
use super::flags::{FigureFlags, FurtherOutputs, OutputFlags, ReconstructionFlags};
use super::signals;
use super::text::{command_line, print};
use indicatif::ProgressBar;
use lacuna::batch::{Job, Overview, Plan, Redo, Resources, SLURM_TEMPLATE, SlurmScripts, State, Status, reconstruct};
use lacuna::compare::Shard;
use lacuna::error::{Error, Result, counted};
use lacuna::io::Claim;
use lacuna::phasing::memory;
use lacuna::settings::{InputKeys, TypedSettings};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Arguments of `lacuna batch`.
#[derive(Debug, clap::Args)]
pub struct Command {
    /// Scans, each as lacuna run takes it, or a quoted pattern of names ('scan_*.h5'), numbers of
    /// scans of one file (sample.h5:12-20,25), or @LIST, a file with one a line [default: those of
    /// --table]
    #[arg(required_unless_present_any = ["table", "slurm_template"], value_name = "SCAN")]
    scans: Vec<String>,
    /// Folder for the folders of the scans, index.html and summary.csv
    #[arg(long, short, value_name = "DIR", required_unless_present = "slurm_template")]
    output: Option<PathBuf>,
    /// Settings of single scans, over all others: CSV with a column scan and one for each setting, or
    /// TOML with [[scans]]; preset too
    #[arg(long, value_name = "FILE.csv|.toml")]
    table: Option<PathBuf>,
    /// Scans at a time. They share threads, memory and GPUs
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Do scans again for what became of them: failed, doubtful, not-found, done
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    retry: Vec<Status>,
    /// Do scans again that are not done, or were begun with other settings
    #[arg(long)]
    force: bool,
    /// Do every Nth scan, from the Ith on, and write no page
    #[arg(long, value_name = "I/N", help_heading = "Clusters")]
    shard: Option<Shard>,
    /// Write only index.html and summary.csv, from what became of the scans
    #[arg(long, help_heading = "Clusters", conflicts_with = "shard")]
    summary: bool,
    /// Have Slurm do it: write a job array and a job for the page to DIR/slurm, and submit both
    #[arg(
        long,
        help_heading = "Clusters",
        value_name = "TEMPLATE",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with_all = ["shard", "summary"]
    )]
    slurm: Option<Option<PathBuf>>,
    /// Tasks of the job array [default: one for each scan, 1000 at most]
    #[arg(long, value_name = "N", help_heading = "Clusters", requires = "slurm")]
    slurm_tasks: Option<usize>,
    /// Print the template of both jobs, to be edited and given as --slurm=TEMPLATE
    #[arg(long, help_heading = "Clusters")]
    slurm_template: bool,
    #[command(flatten)]
    further: FurtherOutputs,
    #[command(flatten)]
    input: InputKeys,
    #[command(flatten)]
    settings: ReconstructionFlags,
    #[command(flatten)]
    figures: FigureFlags,
    /// One JSON object a line on standard output: one for each scan, the last one a summary
    #[arg(long, help_heading = "General")]
    json: bool,
    /// No progress and no notes
    #[arg(long, short, help_heading = "General")]
    quiet: bool,
}

/// What became of all scans, for machines.
#[derive(Serialize)]
struct Summary {
    scans: usize,
    done: usize,
    doubtful: usize,
    not_found: usize,
    failed: usize,
    unfinished: usize,
    command: String,
}

/// A scan with what is to be done for it.
struct Task {
    index: usize,
    job: Job,
    plan: Plan,
}

impl Command {
    pub fn execute(self) -> Result<()> {
        if self.slurm_template {
            return print(SLURM_TEMPLATE);
        }
        if self.workers == 0 {
            return Err(Error::setting("--workers", 0, "must be at least 1"));
        }
        if self.slurm_tasks == Some(0) {
            return Err(Error::setting("--slurm-tasks", 0, "must be at least 1"));
        }
        let typed = TypedSettings {
            input: self.input.clone(),
            gap: self.settings.gap.clone(),
            phasing: self.settings.phasing.clone(),
        };
        let output = self.output.clone().unwrap_or_default();
        let further = self.further.flags(&self.figures);
        let jobs = Job::list(&self.scans, self.table.as_deref(), &self.settings.preset.preset, &typed)?;
        let jobs: Vec<Job> = jobs.into_iter().map(|job| job.with_outputs(&further)).collect();
        let console = Console::new(&OutputFlags { force: self.force, json: self.json, quiet: self.quiet });
        if self.summary {
            let overview = self.overview(&output, &jobs)?;
            overview.write(false)?;
            return self.ended(&overview, &output, &console);
        }
        let redo = Redo { force: self.force, retry: self.retry.clone() };
        let plans = jobs.iter().map(|job| Plan::new(job, &output, &redo)).collect::<Result<Vec<_>>>()?;
        if let Some(template) = &self.slurm {
            return self.submit(template.as_deref(), &typed, &output, &jobs, &console);
        }
        let shard = self.shard.unwrap_or_default();
        // Two calls with the same scans would both begin them.
        let mut claim = Claim::file(&output.join(format!("shard-{shard}")))?;
        let pages = Overview::NAMES.map(|name| output.join(name));
        let pages = pages.each_ref().map(PathBuf::as_path);
        if self.shard.is_none() {
            let begun = jobs.iter().any(|job| output.join(&job.scan.name).join(State::NAME).exists());
            claim.outputs(&pages, self.force || begun)?;
        }
        let own = jobs.into_iter().zip(plans).enumerate().filter(|(index, _)| shard.takes(*index));
        let (jobs, plans): (Vec<Job>, Vec<Plan>) = own.map(|(_, task)| task).unzip();
        let overview = self.overview(&output, &jobs)?;
        let tasks = jobs.into_iter().zip(plans).enumerate();
        let tasks = tasks.map(|(index, (job, plan))| Task { index, job, plan }).collect();
        let overview = self.work(tasks, overview, &output, &console)?;
        claim.finish();
        self.ended(&overview, &output, &console)
    }

    fn overview(&self, output: &Path, jobs: &[Job]) -> Result<Overview> {
        Overview::read(output, jobs.iter().map(|job| job.scan.clone()), &command_line())
    }

    /// Reconstructs the scans that are left, several at a time.
    fn work(&self, tasks: Vec<Task>, overview: Overview, output: &Path, console: &Console) -> Result<Overview> {
        let program = std::env::current_exe().map_err(|error| Error::read("lacuna", error))?;
        let bar = console.bar(tasks.len() as u64, "scans");
        let (kept, left): (VecDeque<Task>, VecDeque<Task>) =
            tasks.into_iter().partition(|task| task.plan == Plan::Keep);
        if !kept.is_empty() {
            console.note(format!("{} kept as they are", counted(kept.len(), "scan")));
        }
        bar.inc(kept.len() as u64);
        let workers = self.workers.min(left.len()).max(1);
        let (queue, overview) = (Mutex::new(left), Mutex::new(overview));
        let worker = |worker: usize| -> Result<()> {
            let resources = self.resources(worker, workers);
            while signals::received().is_none() {
                let Some(Task { index, job, plan }) = lock(&queue).pop_front() else { break };
                let stopped = || signals::received().is_some();
                let state = reconstruct(&program, &job, output, &plan, &resources, &stopped)?;
                self.tell(&job, &state, &bar, console);
                let mut overview = lock(&overview);
                overview.set(index, state);
                if self.shard.is_none() {
                    overview.write(true)?;
                }
            }
            Ok(())
        };
        if self.shard.is_none() {
            lock(&overview).write(true)?;
        }
        let results: Vec<Result<()>> = std::thread::scope(|threads| {
            let workers: Vec<_> = (0..workers)
                .map(|number| {
                    let worker = &worker;
                    threads.spawn(move || worker(number))
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or(Err(Error::Interrupted))).collect()
        });
        bar.finish_and_clear();
        let overview = overview.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.shard.is_none() {
            overview.write(false)?;
        }
        results.into_iter().collect::<Result<()>>()?;
        match signals::received() {
            None => Ok(overview),
            Some(_) => {
                console.note(format!("{} The same command goes on.", overview.sentence()));
                Err(Error::Interrupted)
            }
        }
    }

    /// The share of one worker. One that is alone takes what it finds.
    fn resources(&self, worker: usize, workers: usize) -> Resources {
        let several = workers > 1;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.settings.machine.threads.or_else(|| several.then(cores));
        let memory = self.settings.machine.memory().or_else(|| several.then(memory::available));
        Resources {
            worker,
            workers,
            threads: threads.map(|threads| (threads / workers).max(1)),
            memory: memory.map(|bytes| bytes / workers as u64),
        }
    }

    fn tell(&self, job: &Job, state: &State, bar: &ProgressBar, console: &Console) {
        let words = state.error.as_deref().or(state.verdict.as_deref());
        let words = words.map_or(String::new(), |words| format!(": {words}"));
        let line = format!("{}: {}, {:.1} s{words}", job.scan.name, state.status, state.seconds);
        bar.suspend(|| console.note(line));
        bar.inc(1);
        console.event("scan", state);
    }

    /// Says what became of all.
    fn ended(&self, overview: &Overview, output: &Path, console: &Console) -> Result<()> {
        let count = |status| overview.count(status);
        console.note(overview.sentence());
        if self.shard.is_none() {
            console.note(format!("wrote {}", output.join(Overview::NAMES[0]).display()));
        }
        let [done, doubtful, not_found, failed, unfinished] = Status::ALL.map(count);
        let scans = overview.len();
        let command = command_line();
        console.event("summary", &Summary { scans, done, doubtful, not_found, failed, unfinished, command });
        let stopped = |count: usize| format!("{count} unfinished: the same command goes on");
        let problem = match (failed, unfinished) {
            (0, 0) => return Ok(()),
            _ if self.summary => return Ok(()),
            (0, count) => stopped(count),
            (count, 0) => format!("{count} of {} failed: --retry failed does them again", counted(scans, "scan")),
            (count, others) => format!("{count} of {} failed, {}", counted(scans, "scan"), stopped(others)),
        };
        Err(Error::file(output, problem))
    }

    /// Writes the scripts of a cluster and submits them.
    fn submit(
        &self,
        template: Option<&Path>,
        typed: &TypedSettings,
        output: &Path,
        jobs: &[Job],
        console: &Console,
    ) -> Result<()> {
        let text = match template {
            None => SLURM_TEMPLATE.into(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| Error::read(path, error))?,
        };
        let tasks = self.slurm_tasks.unwrap_or(1000).clamp(1, jobs.len().max(1));
        let here = std::env::current_dir().map_err(|error| Error::read(".", error))?;
        let program = std::env::current_exe().map_err(|error| Error::read("lacuna", error))?;
        let text_of = |path: &Path| path.to_string_lossy().into_owned();
        let list = format!("@{}", text_of(&SlurmScripts::list(output)));
        let summary = [&text_of(&program), "batch", &list, "--output", &text_of(output), "--quiet", "--summary"];
        let summary: Vec<String> = summary.map(String::from).into();
        let mut array = summary[..summary.len() - 1].to_vec();
        array.extend([format!("--preset={}", self.settings.preset.preset), format!("--workers={}", self.workers)]);
        array.extend(typed.flags());
        array.extend(self.further.flags(&self.figures));
        array.extend(self.table.iter().map(|path| format!("--table={}", path.display())));
        array.extend(self.settings.machine.threads.map(|threads| format!("--threads={threads}")));
        array.extend(self.settings.machine.max_memory.map(|memory| format!("--max-memory={memory}")));
        array.extend(self.retry.iter().map(|status| format!("--retry={status}")));
        array.extend(self.force.then(|| "--force".into()));
        let scripts = SlurmScripts::new(
            (template.unwrap_or(Path::new("--slurm")), &text),
            output,
            &here,
            tasks,
            [&array, &summary],
        )?;
        let scans: String = jobs.iter().map(|job| format!("{}\n", job.scan.location)).collect();
        scripts.write(&scans)?;
        let [array, summary] = scripts.submit()?;
        console.note(format!("submitted {tasks} tasks as job {array}, and the page as job {summary}"));
        console.event("summary", &serde_json::json!({"array": array, "summary": summary, "tasks": tasks}));
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
