// The passes over memory of which a cycle consists. In two dimensions there are two: `rows` brings
// the projection back along x, applies the rule, and sends the object off along x; `columns` goes
// on along y, projects the moduli, and comes back along y. In three dimensions y takes passes of
// its own, so there are four.
//
// Lines are transformed in place in shared memory: forward by decimation in frequency, whose result
// is in digit-reversed order, inverse by decimation in time, which begins with that order. Fourier
// space is never put in order: bounds are stored as the passes meet them
// (src/phasing/cuda/axis.rs). The last stage of one direction and the first of the other touch the
// same numbers, so what is done to each pixel in between happens in registers.
#include "butterfly.cuh"
#include "pixel.cuh"

// How the lines of one axis are transformed: the radix of each stage, less one, takes four bits.
// As in src/phasing/cuda/axis.rs.
struct AxisPlan {
    unsigned int length, stages;
    unsigned long long radices;
    __device__ __forceinline__ unsigned int radix(unsigned int stage) const { return (unsigned int)(radices >> (4 * stage) & 15) + 1; }
};
LAID_OUT(AxisPlan, 16);
PLACED(AxisPlan, stages, 4);
PLACED(AxisPlan, radices, 8);

// Lines of a block in shared memory. A pad after every sixteenth element keeps the strides of
// butterflies off the same bank.
struct Tile {
    float2* data;
    unsigned int step, pitch;   // between elements of a line, and between lines
    __device__ __forceinline__ float2& at(unsigned int line, unsigned int i) const { return data[(i + (i >> 4)) * step + line * pitch]; }
};

// exp(-+ 2 pi i unit r / length) for r = 1..R-1 times v[r]: one is looked up, the others are its
// powers.
template <int R, bool INVERSE> __device__ __forceinline__ void twiddled(float2* v, const float2* __restrict__ twiddles, unsigned int unit) {
    if (unit == 0) return;
    float2 powers[R];
    powers[1] = __ldg(&twiddles[unit]);
    if (INVERSE) powers[1].y = -powers[1].y;
#pragma unroll
    for (int r = 1; r < R; r++) {
        if (r > 1) powers[r] = r % 2 ? times(powers[r - 1], powers[1]) : times(powers[r / 2], powers[r / 2]);
        v[r] = times(v[r], powers[r]);
    }
}

// One stage of all lines of a block: transforms of R numbers, `block / R` apart. `load` and `store`
// name an element by its line and place; what happens between the directions is `visit`.
template <int R, bool INVERSE_FIRST, class Load, class Visit, class Store>
__device__ __forceinline__ void stage(const AxisPlan& plan, unsigned int block, unsigned int lines, bool lines_together, bool first, bool second,
                                      const float2* __restrict__ twiddles, Load load, Visit visit, Store store) {
    const unsigned int number = plan.length / R, apart = block / R, unit = plan.length / block;
    for (unsigned int work = threadIdx.x; work < number * lines; work += blockDim.x) {
        const unsigned int line = lines_together ? work % lines : work / number;
        const unsigned int butterfly = lines_together ? work / lines : work % number;
        const unsigned int j = butterfly % apart, start = butterfly / apart * block + j;
        float2 v[R];
#pragma unroll
        for (int r = 0; r < R; r++) v[r] = load(line, start + apart * r);
        if (INVERSE_FIRST) {
            if (first) {
                twiddled<R, true>(v, twiddles, unit * j);
                dft<R, true>(v);
            }
        } else if (first) {
            dft<R, false>(v);
            twiddled<R, false>(v, twiddles, unit * j);
        }
#pragma unroll
        for (int r = 0; r < R; r++) visit(line, start + apart * r, v[r]);
        if (INVERSE_FIRST) {
            if (second) {
                dft<R, false>(v);
                twiddled<R, false>(v, twiddles, unit * j);
            }
        } else if (second) {
            twiddled<R, true>(v, twiddles, unit * j);
            dft<R, true>(v);
        }
#pragma unroll
        for (int r = 0; r < R; r++) store(line, start + apart * r, v[r]);
    }
    __syncthreads();
}

// A stage of any radix.
template <bool INVERSE_FIRST, class Load, class Visit, class Store>
__device__ __forceinline__ void any(int radix, const AxisPlan& plan, unsigned int block, unsigned int lines, bool lines_together, bool first,
                                    bool second, const float2* __restrict__ twiddles, Load load, Visit visit, Store store) {
#define CASE(R) \
    case R: stage<R, INVERSE_FIRST>(plan, block, lines, lines_together, first, second, twiddles, load, visit, store); break
    switch (radix) {
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(7);
        CASE(8);
        CASE(11);
        CASE(13);
        CASE(16);
    }
#undef CASE
}

// ---- along x

