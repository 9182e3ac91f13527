// What a cycle does to one pixel. Used by the passes that transform and by the kernels that do not,
// so that both agree.
#pragma once
#include "device.cuh"

// Bounds of a pixel's modulus in four bytes, as src/phasing/bound.rs packs them: a measured modulus
// as it is, or with the sign bit the place of an interval in a table, or FREE.
#define SIGN 0x80000000u
#define FREE 0xffffffffu

__device__ __forceinline__ bool measured(unsigned int bound) { return bound < SIGN; }

// How pixels without measurement are treated, and what scales values between transforms that were
// left unscaled.
struct Projection {
    float scale;    // values times this are square roots of photons
    float leak;     // free moduli are multiplied by this
    int released;   // whether estimates are ignored
};
LAID_OUT(Projection, 12);
PLACED(Projection, leak, 4);
PLACED(Projection, released, 8);

// The nearest value whose modulus the bounds allow, times the square of the scale: a cycle
// transforms twice. A zero has no phase and becomes the least modulus.
// What is compared with the bounds is the root of `intensity`, the value's own or a blurred one.
__device__ __forceinline__ float2 nearest(float2 value, float intensity, unsigned int bound, const float2* __restrict__ table, Projection p) {
    if (bound == FREE || (p.released && !measured(bound))) return scaled(value, p.leak * p.scale * p.scale);
    float lo, hi;
    if (measured(bound)) {
        lo = hi = __uint_as_float(bound);
    } else {
        const float2 interval = __ldg(&table[bound ^ SIGN]);
        lo = interval.x;
        hi = interval.y;
    }
    const float modulus = sqrtf(intensity);
    if (!(modulus > 0.0f)) return make_float2(lo * p.scale, 0.0f);
    return scaled(value, fminf(fmaxf(modulus * p.scale, lo), hi) * p.scale / modulus);
}

// O' = a P + b O with one pair of numbers inside the support and one outside: src/phasing/rules.rs.
struct RuleNumbers {
    float inside[2], outside[2];
    // A pixel of the support counts as inside where weights . (P, O) >= threshold * rms, if
    // decides.
    float weights[2];
    float threshold;
    int decides;
    int real;       // whether the imaginary part of P is dropped
};
LAID_OUT(RuleNumbers, 36);
PLACED(RuleNumbers, outside, 8);
PLACED(RuleNumbers, weights, 16);
PLACED(RuleNumbers, threshold, 24);
PLACED(RuleNumbers, decides, 28);
PLACED(RuleNumbers, real, 32);

__device__ __forceinline__ float2 ruled(float2 p, float2 o, bool inside, RuleNumbers rule, float rms) {
    if (rule.decides) inside = inside && rule.weights[0] * p.x + rule.weights[1] * o.x >= rule.threshold * rms;
    const float a = inside ? rule.inside[0] : rule.outside[0], b = inside ? rule.inside[1] : rule.outside[1];
    const float imaginary = rule.real ? 0.0f : p.y;
    return make_float2(fmaf(p.x, a, o.x * b), fmaf(imaginary, a, o.y * b));
}

// The difference map with gammas 1/beta (g) and -1/beta. Its first step: f_S(O), which the second
// modulus projection takes.
__device__ __forceinline__ bool kept(float2 value, bool inside, bool positive) { return inside && (!positive || value.x >= 0.0f); }
__device__ __forceinline__ float2 relaxed(float2 o, bool inside, bool positive, float g) {
    return kept(o, inside, positive) ? o : scaled(o, g);
}
// Its last step, with both projections p = P_M(O) and q = P_M(f_S(O)).
__device__ __forceinline__ float2 differed(float2 o, float2 p, float2 q, bool inside, bool positive, float g, float beta) {
    const float2 reflected = minus(scaled(p, 1.0f + g), scaled(o, g));
    const float2 first = kept(reflected, inside, positive) ? reflected : make_float2(0.0f, 0.0f);
    return plus(o, scaled(minus(first, q), beta));
}

// The density that support updates look at.
__device__ __forceinline__ float density_of(float2 p, int positivity, int real) {
    return positivity ? fmaxf(p.x, 0.0f) : real ? fabsf(p.x) : sqrtf(squared(p));
}

