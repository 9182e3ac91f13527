// The work of `passes.cu` without the transforms, for lengths that a library transforms; and sums
// over what passes leave.
#include "pixel.cuh"

// Threads go over the pixels of a run; blockIdx.y is the run.
#define EACH(i, n) for (index_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

extern "C" __global__ void __launch_bounds__(THREADS)
object_points(float2* __restrict__ values, float2* __restrict__ object, const unsigned char* __restrict__ support,
              const float2* __restrict__ second, float* __restrict__ density, const RunState* __restrict__ states, index_t n, ObjectWork work,
              RuleNumbers rule) {
    const size_t offset = (size_t)blockIdx.y * n;
    const ObjectArrays arrays = {object + offset, support + offset, second + offset, density + offset};
    EACH(i, n) {
        float2 v = work.source == SOURCE_FOURIER ? values[offset + i] : read_source(arrays, work, i);
        write_output(arrays, work, rule, states[blockIdx.y].rms, i, v);
        if (work.forward) values[offset + i] = v;
    }
}

// `blurred` are intensities to be compared instead of the values' own, or null.
extern "C" __global__ void __launch_bounds__(THREADS)
fourier_points(float2* __restrict__ values, const float* __restrict__ blurred, const unsigned int* __restrict__ bounds,
               const float2* __restrict__ table, double* __restrict__ sums, index_t n, int work, Projection projection) {
    __shared__ double scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    double fit[FIT_SUMS] = {0.0, 0.0, 0.0, 0.0, 0.0};
    EACH(i, n) {
        const float2 v = values[offset + i];
        if (work == PROJECT) {
            values[offset + i] = nearest(v, blurred ? blurred[offset + i] : squared(v), bounds[i], table, projection);
        } else if (work == FIT && measured(bounds[i])) {
            add_to_fit(fit, blurred ? blurred[offset + i] : (double)v.x * v.x + (double)v.y * v.y, bounds[i]);
        }
    }
    if (work != FIT) return;
    for (int k = 0; k < FIT_SUMS; k++) {
        const double sum = block_sum(fit[k], scratch);
        if (threadIdx.x == 0) sums[((size_t)blockIdx.y * gridDim.x + blockIdx.x) * FIT_SUMS + k] = sum;
    }
}

// Adds up what the blocks of a run left: `rows` rows of `width` numbers for each run become one. A
// block a run.
extern "C" __global__ void __launch_bounds__(THREADS)
add_up(const double* __restrict__ sums, double* __restrict__ totals, unsigned int rows, unsigned int width) {
    __shared__ double scratch[THREADS];
    for (unsigned int k = 0; k < width; k++) {
        double sum = 0.0;
        for (unsigned int row = threadIdx.x; row < rows; row += blockDim.x) sum += sums[((size_t)blockIdx.x * rows + row) * width + k];
        sum = block_sum(sum, scratch);
        if (threadIdx.x == 0) totals[blockIdx.x * width + k] = sum;
    }
}

// The Poisson log-likelihood of the pixels that were held out, at the scale that fits the others
// best: `fits` are those sums.
extern "C" __global__ void __launch_bounds__(THREADS)
free_likelihood(const float2* __restrict__ values, const float* __restrict__ blurred, const index_t* __restrict__ places,
                const float* __restrict__ observed, const double* __restrict__ fits, double* __restrict__ sums, index_t n, unsigned int number) {
    __shared__ double scratch[THREADS];
    const double* fit = fits + blockIdx.y * FIT_SUMS;
    const double scale = fit[1] > 0.0 ? fit[0] / fit[1] : 1.0;
    double sum = 0.0;
    EACH(k, number) {
        const size_t place = (size_t)blockIdx.y * n + places[k];
        const double calculated = blurred ? blurred[place] : squared(values[place]);
        const double c = fmax(calculated * scale * scale, FLOOR), o = observed[k];
        sum += o > 0.0 ? c - o + o * log(o / c) : c;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}
