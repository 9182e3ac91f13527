// The support update: src/phasing/support.rs says what is done and why. Nothing of it leaves the
// device: what decides is kept in the states of the runs. blockIdx.y is the run.
#include "device.cuh"

#define EACH(i, n) for (index_t i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// A periodic Gaussian blur along one axis, of `length` pixels `stride` apart, cut off after `reach`
// of them. `total` is the sum of the weights.
extern "C" __global__ void __launch_bounds__(THREADS)
blur(const float* __restrict__ from, float* __restrict__ to, index_t n, index_t length, index_t stride, int reach, float sigma, float total) {
    DYNAMIC_SHARED(float, weights);
    for (int k = threadIdx.x; k <= reach; k += blockDim.x) weights[k] = expf(-0.5f * (k / sigma) * (k / sigma)) / total;
    __syncthreads();
    from += (size_t)blockIdx.y * n;
    to += (size_t)blockIdx.y * n;
    EACH(i, n) {
        const index_t place = i / stride % length, base = i - place * stride;
        float sum = weights[0] * from[i];
        index_t before = place, after = place;
        for (int k = 1; k <= reach; k++) {
            before = before == 0 ? length - 1 : before - 1;
            after = after + 1 == length ? 0 : after + 1;
            sum = fmaf(weights[k], from[base + before * stride] + from[base + after * stride], sum);
        }
        to[i] = sum;
    }
}

// Sum, sum of squares, largest and number of the densities inside the support.
#define REFERENCE_SUMS 4
extern "C" __global__ void __launch_bounds__(THREADS)
reference_sums(const float* __restrict__ density, const unsigned char* __restrict__ support, double* __restrict__ sums, index_t n) {
    __shared__ double scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    double sum = 0.0, squares = 0.0, largest = 0.0, count = 0.0;
    EACH(i, n) {
        if (!support[offset + i]) continue;
        const double m = density[offset + i];
        sum += m;
        squares += m * m;
        largest = fmax(largest, m);
        count += 1.0;
    }
    double* row = sums + ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * REFERENCE_SUMS;
    sum = block_sum(sum, scratch);
    squares = block_sum(squares, scratch);
    count = block_sum(count, scratch);
    __syncthreads();
    scratch[threadIdx.x] = largest;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (unsigned int t = 1; t < blockDim.x; t++) largest = fmax(largest, scratch[t]);
    row[0] = sum;
    row[1] = squares;
    row[2] = largest;
    row[3] = count;
}

#define RMS 0
#define MEAN 1
#define MAX 2

// The cut, from the sums of `rows` blocks; whether the object lives. A block a run (blockIdx.x).
extern "C" __global__ void __launch_bounds__(THREADS)
set_cut(const double* __restrict__ sums, RunState* __restrict__ states, const float* __restrict__ thresholds, unsigned int rows, int reference) {
    __shared__ double scratch[THREADS];
    double parts[3] = {0.0, 0.0, 0.0}, largest = 0.0;
    for (unsigned int row = threadIdx.x; row < rows; row += blockDim.x) {
        const double* part = sums + ((size_t)blockIdx.x * rows + row) * REFERENCE_SUMS;
        parts[0] += part[0];
        parts[1] += part[1];
        parts[2] += part[3];
        largest = fmax(largest, part[2]);
    }
    const double sum = block_sum(parts[0], scratch), squares = block_sum(parts[1], scratch), count = fmax(block_sum(parts[2], scratch), 1.0);
    __syncthreads();
    scratch[threadIdx.x] = largest;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (unsigned int t = 1; t < blockDim.x; t++) largest = fmax(largest, scratch[t]);
    // A maximum swallows what is no number; the sum keeps it.
    const double value = !isfinite(sum) ? sum : reference == RMS ? sqrt(squares / count) : reference == MEAN ? sum / count : largest;
    RunState& state = states[blockIdx.x];
    if (!(isfinite(value) && value > 0.0)) state.alive = 0;
    state.cut = thresholds[blockIdx.x] * (float)value;
    state.kept = 0;
    state.seeking = 0;
}

// Whether a pixel can be kept at all.
__device__ __forceinline__ bool candidate(unsigned char inside, int only_shrink) { return !only_shrink || inside; }

// Counts the pixels that exceed the cut.
extern "C" __global__ void __launch_bounds__(THREADS)
count_kept(const float* __restrict__ density, const unsigned char* __restrict__ support, RunState* __restrict__ states, index_t n, int only_shrink) {
    __shared__ unsigned int scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    const float cut = states[blockIdx.y].cut;
    unsigned int count = 0;
    EACH(i, n) count += density[offset + i] > cut && candidate(support[offset + i], only_shrink);
    count = block_sum(count, scratch);
    if (threadIdx.x == 0) atomicAdd(&states[blockIdx.y].kept, count);
}

