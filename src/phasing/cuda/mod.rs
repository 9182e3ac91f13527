//! The backend for NVIDIA graphics cards. Everything stays on the card and is queued; only the sums of a fit come back, when they are
//! asked for. The kernels are in `kernels/`; what they compute is what [`super::cpu`] computes.

mod card;
mod fit;
mod gradient;
mod graph;
mod order;
mod room;
mod support;
mod transform;

use super::backend::{Backend, Finished, Fit, GapConstraint, Start};
use super::bound::Bound;
use super::problem::Problem;
use super::recipe::Recipe;
use super::rules::{Cycle, Rule};
use super::support::SupportRule;
use crate::error::{Result, bytes_text};
use crate::volume::Cornered;
use card::{Card, failed};
use cudarc::driver::{CudaGraph, CudaSlice, DevicePtr, DeviceRepr, DriverError, ValidAsZeroBits};
use fit::Question;
use gradient::Gradient;
use graph::Key;
use ndarray::Array3;
use num_complex::Complex32;
use room::{Needs, SHARED};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use transform::{Address, Arrays, Bounds, From, Library, ObjectWork, Passes, Projection, RuleNumbers, Then, Transform};

pub use card::{Found, Unusable, cards, driver_version, has_cufft};

/// Most numbers that a block of a reduction leaves.
const MOST_SUMS: usize = 9;

/// Runs of one problem on one card.
pub struct Cuda {
    problem: Arc<Problem>,
    card: Card,
    transform: Transform,
    lanes: usize,
    active: usize,
    gaps: GapConstraint,
    object: CudaSlice<Complex>,
    /// The object's transform, the modulus projection, or whatever a step needs room for.
    values: CudaSlice<Complex>,
    support: CudaSlice<u8>,
    density: CudaSlice<f32>,
    entries: CudaSlice<u32>,
    table: CudaSlice<[f32; 2]>,
    held_places: CudaSlice<u32>,
    held_observed: CudaSlice<f32>,
    states: CudaSlice<State>,
    sums: CudaSlice<f64>,
    fits: CudaSlice<f64>,
    free: CudaSlice<f64>,
    counts: CudaSlice<u32>,
    thresholds: CudaSlice<f32>,
    halves: CudaSlice<u64>,
    second: Option<CudaSlice<Complex>>,
    gradient: Option<Gradient>,
    graphs: HashMap<Key, CudaGraph>,
    questions: VecDeque<Question>,
    spare: Vec<Question>,
    /// Whether `density` is that of the objects as they are.
    dense: bool,
    failure: Option<DriverError>,
}

/// A complex number, as the card has it.
type Complex = [f32; 2];

/// What a run knows of itself, as `State` in `kernels/device.cuh`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct State {
    count: u32,
    rms: f32,
    alive: u32,
    cut: f32,
    kept: u32,
    seeking: u32,
    rank: u32,
    prefix: u32,
}

// SAFETY: plain numbers.
unsafe impl DeviceRepr for State {}
// SAFETY: all of them may be zero.
unsafe impl ValidAsZeroBits for State {}

impl Cuda {
    /// A backend for this problem on a card, for as many of `count` runs at a time as its memory holds. `fused` says whether passes of
    /// our own may be used instead of cuFFT; where they cannot be, cuFFT is, and the other way round.
    ///
    /// # Errors
    /// Why the card cannot be used, with what would fit if it is too small.
    pub fn new(
        problem: Arc<Problem>,
        recipe: &Recipe,
        ordinal: usize,
        count: usize,
        fused: bool,
    ) -> Result<Cuda, Unusable> {
        let card = Card::open(ordinal)?;
        let shape = problem.shape();
        let n = problem.len();
        if n as u64 >= u64::from(u32::MAX) {
            return Err("the array has more than 2^32 pixels: rebin or crop it".into());
        }
        let needs = Needs::of(recipe);
        let passes = if fused { Passes::new(&card, shape)? } else { None };
        // cuFFT works on a copy of the arrays at most.
        let each = needs.bytes() + if passes.is_some() { 0 } else { 8 };
        let lanes = room::size_for(ordinal, card.free, n, each, count)?;
        let transform = match passes {
            Some(passes) => Transform::Passes(passes),
            None if !has_cufft() => {
                let why = "cuFFT (libcufft) was not found, and the extents have prime factors above 13 or are too long for the kernels";
                return Err(why.into());
            }
            None => match Library::new(&card, shape, lanes)? {
                Some(library) => Transform::Library(library),
                None => return Err(format!("cuFFT has no room for {lanes} transforms").into()),
            },
        };
        Ok(Self::with(problem, card, transform, lanes, needs)?)
    }

