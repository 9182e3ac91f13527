// A cuFFT of complex numbers of single precision. It is slow and right: sums are of double
// precision, over all factors of the length.
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#define API extern "C" __attribute__((visibility("default"))) Result

// Of the fake driver: queues work on a stream, or records it while the stream captures.
extern "C" bool lacuna_emulator_submit(void* stream, const char* what, void (*work)(void*), void* data, void (*destroy)(void*));
extern "C" unsigned int cuMemAlloc_v2(uint64_t* place, size_t bytes);
extern "C" unsigned int cuMemFree_v2(uint64_t place);

namespace {

enum Result : unsigned int {
    SUCCESS = 0, INVALID_PLAN = 1, ALLOC_FAILED = 2, INVALID_TYPE = 3, INVALID_VALUE = 4, EXEC_FAILED = 6, INVALID_SIZE = 8,
    NO_WORKSPACE = 13,
};
constexpr int C2C = 41, FORWARD = -1, INVERSE = 1;

typedef std::complex<double> Complex;

// Lengths, embedding, and distances between neighbours and between the transforms of a batch.
struct Layout {
    std::vector<long> embed;
    long stride = 1, distance = 0;
};
struct Plan {
    std::vector<long> lengths;
    long batch = 0;
    Layout in, out;
    bool made = false, automatic = true;
    size_t work_bytes = 0;
    uint64_t own_work = 0;
    void* work = nullptr;
    void* stream = nullptr;

    ~Plan() {
        if (own_work != 0) cuMemFree_v2(own_work);
    }
};

std::mutex& mutex = *new std::mutex;
std::map<int, std::shared_ptr<Plan>>& plans = *new std::map<int, std::shared_ptr<Plan>>;

std::shared_ptr<Plan> find(int handle) {
    std::lock_guard<std::mutex> locked(mutex);
    const auto found = plans.find(handle);
    return found == plans.end() ? nullptr : found->second;
}

// ---- transforms of one length

class Line {
    std::vector<long> factors;
    std::vector<Complex> roots, from, room;

    // Of `n` numbers `stride` apart: those of each remainder by the first factor, put together.
    void transform(const Complex* in, Complex* out, long n, long stride, size_t depth) {
        if (n == 1) {
            out[0] = in[0];
            return;
        }
        const long p = factors[depth], m = n / p, all = (long)roots.size();
        for (long r = 0; r < p; r++) transform(in + r * stride, out + r * m, m, stride * p, depth + 1);
        Complex* v = room.data();
        for (long k = 0; k < m; k++) {
            for (long r = 0; r < p; r++) v[r] = out[r * m + k] * roots[(r * k * stride) % all];
            for (long q = 0; q < p; q++) {
                Complex sum = v[0];
                for (long r = 1; r < p; r++) sum += v[r] * roots[(r * q % p) * (all / p)];
                out[q * m + k] = sum;
            }
        }
    }

public:
    Line(long n, int direction) : roots(n), from(n) {
        for (long k = 0; k < n; k++) roots[k] = std::polar(1.0, direction * 2.0 * M_PI * (double)k / (double)n);
        long largest = 1;
        for (long p = 2, rest = n; rest > 1; p = p * p > rest ? rest : p + 1)
            for (; rest % p == 0; rest /= p) {
                factors.push_back(p);
                largest = std::max(largest, p);
            }
        room.resize(largest);
    }

