// Kernels to test the emulator with.
#ifdef __CUDACC_RTC__
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

struct Pair {
    float factor;
    int add;
};

extern "C" __global__ void __launch_bounds__(256) scale(float* __restrict__ values, unsigned int n, Pair pair) {
    for (unsigned int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        values[i] = values[i] * pair.factor + pair.add;
}

// The sum over each block, in a tree.
extern "C" __global__ void block_sums(const float* __restrict__ values, double* __restrict__ sums, unsigned int n) {
    __shared__ double room[256];
    const unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    room[threadIdx.x] = i < n ? values[i] : 0.0;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) room[threadIdx.x] += room[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = room[0];
}

// Each block reverses its part; needs one float of dynamic shared memory a thread.
extern "C" __global__ void reverse(float* values) {
    DYNAMIC_SHARED(float, room);
    float* part = values + blockIdx.x * blockDim.x;
    room[threadIdx.x] = part[threadIdx.x];
    __syncthreads();
    part[threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void warp_sums(const int* values, int* sums) {
    int sum = values[threadIdx.x];
    for (int by = 16; by > 0; by /= 2) sum += __shfl_down_sync(0xffffffffu, sum, by);
    if (threadIdx.x % 32 == 0) atomicAdd(&sums[0], sum);
}

extern "C" __global__ void barriers(unsigned int* values, int number) {
    const unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int k = 0; k < number; k++) {
        values[i] += k;
        __syncthreads();
    }
}

// ---- mistakes

extern "C" __global__ void mistake_before(float* values) { values[-(int)threadIdx.x - 1] = 0.0f; }
extern "C" __global__ void mistake_behind(float* values, unsigned int n) { values[n + threadIdx.x] = 0.0f; }
extern "C" __global__ void mistake_diverging(float* values) {
    if (threadIdx.x < 7) {
        __syncthreads();
        values[threadIdx.x] = 1.0f;
    } else {
        __syncthreads();
    }
}
extern "C" __global__ void mistake_shared() {
    DYNAMIC_SHARED(float, room);
    room[blockDim.x + threadIdx.x] = 1.0f;
}
// No barrier between writing and reading.
extern "C" __global__ void mistake_race(float* values) {
    __shared__ float room[256];
    room[threadIdx.x] = threadIdx.x;
    values[threadIdx.x] = room[(threadIdx.x + blockDim.x - 1) % blockDim.x];
}
