//! The kernels of `kernels/`, each with the names and types of its arguments.

use super::axis::AxisPlan;
use super::layout::{
    ColumnWork, Complex, FourierWork, Intensities, LineSearch, ObjectWork, Parabola, Pointer, Projection, RuleNumbers,
    RunState,
};
use cudarc::driver::{DeviceRepr, LaunchArgs, PushKernelArg};
use std::marker::PhantomData;

/// A kernel that takes the arguments `A`, a tuple in the order of its declaration.
pub struct Kernel<A> {
    /// Name in the sources.
    pub name: &'static str,
    arguments: PhantomData<fn(A)>,
}

impl<A> Kernel<A> {
    const fn new(name: &'static str) -> Self {
        Kernel { name, arguments: PhantomData }
    }
}

/// Arguments of a kernel.
pub trait Arguments {
    /// Appends them to a call.
    fn push<'a>(&'a self, call: &mut LaunchArgs<'a>);
}

macro_rules! arguments {
    ($($place:tt $argument:ident),+) => {
        impl<$($argument: DeviceRepr),+> Arguments for ($($argument,)+) {
            fn push<'a>(&'a self, call: &mut LaunchArgs<'a>) {
                $(call.arg(&self.$place);)+
            }
        }
    };
}

arguments!(0 A);
arguments!(0 A, 1 B);
arguments!(0 A, 1 B, 2 C);
arguments!(0 A, 1 B, 2 C, 3 D);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I, 9 J);
arguments!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H, 8 I, 9 J, 10 K, 11 L, 12 M);

type Values = Pointer<Complex>;
type Mask = Pointer<u8>;
type States = Pointer<RunState>;
type Searches = Pointer<LineSearch>;
type Table = Pointer<[f32; 2]>;

/// Declares kernels: a constant for each, its name in the sources, and its arguments in order.
macro_rules! kernels {
    ($($constant:ident = $name:ident($($argument:ident: $kind:ty),+);)+) => {
        $(pub const $constant: Kernel<($($kind,)+)> = Kernel::new(stringify!($name));)+
    };
}

// kernels/passes.cu
kernels! {
    ROWS = rows(
        values: Values, object: Values, support: Mask, second: Values, density: Pointer<f32>, twiddles: Table,
        states: States, plan: AxisPlan, lines: u32, per_run: u32, together: u32, work: ObjectWork, rule: RuleNumbers
    );
    COLUMNS = columns(
        values: Values, bounds: Pointer<u32>, table: Table, twiddles: Table, plan: AxisPlan, inner: u32, slabs: u32,
        together: u32, work: ColumnWork, projection: Projection
    );
}

// kernels/points.cu
kernels! {
    OBJECT_POINTS = object_points(
        values: Values, object: Values, support: Mask, second: Values, density: Pointer<f32>, states: States, n: u32,
        work: ObjectWork, rule: RuleNumbers
    );
    FOURIER_POINTS = fourier_points(
        values: Values, blurred: Pointer<f32>, bounds: Pointer<u32>, table: Table, sums: Pointer<f64>, n: u32, work: FourierWork,
        projection: Projection
    );
    ADD_UP = add_up(sums: Pointer<f64>, totals: Pointer<f64>, rows: u32, width: u32);
    FREE_LIKELIHOOD = free_likelihood(
        values: Values, blurred: Pointer<f32>, places: Pointer<u32>, observed: Pointer<f32>, fits: Pointer<f64>, sums: Pointer<f64>, n: u32,
        number: u32
    );
}

// kernels/support.cu
kernels! {
    BLUR = blur(
        from: Pointer<f32>, to: Pointer<f32>, n: u32, length: u32, stride: u32, reach: i32, sigma: f32, total: f32
    );
    REFERENCE_SUMS = reference_sums(density: Pointer<f32>, support: Mask, sums: Pointer<f64>, n: u32);
    SET_CUT = set_cut(sums: Pointer<f64>, states: States, thresholds: Pointer<f32>, rows: u32, reference: i32);
    COUNT_KEPT = count_kept(density: Pointer<f32>, support: Mask, states: States, n: u32, only_shrink: i32);
    CHECK_LIMITS = check_limits(states: States, limits: Pointer<u32>);
    HISTOGRAM = histogram(
        density: Pointer<f32>, support: Mask, states: States, counts: Pointer<u32>, n: u32, only_shrink: i32, shift: i32
    );
    PICK_BITS = pick_bits(states: States, counts: Pointer<u32>, shift: i32);
    ABOVE_CUT = above_cut(density: Pointer<f32>, support: Mask, states: States, mask: Mask, n: u32, only_shrink: i32);
    GROW = grow(from: Mask, to: Mask, nz: u32, ny: u32, nx: u32, expand: i32);
    KEEP_BORDER = keep_border(mask: Mask, inner: Mask, outer: Mask, n: u32);
    COUNT_MASK = count_mask(mask: Mask, states: States, n: u32);
    CLEAR_KEPT = clear_kept(states: States);
    TAKE_MASK = take_mask(mask: Mask, support: Mask, states: States, n: u32);
    TAKE_COUNT = take_count(states: States, photons: f64);
    HALF_SUMS = half_sums(support: Mask, sums: Pointer<u64>, nz: u32, ny: u32, nx: u32);
    HALVE = halve(support: Mask, whole: Mask, sums: Pointer<u64>, nz: u32, ny: u32, nx: u32);
}