// Whether the number of pixels is allowed. If not, the cut is the value of which just the limit are
// larger: it is found eight bits at a time, since the bits of positive numbers are in their order.
// One thread a run, of which `limits` has the smallest and the largest number; `candidates` is what the first histogram holds.
extern "C" __global__ void check_limits(RunState* __restrict__ states, const unsigned int* __restrict__ limits) {
    RunState& state = states[blockIdx.x];
    const unsigned int least = limits[2 * blockIdx.x], most = limits[2 * blockIdx.x + 1];
    const unsigned int wanted = min(max(state.kept, least), max(most, least));
    state.seeking = state.alive && wanted != state.kept;
    state.rank = wanted;
    state.prefix = 0;
}

// Counts candidates by the eight bits of their density at `shift`, among those that have the bits
// above in common with the cut.
extern "C" __global__ void __launch_bounds__(THREADS)
histogram(const float* __restrict__ density, const unsigned char* __restrict__ support, const RunState* __restrict__ states,
          unsigned int* __restrict__ counts, index_t n, int only_shrink, int shift) {
    __shared__ unsigned int bins[256];
    if (!states[blockIdx.y].seeking) return;
    const size_t offset = (size_t)blockIdx.y * n;
    const unsigned int prefix = states[blockIdx.y].prefix;
    for (unsigned int bin = threadIdx.x; bin < 256; bin += blockDim.x) bins[bin] = 0;
    __syncthreads();
    EACH(i, n) {
        const unsigned int bits = __float_as_uint(density[offset + i]);
        const bool same = shift == 24 || bits >> (shift + 8) == prefix >> (shift + 8);
        if (same && candidate(support[offset + i], only_shrink)) atomicAdd(&bins[bits >> shift & 255], 1u);
    }
    __syncthreads();
    for (unsigned int bin = threadIdx.x; bin < 256; bin += blockDim.x)
        if (bins[bin] > 0) atomicAdd(&counts[blockIdx.y * 256 + bin], bins[bin]);
}

// Takes the bits at `shift` of the cut from the histogram, and clears it. One thread a run: 256
// additions.
extern "C" __global__ void pick_bits(RunState* __restrict__ states, unsigned int* __restrict__ counts, int shift) {
    RunState& state = states[blockIdx.x];
    unsigned int* bins = counts + blockIdx.x * 256;
    if (!state.seeking) return;
    unsigned int rank = state.rank, bin = 256;
    while (bin > 0 && bins[bin - 1] <= rank) rank -= bins[--bin];
    for (int k = 0; k < 256; k++) bins[k] = 0;
    if (bin == 0) {
        // There are not so many candidates: all of them are kept.
        state.cut = 0.0f;
        state.seeking = 0;
        return;
    }
    state.prefix |= (bin - 1) << shift;
    state.rank = rank;
    if (shift == 0) {
        state.cut = __uint_as_float(state.prefix);
        state.seeking = 0;
    }
}

// What exceeds the cut.
extern "C" __global__ void __launch_bounds__(THREADS)
above_cut(const float* __restrict__ density, const unsigned char* __restrict__ support, const RunState* __restrict__ states,
          unsigned char* __restrict__ mask, index_t n, int only_shrink) {
    const size_t offset = (size_t)blockIdx.y * n;
    const float cut = states[blockIdx.y].cut;
    EACH(i, n) mask[offset + i] = density[offset + i] > cut && candidate(support[offset + i], only_shrink);
}

// The mask expanded, or shrunk, by one pixel along each axis, periodically.
extern "C" __global__ void __launch_bounds__(THREADS)
grow(const unsigned char* __restrict__ from, unsigned char* __restrict__ to, index_t nz, index_t ny, index_t nx, int expand) {
    const index_t n = nz * ny * nx;
    const unsigned char wanted = expand != 0;
    from += (size_t)blockIdx.y * n;
    to += (size_t)blockIdx.y * n;
    EACH(i, n) {
        const index_t x = i % nx, y = i / nx % ny, z = i / nx / ny;
        const index_t row = i - x, column = i - y * nx, pile = i - z * ny * nx;
        bool any = from[i] == wanted;
        any |= from[row + (x + 1 == nx ? 0 : x + 1)] == wanted || from[row + (x == 0 ? nx - 1 : x - 1)] == wanted;
        any |= from[column + (y + 1 == ny ? 0 : y + 1) * nx] == wanted || from[column + (y == 0 ? ny - 1 : y - 1) * nx] == wanted;
        if (nz > 1)
            any |= from[pile + (z + 1 == nz ? 0 : z + 1) * ny * nx] == wanted || from[pile + (z == 0 ? nz - 1 : z - 1) * ny * nx] == wanted;
        to[i] = any ? wanted : !wanted;
    }
}

