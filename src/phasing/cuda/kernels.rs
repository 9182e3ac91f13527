//! The kernels of `kernels/`, each with the types of its arguments.

use super::axis::AxisPlan;
use super::layout::{
    ColumnWork, Complex, FourierWork, LineSearch, ObjectWork, Pointer, Projection, RuleNumbers, RunState,
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
type Density = Pointer<f32>;
type States = Pointer<RunState>;
type Searches = Pointer<LineSearch>;
type Sums = Pointer<f64>;
type Entries = Pointer<u32>;
type Table = Pointer<[f32; 2]>;
type Twiddles = Pointer<[f32; 2]>;

// kernels/passes.cu
pub const ROWS: Kernel<(
    Values,
    Values,
    Mask,
    Values,
    Density,
    Twiddles,
    States,
    AxisPlan,
    u32,
    u32,
    u32,
    ObjectWork,
    RuleNumbers,
)> = Kernel::new("rows");
pub const COLUMNS: Kernel<(Values, Entries, Table, Twiddles, AxisPlan, u32, u32, u32, ColumnWork, Projection)> =
    Kernel::new("columns");

// kernels/points.cu
pub const OBJECT_POINTS: Kernel<(Values, Values, Mask, Values, Density, States, u32, ObjectWork, RuleNumbers)> =
    Kernel::new("object_points");
pub const FOURIER_POINTS: Kernel<(Values, Entries, Table, Sums, u32, FourierWork, Projection)> =
    Kernel::new("fourier_points");
pub const ADD_UP: Kernel<(Sums, Sums, u32, u32)> = Kernel::new("add_up");
pub const FREE_LIKELIHOOD: Kernel<(Values, Pointer<u32>, Pointer<f32>, Sums, Sums, u32, u32)> =
    Kernel::new("free_likelihood");

// kernels/support.cu
pub const BLUR: Kernel<(Density, Density, u32, u32, u32, i32, f32, f32)> = Kernel::new("blur");
pub const REFERENCE_SUMS: Kernel<(Density, Mask, Sums, u32)> = Kernel::new("reference_sums");
pub const SET_CUT: Kernel<(Sums, States, Pointer<f32>, u32, i32)> = Kernel::new("set_cut");
pub const COUNT_KEPT: Kernel<(Density, Mask, States, u32, i32)> = Kernel::new("count_kept");
pub const CHECK_LIMITS: Kernel<(States, u32, u32)> = Kernel::new("check_limits");
pub const HISTOGRAM: Kernel<(Density, Mask, States, Pointer<u32>, u32, i32, i32)> = Kernel::new("histogram");
pub const PICK_BITS: Kernel<(States, Pointer<u32>, i32)> = Kernel::new("pick_bits");
pub const ABOVE_CUT: Kernel<(Density, Mask, States, Mask, u32, i32)> = Kernel::new("above_cut");
pub const GROW: Kernel<(Mask, Mask, u32, u32, u32, i32)> = Kernel::new("grow");
pub const KEEP_BORDER: Kernel<(Mask, Mask, Mask, u32)> = Kernel::new("keep_border");
pub const COUNT_MASK: Kernel<(Mask, States, u32)> = Kernel::new("count_mask");
pub const CLEAR_KEPT: Kernel<(States,)> = Kernel::new("clear_kept");
pub const TAKE_MASK: Kernel<(Mask, Mask, States, u32)> = Kernel::new("take_mask");
pub const TAKE_COUNT: Kernel<(States, f64)> = Kernel::new("take_count");
pub const HALF_SUMS: Kernel<(Mask, Pointer<u64>, u32, u32, u32)> = Kernel::new("half_sums");
pub const HALVE: Kernel<(Mask, Mask, Pointer<u64>, u32, u32, u32)> = Kernel::new("halve");

// kernels/gradient.cu
pub const GRADIENT: Kernel<(Values, Values, Entries, Table, u32, i32)> = Kernel::new("gradient");
pub const TURN_SUMS: Kernel<(Values, Values, Sums, u32)> = Kernel::new("turn_sums");
pub const SET_TURN: Kernel<(Sums, Searches, i32)> = Kernel::new("set_turn");
pub const TURN: Kernel<(Values, Values, Searches, u32, i32)> = Kernel::new("turn");
pub const SLOPE_SUMS: Kernel<(Values, Values, Entries, Table, Sums, u32, i32)> = Kernel::new("slope_sums");
pub const SET_LENGTH: Kernel<(Sums, Searches)> = Kernel::new("set_length");
pub const LIKELIHOODS: Kernel<(Values, Values, Entries, Table, Searches, Sums, u32, i32)> = Kernel::new("likelihoods");
pub const CHOOSE_LENGTH: Kernel<(Sums, Searches)> = Kernel::new("choose_length");
pub const ADVANCE: Kernel<(Values, Values, Values, Values, Searches, u32)> = Kernel::new("advance");

/// The kernels for compute capability 7.0, which the driver translates for the GPU that is there,
/// and the names of each source's. `tools/kernels.py` writes them.
pub const SOURCES: [(&str, &[&str]); 4] = [
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
];