    // In place, numbers `stride` apart.
    void operator()(Complex* values, long stride) {
        const long n = (long)from.size();
        if (n == 1) return;
        std::vector<Complex> to(n);
        for (long k = 0; k < n; k++) from[k] = values[k * stride];
        transform(from.data(), to.data(), n, 1, 0);
        for (long k = 0; k < n; k++) values[k * stride] = to[k];
    }
};

void transform(const Plan& plan, const std::complex<float>* in, std::complex<float>* out, int direction) {
    const size_t rank = plan.lengths.size();
    long all = 1;
    for (const long n : plan.lengths) all *= n;
    // Where the i-th number of a transform lies.
    const auto place = [&](const Layout& layout, long i) {
        long at = 0, unit = 1;
        for (size_t axis = rank; axis-- > 0;) {
            at += i % plan.lengths[axis] * unit;
            i /= plan.lengths[axis];
            unit *= layout.embed[axis];
        }
        return at * layout.stride;
    };
    // All is read before anything is written: in place the batches may lie anyhow.
    std::vector<Complex> values((size_t)(all * plan.batch));
    for (long b = 0; b < plan.batch; b++)
        for (long i = 0; i < all; i++) values[b * all + i] = Complex(in[b * plan.in.distance + place(plan.in, i)]);
    long stride = 1;
    for (size_t axis = rank; axis-- > 0;) {
        const long n = plan.lengths[axis];
        Line line(n, direction);
        for (long begin = 0; begin < all * plan.batch; begin += stride * n)
            for (long k = 0; k < stride; k++) line(values.data() + begin + k, stride);
        stride *= n;
    }
    for (long b = 0; b < plan.batch; b++)
        for (long i = 0; i < all; i++) out[b * plan.out.distance + place(plan.out, i)] = std::complex<float>(values[b * all + i]);
}

// ---- plans

Result measured(int rank, const int* n, int type, int batch, size_t* bytes) {
    if (type != C2C) return INVALID_TYPE;
    if (rank < 1 || rank > 3 || batch < 1) return INVALID_SIZE;
    // As much as a copy, which is what large transforms take.
    *bytes = sizeof(std::complex<float>) * (size_t)batch;
    for (int axis = 0; axis < rank; axis++) {
        if (n[axis] < 1) return INVALID_SIZE;
        *bytes *= (size_t)n[axis];
    }
    return SUCCESS;
}

Layout layout(int rank, const int* n, const int* embed, int stride, int distance) {
    Layout made;
    long all = 1;
    for (int axis = 0; axis < rank; axis++) {
        made.embed.push_back(embed == nullptr ? n[axis] : embed[axis]);
        all *= n[axis];
    }
    // Without an embedding the distances are not looked at.
    made.stride = embed == nullptr ? 1 : stride;
    made.distance = embed == nullptr ? all : distance;
    return made;
}

struct Execution {
    std::shared_ptr<Plan> plan;
    void* work;
    const std::complex<float>* in;
    std::complex<float>* out;
    int direction;
};
void execute(void* data) {
    const Execution& e = *static_cast<Execution*>(data);
    // Whoever keeps something of his own in the work area, or made it too small, shall notice.
    memset(e.work, 0xff, e.plan->work_bytes);
    transform(*e.plan, e.in, e.out, e.direction);
}

}  // namespace