// Keeps the border of a new support between that of the old one shrunk and that of the old one
// expanded.
extern "C" __global__ void __launch_bounds__(THREADS)
keep_border(unsigned char* __restrict__ mask, const unsigned char* __restrict__ inner, const unsigned char* __restrict__ outer, index_t n) {
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) mask[offset + i] = inner[offset + i] || (mask[offset + i] && outer[offset + i]);
}

// Counts a mask into `kept`, which was cleared.
extern "C" __global__ void __launch_bounds__(THREADS)
count_mask(const unsigned char* __restrict__ mask, RunState* __restrict__ states, index_t n) {
    __shared__ unsigned int scratch[THREADS];
    const size_t offset = (size_t)blockIdx.y * n;
    unsigned int count = 0;
    EACH(i, n) count += mask[offset + i] != 0;
    count = block_sum(count, scratch);
    if (threadIdx.x == 0) atomicAdd(&states[blockIdx.y].kept, count);
}

extern "C" __global__ void clear_kept(RunState* __restrict__ states) { states[blockIdx.x].kept = 0; }

// The new support is taken, unless the object is dead or nothing of the support is left.
extern "C" __global__ void __launch_bounds__(THREADS)
take_mask(const unsigned char* __restrict__ mask, unsigned char* __restrict__ support, const RunState* __restrict__ states, index_t n) {
    if (!states[blockIdx.y].alive || states[blockIdx.y].kept == 0) return;
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) support[offset + i] = mask[offset + i];
}

// The numbers that go with a new support.
extern "C" __global__ void take_count(RunState* __restrict__ states, double photons) {
    RunState& state = states[blockIdx.x];
    if (!state.alive || state.kept == 0) return;
    state.count = state.kept;
    state.rms = (float)sqrt(photons / state.count);
}

// ---- detwinning: half of the support, across its longest axis through its centre of mass

// Number, and along z, y and x sum and sum of squares of the places from the middle of the array,
// of the pixels of the support.
#define HALF_SUMS 7
extern "C" __global__ void __launch_bounds__(THREADS)
half_sums(const unsigned char* __restrict__ support, unsigned long long* __restrict__ sums, index_t nz, index_t ny, index_t nx) {
    __shared__ unsigned long long scratch[THREADS];
    const index_t n = nz * ny * nx;
    unsigned long long parts[HALF_SUMS] = {0, 0, 0, 0, 0, 0, 0};
    EACH(i, n) {
        if (!support[(size_t)blockIdx.y * n + i]) continue;
        const unsigned long long x = (i % nx + nx / 2) % nx, y = (i / nx % ny + ny / 2) % ny, z = (i / nx / ny + nz / 2) % nz;
        parts[0] += 1;
        parts[1] += z;
        parts[2] += y;
        parts[3] += x;
        parts[4] += z * z;
        parts[5] += y * y;
        parts[6] += x * x;
    }
    for (int k = 0; k < HALF_SUMS; k++) {
        const unsigned long long sum = block_sum(parts[k], scratch);
        if (threadIdx.x == 0) atomicAdd(&sums[blockIdx.y * HALF_SUMS + k], sum);
    }
}

// Keeps the whole support in `whole`, and of it what is not beyond the middle.
extern "C" __global__ void __launch_bounds__(THREADS)
halve(unsigned char* __restrict__ support, unsigned char* __restrict__ whole, const unsigned long long* __restrict__ sums, index_t nz,
      index_t ny, index_t nx) {
    const index_t n = nz * ny * nx, lengths[3] = {nz, ny, nx};
    const unsigned long long* sum = sums + blockIdx.y * HALF_SUMS;
    const double count = fmax((double)sum[0], 1.0);
    int axis = 2;
    double widest = -1.0, middle = 0.0;
#pragma unroll
    for (int k = 0; k < 3; k++) {
        const double mean = sum[1 + k] / count, spread = sum[4 + k] / count - mean * mean;
        if (lengths[k] > 1 && spread >= widest) {
            axis = k;
            widest = spread;
            middle = mean;
        }
    }
    const size_t offset = (size_t)blockIdx.y * n;
    EACH(i, n) {
        const index_t place = axis == 2 ? (i % nx + nx / 2) % nx : axis == 1 ? (i / nx % ny + ny / 2) % ny : (i / nx / ny + nz / 2) % nz;
        whole[offset + i] = support[offset + i];
        support[offset + i] = support[offset + i] && place <= middle;
    }
}
