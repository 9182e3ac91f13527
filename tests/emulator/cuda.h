// Lets a CUDA C source compile as host code: the words of the language, its types, and the built-in
// functions that the kernels use. A block's threads run one after another on one host thread
// (grid.cpp), so an atomic operation is a plain one.
#pragma once
#include "grid.h"

#include <math.h>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)

// Blocks run one after another, so what a block shares can be static. The section lets the emulator
// find all of it, to spoil what the block before left.
#define __shared__ static __attribute__((section("shared_memory")))
// `extern __shared__ type name[]` cannot be had with the same word: sources write this macro
// instead.
#define DYNAMIC_SHARED(type, name) type* const name = reinterpret_cast<type*>(emulator::dynamic_shared)

#define VECTOR2(name, type, alignment) \
    struct alignas(alignment) name { type x, y; }; \
    inline name make_##name(type x, type y) { return {x, y}; }
#define VECTOR3(name, type) \
    struct name { type x, y, z; }; \
    inline name make_##name(type x, type y, type z) { return {x, y, z}; }
#define VECTOR4(name, type, alignment) \
    struct alignas(alignment) name { type x, y, z, w; }; \
    inline name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }
VECTOR2(float2, float, 8)
VECTOR2(double2, double, 16)
VECTOR2(int2, int, 8)
VECTOR2(uint2, unsigned int, 8)
VECTOR3(float3, float)
VECTOR3(int3, int)
VECTOR4(float4, float, 16)
VECTOR4(int4, int, 16)
VECTOR4(uint4, unsigned int, 16)
#undef VECTOR2
#undef VECTOR3
#undef VECTOR4
using emulator::uint3;
typedef emulator::uint3 dim3;
inline uint3 make_uint3(unsigned int x, unsigned int y, unsigned int z) { return {x, y, z}; }

// The names are macros because a kernel may be compiled inside of a namespace, and reads like a
// global.
#define threadIdx emulator::thread_index
#define blockIdx emulator::block_index
#define blockDim emulator::block_size
#define gridDim emulator::grid_size
static const int warpSize = emulator::WARP;

// Where a barrier is written tells a block whose threads wait at different ones.
#define __syncthreads() emulator::barrier(__FILE__, __LINE__)
#define __syncwarp(...) emulator::warp_barrier(__FILE__, __LINE__)

// The value of the lane that `lane` names; a lane's own where there is no such lane.
template <class T> T emulated_shuffle(T value, int lane) {
    static_assert(sizeof(T) <= 8, "shuffles move at most eight bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    bits = emulator::shuffle(bits, lane);
    memcpy(&value, &bits, sizeof(T));
    return value;
}
// All lanes take part, whatever the mask says: waiting for those that do not come ends in an error.
template <class T> T __shfl_sync(unsigned int, T value, int lane) { return emulated_shuffle(value, lane); }
template <class T> T __shfl_down_sync(unsigned int, T value, int by) { return emulated_shuffle(value, (int)emulator::lane() + by); }
template <class T> T __shfl_up_sync(unsigned int, T value, int by) { return emulated_shuffle(value, (int)emulator::lane() - by); }
template <class T> T __shfl_xor_sync(unsigned int, T value, int by) { return emulated_shuffle(value, (int)emulator::lane() ^ by); }

template <class T> inline T __ldg(const T* p) { return *p; }

template <class To, class From> inline To emulated_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    memcpy(&to, &from, sizeof(To));
    return to;
}
inline unsigned int __float_as_uint(float f) { return emulated_bits<unsigned int>(f); }
inline int __float_as_int(float f) { return emulated_bits<int>(f); }
inline float __uint_as_float(unsigned int u) { return emulated_bits<float>(u); }
inline float __int_as_float(int i) { return emulated_bits<float>(i); }
inline long long __double_as_longlong(double d) { return emulated_bits<long long>(d); }
inline double __longlong_as_double(long long i) { return emulated_bits<double>(i); }
inline int __popc(unsigned int u) { return __builtin_popcount(u); }
inline int __clz(int i) { return i == 0 ? 32 : __builtin_clz((unsigned int)i); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)((unsigned long long)a * b >> 32); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
// In double precision: the device's are exact at multiples of a half, and so is this but for the
// last bit.
inline void sincospi(double x, double* s, double* c) {
    const double r = x - 2.0 * nearbyint(0.5 * x);
    *s = r == 1.0 || r == -1.0 || r == 0.0 ? 0.0 : sin(M_PI * r);
    *c = r == 0.5 || r == -0.5 ? 0.0 : cos(M_PI * r);
}
inline void sincospif(float x, float* s, float* c) {
    double sine, cosine;
    sincospi(x, &sine, &cosine);
    *s = (float)sine;
    *c = (float)cosine;
}
inline void __sincosf(float x, float* s, float* c) { *s = sinf(x), *c = cosf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }

// As on the device, whole numbers of different types meet in their common type.
template <class A, class B>
using EmulatedBoth = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>, std::common_type_t<A, B>>;
template <class A, class B> inline EmulatedBoth<A, B> min(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) return std::fmin((T)a, (T)b);
    else return (T)b < (T)a ? (T)b : (T)a;
}
template <class A, class B> inline EmulatedBoth<A, B> max(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) return std::fmax((T)a, (T)b);
    else return (T)a < (T)b ? (T)b : (T)a;
}

// The second argument's type is not deduced: `atomicAdd(&count, 1)` works on the device too.
template <class T> struct EmulatedSame { typedef T type; };
#define ATOMIC(name, result) \
    template <class T> inline T name(T* p, typename EmulatedSame<T>::type value) { \
        const T old = *p; \
        *p = result; \
        return old; \
    }
ATOMIC(atomicAdd, old + value)
ATOMIC(atomicSub, old - value)
ATOMIC(atomicMax, value > old ? value : old)
ATOMIC(atomicMin, value < old ? value : old)
ATOMIC(atomicOr, old | value)
ATOMIC(atomicAnd, old & value)
ATOMIC(atomicXor, old ^ value)
ATOMIC(atomicExch, value)
#undef ATOMIC
template <class T> inline T atomicCAS(T* p, typename EmulatedSame<T>::type expected, typename EmulatedSame<T>::type value) {
    const T old = *p;
    if (old == expected) *p = value;
    return old;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
