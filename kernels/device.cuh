// What every source of this folder begins with. The same sources are compiled as host code by
// tests/emulator, whose cuda.h then takes the place of the compiler's own declarations.
#pragma once

#ifdef __CUDACC_RTC__
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
// NVRTC has no <cstddef>; this is how its front end spells offsetof.
#define OFFSET_OF(structure, field) ((size_t)__INTADDR__(&((structure*)0)->field))
#else
#define OFFSET_OF(structure, field) __builtin_offsetof(structure, field)
#endif

// The pixels of one run, counted in 32 bits: 2048^3 do not fit on any GPU.
typedef unsigned int index_t;

// Threads of a block in kernels that go over pixels one by one.
#define THREADS 256

// Size of a structure and offset of one of its fields, bytes: the host asserts the same.
#define LAID_OUT(structure, bytes) static_assert(sizeof(structure) == bytes, #structure " differs from the host's")
#define PLACED(structure, field, offset) \
    static_assert(OFFSET_OF(structure, field) == offset, #structure "." #field " is elsewhere on the host")

// A complex number times another.
__device__ __forceinline__ float2 times(float2 a, float2 b) {
    return make_float2(fmaf(a.x, b.x, -a.y * b.y), fmaf(a.x, b.y, a.y * b.x));
}

__device__ __forceinline__ float2 scaled(float2 a, float s) { return make_float2(a.x * s, a.y * s); }
__device__ __forceinline__ float2 plus(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
__device__ __forceinline__ float2 minus(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }
__device__ __forceinline__ float squared(float2 a) { return fmaf(a.x, a.x, a.y * a.y); }

// The sum of `value` over the threads of a block, given to all of them, in an order that does not
// change from run to run. `scratch` has one entry a thread. The number of threads is a power of
// two.
template <class T> __device__ __forceinline__ T block_sum(T value, T* scratch) {
    __syncthreads();
    scratch[threadIdx.x] = value;
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
    }
    __syncthreads();
    return scratch[0];
}

// The state of a run, as in src/phasing/cuda/layout.rs.
struct RunState {
    unsigned int count;         // pixels in the support
    float rms;                  // root mean square of the object inside it
    unsigned int alive;         // whether the object was finite and not zero at the last support update
    float cut;                  // what the blurred density must exceed
    // While the threshold is sought that just keeps an allowed number of pixels:
    unsigned int kept;          // pixels that exceed the cut
    unsigned int seeking;       // whether it is sought
    unsigned int rank, prefix;  // the rank of the cut among the largest that begin with these bits
};
LAID_OUT(RunState, 32);
PLACED(RunState, rms, 4);
PLACED(RunState, alive, 8);
PLACED(RunState, cut, 12);
PLACED(RunState, kept, 16);
PLACED(RunState, seeking, 20);
PLACED(RunState, rank, 24);
PLACED(RunState, prefix, 28);