    fn with(
        problem: Arc<Problem>,
        card: Card,
        transform: Transform,
        lanes: usize,
        needs: Needs,
    ) -> Result<Cuda, DriverError> {
        let n = problem.len();
        let order = transform.order(problem.shape());
        let mut entries = vec![0u32; n];
        let mut table: Vec<[f32; 2]> = Vec::new();
        for index in 0..n {
            let bound = problem.bounds.at(index);
            entries[order.place(index)] = match bound.place() {
                Some(_) => {
                    table.push(problem.bounds.interval(bound));
                    Bound::SIGN | (table.len() - 1) as u32
                }
                None if bound.is_measured() => bound.modulus().to_bits(),
                None => u32::MAX,
            };
        }
        table.push([0.0; 2]);
        let mut places: Vec<u32> = problem.held_out.iter().map(|&(index, _)| order.place(index) as u32).collect();
        let mut observed: Vec<f32> = problem.held_out.iter().map(|&(_, intensity)| intensity).collect();
        if places.is_empty() {
            // No array may be empty.
            (places, observed) = (vec![0], vec![0.0]);
        }
        let stream = card.stream.clone();
        let zeros = |number: usize| stream.alloc_zeros::<Complex>(number * lanes);
        let rows = transform::rows_of_sums(n);
        Ok(Cuda {
            lanes,
            active: 0,
            gaps: GapConstraint::default(),
            object: zeros(n)?,
            values: zeros(n)?,
            support: stream.alloc_zeros(n * lanes)?,
            density: stream.alloc_zeros(n * lanes)?,
            entries: stream.clone_htod(&entries)?,
            table: stream.clone_htod(&table)?,
            held_places: stream.clone_htod(&places)?,
            held_observed: stream.clone_htod(&observed)?,
            states: stream.alloc_zeros(lanes)?,
            sums: stream.alloc_zeros(rows * lanes * MOST_SUMS)?,
            fits: stream.alloc_zeros(lanes * MOST_SUMS)?,
            free: stream.alloc_zeros(lanes)?,
            counts: stream.alloc_zeros(256 * lanes)?,
            thresholds: stream.alloc_zeros(lanes)?,
            halves: stream.alloc_zeros(support::HALF_SUMS * lanes)?,
            second: if needs.difference_map { Some(zeros(n)?) } else { None },
            gradient: if needs.gradients { Some(Gradient::new(&card, n * lanes, lanes)?) } else { None },
            graphs: HashMap::new(),
            questions: VecDeque::new(),
            spare: Vec::new(),
            dense: false,
            failure: None,
            problem,
            card,
            transform,
        })
    }

