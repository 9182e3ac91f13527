// What the parts of the driver share: settings, what handles point to, and the queue of work.
#pragma once
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "grid.h"
#include "memory.h"

// What the library offers.
#define API extern "C" __attribute__((visibility("default"))) driver::Result

namespace driver {

enum Result : unsigned int {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201, INVALID_PTX = 218, UNSUPPORTED_PTX_VERSION = 222, FILE_NOT_FOUND = 301, INVALID_HANDLE = 400, NOT_FOUND = 500,
    NOT_READY = 600, ILLEGAL_ADDRESS = 700, LAUNCH_OUT_OF_RESOURCES = 701, NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901, CAPTURE_UNMATCHED = 903, CAPTURE_ISOLATION = 905, CAPTURED_EVENT = 907,
};

constexpr int MULTIPROCESSORS = 80, THREADS_OF_MULTIPROCESSOR = 2048, USUAL_SHARED = 48 << 10, MOST_DEVICES = 8;

inline long setting(const char* name, long otherwise) {
    const char* text = getenv(name);
    return text == nullptr || *text == 0 ? otherwise : atol(text);
}

struct Settings {
    int devices = (int)std::min(setting("LACUNA_EMULATED_DEVICES", 1), (long)MOST_DEVICES);
    int major = 7, minor = 0;
    size_t bytes = (size_t)setting("LACUNA_EMULATED_MEMORY", 1024) << 20;
    int shared = (int)setting("LACUNA_EMULATED_SHARED", 98304);
    int driver = (int)setting("LACUNA_EMULATED_DRIVER", 12080);
    bool pools = setting("LACUNA_EMULATED_POOLS", 1) != 0;
    bool eager = setting("LACUNA_EMULATED_EAGER", 0) != 0;
    long fail = setting("LACUNA_EMULATED_FAIL", 0);
    FILE* log = nullptr;

