// The blur of calculated intensities: src/phasing/psf.rs says what is done and why. blockIdx.y is
// the run.
#include "pixel.cuh"

#define EACH(i, n) for (index_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// Weights that a run has for each axis, as in src/psf.rs; those beyond its kernel are zero.
#define WEIGHTS 13

// What is blurred.
#define OWN 0           // |field|^2
#define PRODUCT 1       // Re(conj(field) step)
#define STEP 2          // |step|^2

extern "C" __global__ void __launch_bounds__(THREADS)
intensities(const float2* __restrict__ field, const float2* __restrict__ step, float* __restrict__ to, index_t n, int what) {
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) {
        if (what == OWN) {
            to[offset + i] = squared(field[offset + i]);
        } else if (what == STEP) {
            to[offset + i] = squared(step[offset + i]);
        } else {
            const float2 f = field[offset + i], d = step[offset + i];
            to[offset + i] = fmaf(f.x, d.x, f.y * d.y);
        }
    }
}

// A periodic convolution along one axis, of `length` pixels `stride` apart: the frequency at each
// place of the axis is in `frequencies`, and the place of each frequency in `places`.
extern "C" __global__ void __launch_bounds__(THREADS)
blur_along(const float* __restrict__ from, float* __restrict__ to, const float* __restrict__ weights, const index_t* __restrict__ frequencies,
           const index_t* __restrict__ places, index_t n, index_t length, index_t stride, int axis, int reach) {
    const float* own = weights + (blockIdx.y * 3 + axis) * WEIGHTS;
    from += (size_t)blockIdx.y * n;
    to += (size_t)blockIdx.y * n;
    EACH(i, n) {
        const index_t place = i / stride % length, base = i - place * stride;
        float sum = __ldg(&own[0]) * from[i];
        index_t before = __ldg(&frequencies[place]), after = before;
        for (int k = 1; k <= reach; k++) {
            before = before == 0 ? length - 1 : before - 1;
            after = after + 1 == length ? 0 : after + 1;
            const float both = from[base + __ldg(&places[before]) * stride] + from[base + __ldg(&places[after]) * stride];
            sum = fmaf(__ldg(&own[k]), both, sum);
        }
        to[i] = sum;
    }
}

// Of one run: the sums of the intensities at a distance of 0, 1, .. `reach` on either side of some
// pixels along an axis, one list of `number` a distance; at distance 0 the intensities themselves.
extern "C" __global__ void __launch_bounds__(THREADS)
neighbour_sums(const float* __restrict__ sharp, const index_t* __restrict__ pixels, float* __restrict__ sums,
               const index_t* __restrict__ frequencies, const index_t* __restrict__ places, index_t number, index_t length, index_t stride,
               int reach) {
    EACH(k, number) {
        const index_t i = pixels[k], place = i / stride % length, base = i - place * stride;
        sums[k] = sharp[i];
        index_t before = frequencies[place], after = before;
        for (int distance = 1; distance <= reach; distance++) {
            before = before == 0 ? length - 1 : before - 1;
            after = after + 1 == length ? 0 : after + 1;
            sums[(size_t)distance * number + k] = sharp[base + places[before] * stride] + sharp[base + places[after] * stride];
        }
    }
}