    /// How transforms are done, in words.
    pub fn transforms(&self) -> &'static str {
        self.transform.name()
    }

    /// Waits until everything that was queued is done.
    ///
    /// # Errors
    /// If the card failed.
    pub fn wait(&self) -> Result<()> {
        self.check()?;
        self.card.stream.synchronize().map_err(|error| failed(&error))
    }

    /// For benchmarks: queues forward and inverse transforms alone, so many times. Only with cuFFT.
    pub fn bare_transforms(&mut self, times: usize) {
        self.queue(|this| match &this.transform {
            Transform::Library(library) => (0..times).try_for_each(|_| library.bare(this.at(&this.values))),
            Transform::Passes(_) => Ok(()),
        });
    }

    /// For benchmarks: queues copies of the objects to another array of their size, so many times, and says how many bytes each reads
    /// and writes.
    pub fn copies(&mut self, times: usize) -> u64 {
        self.queue(|this| {
            let stream = this.card.stream.clone();
            (0..times).try_for_each(|_| stream.memcpy_dtod(&this.object, &mut this.values))
        });
        2 * self.object.num_bytes() as u64
    }

    /// For benchmarks: bytes of the card's memory that were taken since this backend was made, by it and whatever else uses the card.
    ///
    /// # Errors
    /// If the card failed.
    pub fn taken(&self) -> Result<u64> {
        self.card.taken().map_err(|error| failed(&error))
    }

    /// Bytes of the card's memory that are taken by this backend's arrays.
    fn bytes(&self) -> u64 {
        let needs = Needs { difference_map: self.second.is_some(), gradients: self.gradient.is_some() };
        self.problem.len() as u64 * (SHARED + needs.bytes() * self.lanes as u64)
    }

    fn len(&self) -> usize {
        self.problem.len()
    }

    fn at<T>(&self, array: &CudaSlice<T>) -> Address {
        array.device_ptr(&self.card.stream).0
    }

    fn arrays(&self) -> Arrays {
        Arrays {
            values: self.at(&self.values),
            object: self.at(&self.object),
            support: self.at(&self.support),
            second: self.second.as_ref().map_or(0, |second| self.at(second)),
            density: self.at(&self.density),
            states: self.at(&self.states),
        }
    }

    fn scale(&self) -> f32 {
        (1.0 / (self.len() as f64).sqrt()) as f32
    }

    fn projection(&self) -> Option<(Bounds, Projection)> {
        let bounds = Bounds { entries: self.at(&self.entries), table: self.at(&self.table) };
        let GapConstraint { released, leak } = self.gaps;
        Some((bounds, Projection { scale: self.scale(), leak, released: released.into() }))
    }

    /// Queues something, unless something failed before.
    fn queue(&mut self, work: impl FnOnce(&mut Self) -> Result<(), DriverError>) {
        if self.failure.is_none() {
            self.failure = work(self).err();
        }
    }

    fn check(&self) -> Result<()> {
        self.failure.as_ref().map_or(Ok(()), |error| Err(failed(error)))
    }

    fn pass(&self, arrays: Arrays, what: ObjectWork, rule: RuleNumbers) -> Result<(), DriverError> {
        self.transform.object(&self.card, self.active, arrays, what, rule)
    }

    fn project(&self, values: Address) -> Result<(), DriverError> {
        self.transform.fourier(&self.card, self.active, values, [true, true], self.projection())
    }

    /// `n` cycles of a rule: in between, objects are only where a pass has them.
    fn rule(&self, rule: &Rule, n: usize) -> Result<(), DriverError> {
        let numbers = RuleNumbers::new(rule, self.problem.real);
        let arrays = self.arrays();
        let fresh = rule.needs_no_object();
        self.pass(arrays, ObjectWork::new(From::Load, Then::Nothing).leaving(), numbers)?;
        for cycle in 1..=n {
            self.project(arrays.values)?;
            let last = cycle == n;
            let what = ObjectWork {
                leave: (!last).into(),
                keep: (last || !fresh).into(),
                fresh: fresh.into(),
                ..ObjectWork::new(From::Arrive, Then::Apply)
            };
            self.pass(arrays, what, numbers)?;
        }
        Ok(())
    }

    /// See [`super::cpu::Cpu`].
    fn difference_map(&self, beta: f32, positivity: bool, n: usize) -> Result<(), DriverError> {
        let arrays = self.arrays();
        let rule = RuleNumbers::default();
        let work = |from, then| ObjectWork {
            positivity: positivity.into(),
            real: self.problem.real.into(),
            keep: 1,
            beta,
            ..ObjectWork::new(from, then)
        };
        for _ in 0..n {
            self.pass(arrays, work(From::Relax, Then::Nothing).leaving(), rule)?;
            self.project(arrays.values)?;
            self.pass(Arrays { object: arrays.second, ..arrays }, work(From::Arrive, Then::Store), rule)?;
            self.pass(arrays, work(From::Load, Then::Nothing).leaving(), rule)?;
            self.project(arrays.values)?;
            self.pass(arrays, work(From::Arrive, Then::Differ), rule)?;
        }
        Ok(())
    }

    /// The density of the modulus projections, into `density`.
    fn find_density(&self, positivity: bool) -> Result<(), DriverError> {
        let arrays = self.arrays();
        let rule = RuleNumbers::default();
        self.pass(arrays, ObjectWork::new(From::Load, Then::Nothing).leaving(), rule)?;
        self.project(arrays.values)?;
        let what = ObjectWork {
            positivity: positivity.into(),
            real: self.problem.real.into(),
            ..ObjectWork::new(From::Arrive, Then::Density)
        };
        self.pass(arrays, what, rule)
    }

    fn begin(&mut self, starts: &[Start]) -> Result<(), DriverError> {
        let n = self.len();
        let stream = self.card.stream.clone();
        let mut states = vec![State::default(); self.lanes];
        for (run, start) in starts.iter().enumerate() {
            let object: &[Complex] = bytemuck::cast_slice(start.object.as_slice());
            stream.memcpy_htod(object, &mut self.object.slice_mut(run * n..(run + 1) * n))?;
            let support: Vec<u8> = start.support.as_slice().iter().map(|&inside| inside.into()).collect();
            stream.memcpy_htod(&support, &mut self.support.slice_mut(run * n..(run + 1) * n))?;
            let count = support.iter().filter(|&&inside| inside > 0).count();
            states[run] = State {
                count: count as u32,
                rms: (self.problem.photons / count.max(1) as f64).sqrt() as f32,
                alive: 1,
                ..State::default()
            };
        }
        stream.memcpy_htod(&states, &mut self.states)?;
        // What was copied from lives only until here.
        stream.synchronize()
    }

    fn end(&mut self, run: usize) -> Result<Finished, DriverError> {
        let n = self.len();
        if !self.dense {
            self.find_density(false)?;
            self.dense = true;
        }
        let stream = &self.card.stream;
        let part = run * n..(run + 1) * n;
        let object: Vec<Complex> = stream.clone_dtoh(&self.object.slice(part.clone()))?;
        let support: Vec<u8> = stream.clone_dtoh(&self.support.slice(part.clone()))?;
        let density = stream.clone_dtoh(&self.density.slice(part))?;
        stream.synchronize()?;
        let shape = self.problem.shape();
        let object: Vec<Complex32> = object.into_iter().map(|[re, im]| Complex32::new(re, im)).collect();
        let support = support.into_iter().map(|inside| inside > 0).collect();
        Ok(Finished {
            object: Cornered(Array3::from_shape_vec(shape, object).expect("the problem's shape")),
            support: Cornered(Array3::from_shape_vec(shape, support).expect("the problem's shape")),
            density,
        })
    }
}