    Settings() {
        if (const char* text = getenv("LACUNA_EMULATED_CC")) sscanf(text, "%d.%d", &major, &minor);
        if (const char* path = getenv("LACUNA_EMULATED_LOG")) log = fopen(path, "a");
    }
};
inline Settings& settings() {
    static Settings& all = *new Settings;
    return all;
}

// Line by line, so that several programs may share a log and one that aborts leaves all of its own.
template <class... A> void note(const char* format, A... values) {
    if (settings().log == nullptr) return;
    fprintf(settings().log, format, values...);
    fflush(settings().log);
}

// A call's mistake that its result alone would not explain.
inline Result explained(Result result, const std::string& why) {
    fprintf(stderr, "emulated GPU: %s (error %u)\n", why.c_str(), result);
    return result;
}

// One call at a time.
inline std::recursive_mutex& mutex = *new std::recursive_mutex;
#define LOCKED std::lock_guard<std::recursive_mutex> locked(mutex)

// What a kernel destroyed stays so: every later call fails in the same way.
inline Result broken = SUCCESS;
inline bool initialized = false;

// ---- what handles point to

struct Context {
    int device;
    int retained = 0;
};
inline Context contexts[MOST_DEVICES] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
inline thread_local Context* current = nullptr;

typedef std::function<void()> Work;

struct Capture {
    std::vector<Work> work;
    struct Stream* origin;
    int mode;
    std::thread::id thread;
    bool invalid = false;
};
struct Stream {
    Context* context;
    std::shared_ptr<Capture> capture;
};
struct Event {
    Context* context;
    unsigned int flags;
    // Of the last record: its number, and of the last that was done number and time.
    unsigned long recorded = 0, done = 0;
    double time = 0.0;
    std::shared_ptr<Capture> capture;
};
struct Graph {
    std::shared_ptr<std::vector<Work>> work;
};
struct Function;
struct Module {
    Context* context;
    std::string image;
    std::vector<std::unique_ptr<Function>> functions;
};
struct Function {
    Module* module;
    const emulator::Kernel* kernel;
    int most_threads, static_shared;
    int dynamic_shared = USUAL_SHARED;
    int carveout = -1;
};

inline Stream default_streams[MOST_DEVICES] = {{&contexts[0], {}}, {&contexts[1], {}}, {&contexts[2], {}}, {&contexts[3], {}},
                                        {&contexts[4], {}}, {&contexts[5], {}}, {&contexts[6], {}}, {&contexts[7], {}}};
inline std::set<Stream*>& streams = *new std::set<Stream*>;
typedef std::shared_ptr<Event> SharedEvent;

// ---- the queue: of all streams, in the order of the calls, which is one of those that a device may choose

struct Queued {
    Stream* stream;
    Work work;
};
inline std::deque<Queued>& queue = *new std::deque<Queued>;

// Does what was queued, until `enough` holds.
template <class F> void finish_until(F enough) {
    if (queue.empty()) return;
    const memory::FaultStack stack;
    while (!queue.empty() && !enough()) {
        const Work work = std::move(queue.front().work);
        queue.pop_front();
        if (broken == SUCCESS) work();
    }
}
inline void finish() {
    finish_until([] { return false; });
}
// Does no more than a stream's work and what was queued before it: who waits for one stream only
// must not count on others.
inline void finish(const Stream* stream) {
    size_t number = queue.size();
    while (number > 0 && queue[number - 1].stream != stream) number--;
    const size_t rest = queue.size() - number;
    finish_until([=] { return queue.size() <= rest; });
}

// Waiting for a device is when its memory is looked at.
inline Result waited() {
    note("synchronize\n");
    memory::check();
    return broken;
}

inline Result ready() {
    if (!initialized) return NOT_INITIALIZED;
    if (broken != SUCCESS) return broken;
    return current == nullptr ? INVALID_CONTEXT : SUCCESS;
}
#define READY \
    LOCKED; \
    if (const Result not_ready = ready(); not_ready != SUCCESS) return not_ready

inline Stream* stream_of(Stream* handle) {
    // 0 is the default stream, and so are the special handles 1 and 2.
    if (reinterpret_cast<uintptr_t>(handle) <= 2) return &default_streams[current->device];
    return streams.count(handle) != 0 && handle->context == current ? handle : nullptr;
}
#define STREAM(name) \
    Stream* const name = stream_of(name##_handle); \
    if (name == nullptr) return explained(INVALID_HANDLE, "a stream of another context, or none")

inline Result submit(Stream* stream, Work work) {
    if (stream->capture != nullptr) {
        if (stream->capture->invalid) return CAPTURE_INVALIDATED;
        stream->capture->work.push_back(std::move(work));
        return SUCCESS;
    }
    queue.push_back({stream, std::move(work)});
    if (settings().eager) finish();
    return broken;
}

// What may not be called while a stream captures ends the capture, and fails.
inline Result unsafe_in_capture() {
    for (Stream* stream : streams) {
        Capture* capture = stream->capture.get();
        if (capture == nullptr) continue;
        constexpr int GLOBAL = 0, OF_THREAD = 1;
        const bool mine = capture->thread == std::this_thread::get_id();
        if (capture->mode != GLOBAL && !(capture->mode == OF_THREAD && mine)) continue;
        capture->invalid = true;
        return explained(CAPTURE_UNSUPPORTED, "a call that is not allowed while a stream captures");
    }
    return SUCCESS;
}
#define NOT_IN_CAPTURE \
    if (const Result forbidden = unsafe_in_capture(); forbidden != SUCCESS) return forbidden

inline Result not_captured(Stream* stream) {
    if (stream->capture == nullptr) return SUCCESS;
    stream->capture->invalid = true;
    return explained(CAPTURE_UNSUPPORTED, "a call that cannot be captured");
}

inline void* pointer(uint64_t place) { return reinterpret_cast<void*>(place); }
inline bool on_device(uint64_t place, size_t bytes) { return bytes == 0 || memory::owner(pointer(place), bytes) >= 0; }
inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace driver
