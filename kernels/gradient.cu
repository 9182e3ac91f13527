// Steps of Poisson maximum-likelihood conjugate gradients: src/phasing/cpu says what is done and
// why. What decides stays on the device. blockIdx.y is the run.
#include "pixel.cuh"

#define EACH(i, n) for (index_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// Lengths that are tried: the step itself, and halved up to seven times.
#define TRIES 8

// The line search of a run, as in src/phasing/cuda/layout.rs.
struct LineSearch {
    double old;         // |gradient|^2 of the step before
    float turn;         // how much of the direction before is kept
    float length;
    unsigned int stopped;
};
LAID_OUT(LineSearch, 24);
PLACED(LineSearch, turn, 8);
PLACED(LineSearch, length, 12);
PLACED(LineSearch, stopped, 16);

// The intensity that a calculated one should have: what is measured, the nearest that an interval
// allows, or the calculated one itself.
__device__ __forceinline__ float wanted(float power, unsigned int bound, const float2* __restrict__ table, int released) {
    if (bound == FREE || (released && !measured(bound))) return power;
    const float modulus = sqrtf(power);
    float nearest = modulus;
    if (measured(bound)) {
        nearest = __uint_as_float(bound);
    } else {
        const float2 interval = __ldg(&table[bound ^ SIGN]);
        nearest = fminf(fmaxf(modulus, interval.x), interval.y);
    }
    return nearest == modulus ? power : nearest * nearest;
}

__device__ __forceinline__ float power_of(float2 v) { return fmaxf(squared(v), (float)FLOOR); }

// What a blur makes of the intensity along a step D: the parabola |F|^2 + 2 l Re(F* D) + l^2 |D|^2,
// each coefficient blurred. Null where nothing is blurred.
struct Parabola {
    const float *constant, *slope, *curvature;
};
LAID_OUT(Parabola, 24);
PLACED(Parabola, slope, 8);
PLACED(Parabola, curvature, 16);

// By how much the calculated intensity should be larger, relative to it: to be blurred before it
// becomes a gradient.
extern "C" __global__ void __launch_bounds__(THREADS)
excess(const float* __restrict__ blurred, float* __restrict__ to, const unsigned int* __restrict__ bounds, const float2* __restrict__ table,
       index_t n, int released) {
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) {
        const float power = fmaxf(blurred[offset + i], (float)FLOOR);
        to[offset + i] = wanted(power, bounds[i], table, released) / power - 1.0f;
    }
}

// The gradient in Fourier space; `spread` is the blurred excess, or null.
extern "C" __global__ void __launch_bounds__(THREADS)
gradient(const float2* __restrict__ field, const float* __restrict__ spread, float2* __restrict__ to,
         const unsigned int* __restrict__ bounds, const float2* __restrict__ table, index_t n, int released) {
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) {
        const float2 v = field[offset + i];
        const float power = power_of(v);
        to[offset + i] = scaled(v, spread ? spread[offset + i] : wanted(power, bounds[i], table, released) / power - 1.0f);
    }
}

// |g|^2 and the product of g with the gradient of the step before.
extern "C" __global__ void __launch_bounds__(THREADS)
turn_sums(const float2* __restrict__ now, const float2* __restrict__ before, double* __restrict__ sums, index_t n) {
    __shared__ double scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    double length = 0.0, cross = 0.0;
    EACH(i, n) {
        const float2 a = now[offset + i], b = before[offset + i];
        length += squared(a);
        cross += fmaf(a.x, b.x, a.y * b.y);
    }
    length = block_sum(length, scratch);
    cross = block_sum(cross, scratch);
    if (threadIdx.x != 0) return;
    double* row = sums + ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * 2;
    row[0] = length;
    row[1] = cross;
}

// Polak and Ribiere. One thread a run.
extern "C" __global__ void set_turn(const double* __restrict__ totals, LineSearch* __restrict__ searches, int first) {
    LineSearch& search = searches[blockIdx.x];
    const double length = totals[blockIdx.x * 2], cross = totals[blockIdx.x * 2 + 1];
    if (first) search.stopped = 0;
    if (!(length > 0.0 && isfinite(length))) search.stopped = 1;
    search.turn = first ? 0.0f : (float)fmax((length - cross) / search.old, 0.0);
    search.old = length;
}

// The new direction.
extern "C" __global__ void __launch_bounds__(THREADS)
turn(const float2* __restrict__ now, float2* __restrict__ direction, const LineSearch* __restrict__ searches, index_t n, int first) {
    const size_t offset = (size_t)blockIdx.y * n;
    const float keep = searches[blockIdx.y].turn;
    EACH(i, n) {
        const float2 before = first ? make_float2(0.0f, 0.0f) : direction[offset + i];
        direction[offset + i] = plus(now[offset + i], scaled(before, keep));
    }
}