impl Backend for Cuda {
    fn batch_size(&self) -> usize {
        self.lanes
    }

    fn start(&mut self, starts: &[Start]) {
        self.active = starts.len();
        self.gaps = GapConstraint::default();
        self.spare.extend(self.questions.drain(..));
        self.dense = false;
        self.queue(|this| this.begin(starts));
    }

    fn cycles(&mut self, cycle: Cycle, n: usize) {
        if n == 0 {
            return;
        }
        self.dense = false;
        let GapConstraint { released, leak } = self.gaps;
        let mut numbers = vec![leak.to_bits(), released.into()];
        match cycle {
            Cycle::Rule(rule) => {
                numbers.extend([rule.inside, rule.outside].as_flattened().iter().map(|v| v.to_bits()));
                if let Some(decision) = rule.decision {
                    numbers.extend([decision.weights[0], decision.weights[1], decision.threshold].map(f32::to_bits));
                }
                let key = Key { numbers, cycles: n, runs: self.active };
                self.queue(|this| this.repeated(key, |this| this.rule(&rule, n)));
            }
            Cycle::DifferenceMap { beta, positivity } => {
                numbers.extend([beta.to_bits(), positivity.into()]);
                let key = Key { numbers, cycles: n, runs: self.active };
                self.queue(|this| this.repeated(key, |this| this.difference_map(beta, positivity, n)));
            }
        }
    }

    fn conjugate_gradients(&mut self, n: usize) {
        self.dense = false;
        self.queue(|this| this.descend(n));
    }

    fn update_supports(&mut self, rule: &SupportRule, thresholds: &[f32]) {
        assert_eq!(thresholds.len(), self.active, "one threshold for each run");
        self.dense = false;
        self.queue(|this| this.update(rule, thresholds));
    }

    fn halve_supports(&mut self) {
        self.queue(|this| this.halve());
    }

    fn restore_supports(&mut self) {
        self.queue(|this| this.unhalve());
    }

    fn set_gap_constraint(&mut self, gaps: GapConstraint) {
        self.dense = false;
        self.gaps = gaps;
    }

    fn request_fit(&mut self) {
        self.queue(Self::ask);
    }

    fn collect_fits(&mut self) -> Result<Vec<Option<Fit>>> {
        self.check()?;
        let Some(question) = self.questions.pop_front() else { return Ok(Vec::new()) };
        let fits = self.answer(&question).map_err(|error| failed(&error))?;
        self.spare.push(question);
        Ok(fits)
    }

    fn finish(&mut self, run: usize) -> Result<Finished> {
        self.check()?;
        self.end(run).map_err(|error| failed(&error))
    }

    fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// In one line, for people.
impl std::fmt::Display for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "GPU {}: {} at a time by {}, {} of its memory",
            self.card.ordinal,
            if self.lanes == 1 { "one run".into() } else { format!("{} runs", self.lanes) },
            self.transforms(),
            bytes_text(self.bytes())
        )
    }
}