API cufftCreate(int* handle) {
    static int last = 0;
    std::lock_guard<std::mutex> locked(mutex);
    *handle = ++last;
    plans[*handle] = std::make_shared<Plan>();
    return SUCCESS;
}
API cufftDestroy(int handle) {
    std::shared_ptr<Plan> plan;
    std::lock_guard<std::mutex> locked(mutex);
    const auto found = plans.find(handle);
    if (found == plans.end()) return INVALID_PLAN;
    plan = found->second;
    plans.erase(found);
    return SUCCESS;
}
API cufftSetAutoAllocation(int handle, int automatic) {
    const auto plan = find(handle);
    if (plan == nullptr) return INVALID_PLAN;
    plan->automatic = automatic != 0;
    return SUCCESS;
}
API cufftMakePlanMany(int handle, int rank, int* n, int* in_embed, int in_stride, int in_distance, int* out_embed, int out_stride,
                      int out_distance, int type, int batch, size_t* bytes) {
    const auto plan = find(handle);
    if (plan == nullptr || plan->made) return INVALID_PLAN;
    if (const Result result = measured(rank, n, type, batch, bytes); result != SUCCESS) return result;
    plan->lengths.assign(n, n + rank);
    plan->batch = batch;
    plan->in = layout(rank, n, in_embed, in_stride, in_distance);
    plan->out = layout(rank, n, out_embed, out_stride, out_distance);
    plan->work_bytes = *bytes;
    if (plan->automatic) {
        if (cuMemAlloc_v2(&plan->own_work, *bytes) != 0) return ALLOC_FAILED;
        plan->work = reinterpret_cast<void*>(plan->own_work);
    }
    plan->made = true;
    return SUCCESS;
}
API cufftMakePlan1d(int handle, int nx, int type, int batch, size_t* bytes) {
    return cufftMakePlanMany(handle, 1, &nx, nullptr, 1, 0, nullptr, 1, 0, type, batch, bytes);
}
API cufftMakePlan2d(int handle, int nx, int ny, int type, size_t* bytes) {
    int n[] = {nx, ny};
    return cufftMakePlanMany(handle, 2, n, nullptr, 1, 0, nullptr, 1, 0, type, 1, bytes);
}
API cufftMakePlan3d(int handle, int nx, int ny, int nz, int type, size_t* bytes) {
    int n[] = {nx, ny, nz};
    return cufftMakePlanMany(handle, 3, n, nullptr, 1, 0, nullptr, 1, 0, type, 1, bytes);
}
API cufftPlanMany(int* handle, int rank, int* n, int* in_embed, int in_stride, int in_distance, int* out_embed, int out_stride,
                  int out_distance, int type, int batch) {
    size_t bytes;
    cufftCreate(handle);
    return cufftMakePlanMany(*handle, rank, n, in_embed, in_stride, in_distance, out_embed, out_stride, out_distance, type, batch, &bytes);
}
API cufftEstimateMany(int rank, int* n, int*, int, int, int*, int, int, int type, int batch, size_t* bytes) {
    return measured(rank, n, type, batch, bytes);
}
API cufftGetSizeMany(int, int rank, int* n, int*, int, int, int*, int, int, int type, int batch, size_t* bytes) {
    return measured(rank, n, type, batch, bytes);
}
API cufftGetSize(int handle, size_t* bytes) {
    const auto plan = find(handle);
    if (plan == nullptr || !plan->made) return INVALID_PLAN;
    *bytes = plan->work_bytes;
    return SUCCESS;
}
API cufftSetWorkArea(int handle, void* work) {
    const auto plan = find(handle);
    if (plan == nullptr || !plan->made) return INVALID_PLAN;
    plan->work = work;
    return SUCCESS;
}
API cufftSetStream(int handle, void* stream) {
    const auto plan = find(handle);
    if (plan == nullptr) return INVALID_PLAN;
    plan->stream = stream;
    return SUCCESS;
}
API cufftExecC2C(int handle, std::complex<float>* in, std::complex<float>* out, int direction) {
    const auto plan = find(handle);
    if (plan == nullptr || !plan->made) return INVALID_PLAN;
    if (direction != FORWARD && direction != INVERSE) return INVALID_VALUE;
    if (plan->work == nullptr) return NO_WORKSPACE;
    Execution* execution = new Execution{plan, plan->work, in, out, direction};
    const auto destroy = [](void* data) { delete static_cast<Execution*>(data); };
    const char* what = direction == FORWARD ? "fft forward" : "fft inverse";
    return lacuna_emulator_submit(plan->stream, what, execute, execution, destroy) ? SUCCESS : EXEC_FAILED;
}
API cufftGetVersion(int* version) {
    *version = 11303;
    return SUCCESS;
}
API cufftGetProperty(int property, int* value) {
    const int version[] = {11, 3, 3};
    if (property < 0 || property > 2) return INVALID_TYPE;
    *value = version[property];
    return SUCCESS;
}