// What the fit of a calculated to a measured pattern is made of: sums over measured pixels of
// |F| m, |F|^2, o, o ln(o / |F|^2), 1.
#define FIT_SUMS 5
// Smallest calculated intensity in a likelihood, photons: keeps the logarithm finite.
#define FLOOR 1e-8

// `f` is the calculated intensity, |F|^2 or what a blur makes of it.
__device__ __forceinline__ void add_to_fit(double* sums, double f, unsigned int bound) {
    const double modulus = __uint_as_float(bound), o = modulus * modulus;
    sums[0] += sqrt(f) * modulus;
    sums[1] += f;
    sums[2] += o;
    if (o > 0.0) sums[3] += o * log(o / fmax(f, FLOOR));
    sums[4] += 1.0;
}

// The source of the values of a pass in object space.
#define SOURCE_FOURIER 0            // what a pass in Fourier space left
#define SOURCE_OBJECT 1             // `object`, scaled
#define SOURCE_CUT_OBJECT 2         // the same inside the support, zero outside
#define SOURCE_RELAXED_OBJECT 3     // the first step of the difference map
// The output of the pass.
#define OUTPUT_VALUES 0             // nothing but the values themselves
#define OUTPUT_RULE 1               // the rule's new object; it is written if `keep`
#define OUTPUT_OBJECT 2             // scaled, to `object`; only inside the support unless `keep`
#define OUTPUT_DENSITY 3            // the density of the values
#define OUTPUT_DIFFERENCE_MAP 4     // its last step, with the other projection in `second`

// As in src/phasing/cuda/layout.rs.
struct ObjectWork {
    int source, output;
    int forward;            // whether the values go on to Fourier space
    int keep, fresh;        // whether the new object is written; whether the rule needs no old one
    int positivity, real;
    float taken, stored;    // factors on what is taken from `object`, and on what is stored there
    float beta;
};
LAID_OUT(ObjectWork, 40);
PLACED(ObjectWork, output, 4);
PLACED(ObjectWork, forward, 8);
PLACED(ObjectWork, keep, 12);
PLACED(ObjectWork, fresh, 16);
PLACED(ObjectWork, positivity, 20);
PLACED(ObjectWork, real, 24);
PLACED(ObjectWork, taken, 28);
PLACED(ObjectWork, stored, 32);
PLACED(ObjectWork, beta, 36);

// The arrays of a pass in object space, from the first pixel that is meant by `at`.
struct ObjectArrays {
    float2* object;
    const unsigned char* support;
    const float2* second;
    float* density;
};

__device__ __forceinline__ float2 read_source(const ObjectArrays& a, const ObjectWork& work, index_t at) {
    if (work.source == SOURCE_CUT_OBJECT) return a.support[at] ? scaled(a.object[at], work.taken) : make_float2(0.0f, 0.0f);
    if (work.source == SOURCE_RELAXED_OBJECT) return relaxed(a.object[at], a.support[at], work.positivity, 1.0f / fmaxf(work.beta, 1e-3f));
    return scaled(a.object[at], work.taken);
}

__device__ __forceinline__ void write_output(const ObjectArrays& a, const ObjectWork& work, const RuleNumbers& rule, float rms, index_t at, float2& v) {
    if (work.output == OUTPUT_RULE) {
        const float2 o = work.fresh ? make_float2(0.0f, 0.0f) : a.object[at];
        v = ruled(v, o, a.support[at], rule, rms);
        if (work.keep) a.object[at] = v;
    } else if (work.output == OUTPUT_OBJECT) {
        if (work.real) v.y = 0.0f;
        a.object[at] = work.keep || a.support[at] ? scaled(v, work.stored) : make_float2(0.0f, 0.0f);
    } else if (work.output == OUTPUT_DENSITY) {
        a.density[at] = density_of(v, work.positivity, work.real);
    } else if (work.output == OUTPUT_DIFFERENCE_MAP) {
        if (work.real) v.y = 0.0f;
        a.object[at] = differed(a.object[at], v, a.second[at], a.support[at], work.positivity, 1.0f / fmaxf(work.beta, 1e-3f), work.beta);
    }
}

// The work of `fourier_points`.
#define PROJECT 1
#define FIT 2