// `lines` rows of `values`, of all runs one after another; a block takes `together` of them. A run
// has `per_run` rows.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
rows(float2* __restrict__ values, float2* __restrict__ object, const unsigned char* __restrict__ support, const float2* __restrict__ second,
     float* __restrict__ density, const float2* __restrict__ twiddles, const RunState* __restrict__ states, AxisPlan plan, unsigned int lines,
     unsigned int per_run, unsigned int together, ObjectWork work, RuleNumbers rule) {
    DYNAMIC_SHARED(float2, shared);
    const unsigned int n = plan.length, begin = blockIdx.x * together;
    const unsigned int here = min(together, lines - begin);
    const Tile tile = {shared, 1, n + (n >> 4) + 1};
    const size_t offset = (size_t)begin * n;
    values += offset;
    const ObjectArrays arrays = {object + offset, support + offset, second + offset, density + offset};

    const auto from_tile = [&](unsigned int line, unsigned int i) { return tile.at(line, i); };
    const auto to_tile = [&](unsigned int line, unsigned int i, float2 v) { tile.at(line, i) = v; };
    const auto untouched = [](unsigned int, unsigned int, float2&) {};
    if (work.source == SOURCE_FOURIER) {
        for (unsigned int at = threadIdx.x; at < here * n; at += blockDim.x) tile.at(at / n, at % n) = values[at];
        __syncthreads();
        unsigned int block = 1;
        for (unsigned int t = plan.stages - 1; t > 0; t--) {
            block *= plan.radix(t);
            any<true>(plan.radix(t), plan, block, here, false, true, false, twiddles, from_tile, untouched, to_tile);
        }
    }
    // Where values are in order: a pixel's object, support and density are read and written here,
    // neighbours by neighbouring threads.
    const auto begun = [&](unsigned int line, unsigned int i) {
        return work.source == SOURCE_FOURIER ? tile.at(line, i) : read_source(arrays, work, line * n + i);
    };
    const auto visited = [&](unsigned int line, unsigned int i, float2& v) {
        write_output(arrays, work, rule, states[(begin + line) / per_run].rms, line * n + i, v);
    };
    const auto ended = [&](unsigned int line, unsigned int i, float2 v) {
        if (work.forward) tile.at(line, i) = v;
    };
    any<true>(plan.radix(0), plan, n, here, false, work.source == SOURCE_FOURIER, work.forward, twiddles, begun, visited, ended);
    if (!work.forward) return;
    unsigned int block = n / plan.radix(0);
    for (unsigned int t = 1; t < plan.stages; t++) {
        any<true>(plan.radix(t), plan, block, here, false, false, true, twiddles, from_tile, untouched, to_tile);
        block /= plan.radix(t);
    }
    for (unsigned int at = threadIdx.x; at < here * n; at += blockDim.x) values[at] = tile.at(at / n, at % n);
}

// ---- along y and z

// As in src/phasing/cuda/layout.rs.
struct ColumnWork {
    int forward, inverse;   // which transforms are done, before and after what lies between
    int project;            // whether moduli are projected in between
};
LAID_OUT(ColumnWork, 12);
PLACED(ColumnWork, inverse, 4);
PLACED(ColumnWork, project, 8);

// Columns of `values`: `inner` of them lie side by side, and `slabs` such groups make a run. A
// block takes `together` neighbours.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
columns(float2* __restrict__ values, const unsigned int* __restrict__ bounds, const float2* __restrict__ table,
        const float2* __restrict__ twiddles, AxisPlan plan, unsigned int inner, unsigned int slabs,
        unsigned int together, ColumnWork work, Projection projection) {
    DYNAMIC_SHARED(float2, shared);
    const unsigned int n = plan.length, groups = (inner + together - 1) / together;
    const unsigned int group = blockIdx.x % groups, slab = blockIdx.x / groups;
    const unsigned int begin = group * together, here = min(together, inner - begin);
    const Tile tile = {shared, together, 1};
    values += (size_t)slab * n * inner + begin;
    bounds += (size_t)(slab % slabs) * n * inner + begin;

    const auto from_tile = [&](unsigned int line, unsigned int i) { return tile.at(line, i); };
    const auto to_tile = [&](unsigned int line, unsigned int i, float2 v) { tile.at(line, i) = v; };
    const auto from_memory = [&](unsigned int line, unsigned int i) { return values[(size_t)i * inner + line]; };
    const auto to_memory = [&](unsigned int line, unsigned int i, float2 v) { values[(size_t)i * inner + line] = v; };
    const auto untouched = [](unsigned int, unsigned int, float2&) {};
    const unsigned int last = plan.stages - 1;
    unsigned int block = n;
    if (work.forward) {
        for (unsigned int t = 0; t < last; t++) {
            const auto load = [&](unsigned int line, unsigned int i) { return t == 0 ? from_memory(line, i) : from_tile(line, i); };
            any<false>(plan.radix(t), plan, block, here, true, true, false, twiddles, load, untouched, to_tile);
            block /= plan.radix(t);
        }
    }
    block = plan.radix(last);
    const bool whole = last == 0;
    {
        const bool loaded = work.forward && !whole;
        const auto load = [&](unsigned int line, unsigned int i) { return loaded ? from_tile(line, i) : from_memory(line, i); };
        const auto visited = [&](unsigned int line, unsigned int i, float2& v) {
            if (work.project) v = nearest(v, squared(v), bounds[(size_t)i * inner + line], table, projection);
        };
        const bool staying = work.inverse && !whole;
        const auto store = [&](unsigned int line, unsigned int i, float2 v) { staying ? to_tile(line, i, v) : to_memory(line, i, v); };
        any<false>(plan.radix(last), plan, block, here, true, work.forward, work.inverse, twiddles, load, visited, store);
    }
    if (work.inverse) {
        for (unsigned int t = last; t-- > 0;) {
            block *= plan.radix(t);
            const auto store = [&](unsigned int line, unsigned int i, float2 v) { t == 0 ? to_memory(line, i, v) : to_tile(line, i, v); };
            any<false>(plan.radix(t), plan, block, here, true, false, true, twiddles, from_tile, untouched, store);
        }
    }
}
