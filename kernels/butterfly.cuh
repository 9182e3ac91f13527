// Discrete Fourier transforms of a few numbers in registers: v[k] becomes
// sum_j v[j] exp(-+ 2 pi i j k / R), the upper sign forward.
#pragma once
#include "device.cuh"

// Times -i forward, i inverse.
template <bool INVERSE> __device__ __forceinline__ float2 turned(float2 a) {
    return INVERSE ? make_float2(-a.y, a.x) : make_float2(a.y, -a.x);
}

template <bool INVERSE> __device__ __forceinline__ void dft2(float2& a, float2& b) {
    const float2 sum = plus(a, b);
    b = minus(a, b);
    a = sum;
}

template <bool INVERSE> __device__ __forceinline__ void dft4(float2& a, float2& b, float2& c, float2& d) {
    const float2 even = plus(a, c), even_less = minus(a, c), odd = plus(b, d), odd_less = turned<INVERSE>(minus(b, d));
    a = plus(even, odd);
    b = plus(even_less, odd_less);
    c = minus(even, odd);
    d = minus(even_less, odd_less);
}

// Times exp(-+ 2 pi i k / 16).
template <bool INVERSE> __device__ __forceinline__ float2 sixteenth(float2 a, int k) {
    const float c[] = {1.0f, 0.92387953251f, 0.70710678119f, 0.38268343236f, 0.0f, -0.38268343236f, -0.70710678119f, -0.92387953251f, -1.0f, -0.92387953251f};
    const float s[] = {0.0f, 0.38268343236f, 0.70710678119f, 0.92387953251f, 1.0f, 0.92387953251f, 0.70710678119f, 0.38268343236f, 0.0f, -0.38268343236f};
    return times(a, make_float2(c[k], INVERSE ? s[k] : -s[k]));
}

// Odd R: what lies opposite has the same cosine and the opposite sine.
template <int R, bool INVERSE> __device__ __forceinline__ void odd(float2* v, const float* cosine, const float* sine) {
    float2 sums[R / 2], differences[R / 2];
    float2 total = v[0];
#pragma unroll
    for (int m = 1; m <= R / 2; m++) {
        sums[m - 1] = plus(v[m], v[R - m]);
        differences[m - 1] = minus(v[m], v[R - m]);
        total = plus(total, sums[m - 1]);
    }
    const float2 first = v[0];
    v[0] = total;
#pragma unroll
    for (int k = 1; k <= R / 2; k++) {
        float2 even = first, cross = make_float2(0.0f, 0.0f);
#pragma unroll
        for (int m = 1; m <= R / 2; m++) {
            const float c = cosine[m * k % R], s = sine[m * k % R];
            even = make_float2(fmaf(sums[m - 1].x, c, even.x), fmaf(sums[m - 1].y, c, even.y));
            cross = make_float2(fmaf(differences[m - 1].x, s, cross.x), fmaf(differences[m - 1].y, s, cross.y));
        }
        cross = turned<INVERSE>(cross);
        v[k] = plus(even, cross);
        v[R - k] = minus(even, cross);
    }
}

template <int R, bool INVERSE> __device__ __forceinline__ void dft(float2* v) {
    if constexpr (R == 2) {
        dft2<INVERSE>(v[0], v[1]);
    } else if constexpr (R == 4) {
        dft4<INVERSE>(v[0], v[1], v[2], v[3]);
    } else if constexpr (R == 8 || R == 16) {
        // R = 4 S: transforms of four at distance S, twiddles, transforms of S neighbours; the
        // result is read off transposed.
        constexpr int S = R / 4;
#pragma unroll
        for (int j = 0; j < S; j++) dft4<INVERSE>(v[j], v[j + S], v[j + 2 * S], v[j + 3 * S]);
#pragma unroll
        for (int k = 0; k < 4; k++) {
#pragma unroll
            for (int j = 1; j < S; j++)
                if (k > 0) v[j + S * k] = sixteenth<INVERSE>(v[j + S * k], j * k * (16 / R));
            if constexpr (S == 2) dft2<INVERSE>(v[S * k], v[S * k + 1]);
            else dft4<INVERSE>(v[S * k], v[S * k + 1], v[S * k + 2], v[S * k + 3]);
        }
        float2 w[R];
#pragma unroll
        for (int k = 0; k < R; k++) w[k] = v[k];
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int j = 0; j < S; j++) v[k + 4 * j] = w[S * k + j];
    } else if constexpr (R == 3) {
        const float c[] = {1.0f, -0.5f, -0.5f};
        const float s[] = {0.0f, 0.86602540378f, -0.86602540378f};
        odd<R, INVERSE>(v, c, s);
    } else if constexpr (R == 5) {
        const float c[] = {1.0f, 0.30901699437f, -0.80901699437f, -0.80901699437f, 0.30901699437f};
        const float s[] = {0.0f, 0.95105651630f, 0.58778525229f, -0.58778525229f, -0.95105651630f};
        odd<R, INVERSE>(v, c, s);
    } else if constexpr (R == 7) {
        const float c[] = {1.0f, 0.62348980186f, -0.22252093396f, -0.90096886790f, -0.90096886790f, -0.22252093396f, 0.62348980186f};
        const float s[] = {0.0f, 0.78183148247f, 0.97492791218f, 0.43388373912f, -0.43388373912f, -0.97492791218f, -0.78183148247f};
        odd<R, INVERSE>(v, c, s);
    } else if constexpr (R == 11) {
        const float c[] = {1.0f, 0.84125353283f, 0.41541501300f, -0.14231483827f, -0.65486073395f, -0.95949297361f,
                           -0.95949297361f, -0.65486073395f, -0.14231483827f, 0.41541501300f, 0.84125353283f};
        const float s[] = {0.0f, 0.54064081746f, 0.90963199535f, 0.98982144188f, 0.75574957435f, 0.28173255684f,
                           -0.28173255684f, -0.75574957435f, -0.98982144188f, -0.90963199535f, -0.54064081746f};
        odd<R, INVERSE>(v, c, s);
    } else if constexpr (R == 13) {
        const float c[] = {1.0f, 0.88545602565f, 0.56806474673f, 0.12053668025f, -0.35460488704f, -0.74851074817f, -0.97094181742f,
                           -0.97094181742f, -0.74851074817f, -0.35460488704f, 0.12053668025f, 0.56806474673f, 0.88545602565f};
        const float s[] = {0.0f, 0.46472317204f, 0.82298386589f, 0.99270887410f, 0.93501624269f, 0.66312265825f, 0.23931566429f,
                           -0.23931566429f, -0.66312265825f, -0.93501624269f, -0.99270887410f, -0.82298386589f, -0.46472317204f};
        odd<R, INVERSE>(v, c, s);
    }
}