// kernels/gradient.cu
kernels! {
    EXCESS = excess(
        blurred: Pointer<f32>, to: Pointer<f32>, bounds: Pointer<u32>, table: Table, n: u32, released: i32
    );
    GRADIENT = gradient(
        field: Values, spread: Pointer<f32>, to: Values, bounds: Pointer<u32>, table: Table, n: u32, released: i32
    );
    TURN_SUMS = turn_sums(now: Values, before: Values, sums: Pointer<f64>, n: u32);
    SET_TURN = set_turn(totals: Pointer<f64>, searches: Searches, first: i32);
    TURN = turn(now: Values, direction: Values, searches: Searches, n: u32, first: i32);
    SLOPE_SUMS = slope_sums(
        field: Values, step: Values, blurred: Parabola, bounds: Pointer<u32>, table: Table, sums: Pointer<f64>, n: u32, released: i32
    );
    SET_LENGTH = set_length(totals: Pointer<f64>, searches: Searches);
    LIKELIHOODS = likelihoods(
        field: Values, step: Values, blurred: Parabola, bounds: Pointer<u32>, table: Table, searches: Searches, sums: Pointer<f64>,
        n: u32, released: i32
    );
    CHOOSE_LENGTH = choose_length(totals: Pointer<f64>, searches: Searches);
    ADVANCE = advance(object: Values, field: Values, direction: Values, step: Values, searches: Searches, n: u32);
}

// kernels/psf.cu
kernels! {
    INTENSITIES = intensities(field: Values, step: Values, to: Pointer<f32>, n: u32, what: Intensities);
    BLUR_ALONG = blur_along(
        from: Pointer<f32>, to: Pointer<f32>, weights: Pointer<f32>, frequencies: Pointer<u32>, places: Pointer<u32>,
        n: u32, length: u32, stride: u32, axis: i32, reach: i32
    );
    NEIGHBOUR_SUMS = neighbour_sums(
        sharp: Pointer<f32>, pixels: Pointer<u32>, sums: Pointer<f32>, frequencies: Pointer<u32>, places: Pointer<u32>,
        number: u32, length: u32, stride: u32, reach: i32
    );
}

/// The kernels for compute capability 7.0, which the driver translates for the GPU that is there,
/// and the names of each source's. `tools/kernels.py` writes them.
pub const SOURCES: [(&str, &[&str]); 5] = [
    (include_str!("../../../kernels/ptx/passes.ptx"), &[ROWS.name, COLUMNS.name]),
    (
        include_str!("../../../kernels/ptx/points.ptx"),
        &[OBJECT_POINTS.name, FOURIER_POINTS.name, ADD_UP.name, FREE_LIKELIHOOD.name],
    ),
    (
        include_str!("../../../kernels/ptx/support.ptx"),
        &[
            BLUR.name,
            REFERENCE_SUMS.name,
            SET_CUT.name,
            COUNT_KEPT.name,
            CHECK_LIMITS.name,
            HISTOGRAM.name,
            PICK_BITS.name,
            ABOVE_CUT.name,
            GROW.name,
            KEEP_BORDER.name,
            COUNT_MASK.name,
            CLEAR_KEPT.name,
            TAKE_MASK.name,
            TAKE_COUNT.name,
            HALF_SUMS.name,
            HALVE.name,
        ],
    ),
    (
        include_str!("../../../kernels/ptx/gradient.ptx"),
        &[
            EXCESS.name,
            GRADIENT.name,
            TURN_SUMS.name,
            SET_TURN.name,
            TURN.name,
            SLOPE_SUMS.name,
            SET_LENGTH.name,
            LIKELIHOODS.name,
            CHOOSE_LENGTH.name,
            ADVANCE.name,
        ],
    ),
    (include_str!("../../../kernels/ptx/psf.ptx"), &[INTENSITIES.name, BLUR_ALONG.name, NEIGHBOUR_SUMS.name]),
];