// Slope and curvature of the likelihood along the step, and a curvature that is never negative.
extern "C" __global__ void __launch_bounds__(THREADS)
slope_sums(const float2* __restrict__ field, const float2* __restrict__ step, Parabola blurred, const unsigned int* __restrict__ bounds,
           const float2* __restrict__ table, double* __restrict__ sums, index_t n, int released) {
    __shared__ double scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    double slope = 0.0, curvature = 0.0, safe = 0.0;
    EACH(i, n) {
        const float2 f = field[offset + i], d = step[offset + i];
        const float power = blurred.constant ? fmaxf(blurred.constant[offset + i], (float)FLOOR) : power_of(f);
        const float observed = wanted(power, bounds[i], table, released);
        if (observed == power) continue;
        const double along = 2.0 * (blurred.slope ? blurred.slope[offset + i] : fmaf(f.x, d.x, f.y * d.y));
        const double twice = 2.0 * (blurred.curvature ? blurred.curvature[offset + i] : squared(d));
        const double less = 1.0 - (double)observed / power, ratio = along / power;
        slope += along * less;
        curvature += twice * less + observed * ratio * ratio;
        safe += twice;
    }
    double* row = sums + ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * 3;
    slope = block_sum(slope, scratch);
    curvature = block_sum(curvature, scratch);
    safe = block_sum(safe, scratch);
    if (threadIdx.x != 0) return;
    row[0] = slope;
    row[1] = curvature;
    row[2] = safe;
}

// Newton's length. One thread a run.
extern "C" __global__ void set_length(const double* __restrict__ totals, LineSearch* __restrict__ searches) {
    const double* total = totals + blockIdx.x * 3;
    const double curvature = total[1] > 0.0 ? total[1] : total[2];
    LineSearch& search = searches[blockIdx.x];
    if (!(curvature > 0.0 && isfinite(curvature))) search.stopped = 1;
    search.length = search.stopped ? 0.0f : (float)(-total[0] / curvature);
}

// The likelihood where one stands, and after each length that is tried.
extern "C" __global__ void __launch_bounds__(THREADS)
likelihoods(const float2* __restrict__ field, const float2* __restrict__ step, Parabola blurred, const unsigned int* __restrict__ bounds,
            const float2* __restrict__ table, const LineSearch* __restrict__ searches, double* __restrict__ sums, index_t n, int released) {
    __shared__ double scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    const float longest = searches[blockIdx.y].length;
    double found[TRIES + 1] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    EACH(i, n) {
        const float2 f = field[offset + i], d = step[offset + i];
        const bool sharp = blurred.constant == nullptr;
        const float constant = sharp ? 0.0f : blurred.constant[offset + i], slope = sharp ? 0.0f : blurred.slope[offset + i];
        const float curvature = sharp ? 0.0f : blurred.curvature[offset + i];
        float length = longest;
#pragma unroll
        for (int k = 0; k <= TRIES; k++) {
            const float along = k == 0 ? 0.0f : length;
            const float power = sharp ? power_of(k == 0 ? f : plus(f, scaled(d, length)))
                                      : fmaxf(fmaf(along, 2.0f * slope + along * curvature, constant), (float)FLOOR);
            if (k > 0) length *= 0.5f;
            const float observed = wanted(power, bounds[i], table, released);
            if (observed == power) continue;
            const double c = power, o = observed;
            found[k] += o > 0.0 ? c - o + o * log(o / c) : c;
        }
    }
    double* row = sums + ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * (TRIES + 1);
#pragma unroll
    for (int k = 0; k <= TRIES; k++) {
        const double sum = block_sum(found[k], scratch);
        if (threadIdx.x == 0) row[k] = sum;
    }
}

// The longest of them that lowers the likelihood; if none does, the search is over. One thread a
// run.
extern "C" __global__ void choose_length(const double* __restrict__ totals, LineSearch* __restrict__ searches) {
    const double* total = totals + blockIdx.x * (TRIES + 1);
    LineSearch& search = searches[blockIdx.x];
    int k = 1;
    float length = search.length;
    // Written so that what is no number counts as worse.
    for (; k <= TRIES && !(total[k] < total[0]); k++) length *= 0.5f;
    if (k > TRIES) search.stopped = 1;
    search.length = search.stopped ? 0.0f : length;
}

// One step of the object and of its transform.
extern "C" __global__ void __launch_bounds__(THREADS)
advance(float2* __restrict__ object, float2* __restrict__ field, const float2* __restrict__ direction, const float2* __restrict__ step,
        const LineSearch* __restrict__ searches, index_t n) {
    if (searches[blockIdx.y].stopped) return;
    const size_t offset = (size_t)blockIdx.y * n;
    const float length = searches[blockIdx.y].length;
    EACH(i, n) {
        object[offset + i] = plus(object[offset + i], scaled(direction[offset + i], length));
        field[offset + i] = plus(field[offset + i], scaled(step[offset + i], length));
    }
}
