// A CUDA driver that runs kernels on the host. As with a real one, work is only queued by most
// calls and done when somebody waits for it: what the program reads too early is not there yet.
// Limits and errors are those that CUDA documents.
//
//   LACUNA_EMULATED_DEVICES   number of devices (1)
//   LACUNA_EMULATED_CC        compute capability (7.0)
//   LACUNA_EMULATED_MEMORY    MiB of each device (1024)
//   LACUNA_EMULATED_SHARED    bytes of shared memory a block can have (98304)
//   LACUNA_EMULATED_DRIVER    version of the driver (12080)
//   LACUNA_EMULATED_POOLS     whether memory can be allocated in the order of a stream (1)
//   LACUNA_EMULATED_EAGER     whether work is done at once, for a debugger (0)
//   LACUNA_EMULATED_FAIL      the number of the launch that ends in an error which stays (none)
//   LACUNA_EMULATED_LOG       file to which what was done is appended, a line each
#include "state.h"

using namespace driver;

// ---- initialisation and devices

API cuInit(unsigned int) {
    LOCKED;
    if (settings().devices <= 0) return NO_DEVICE;
    if (!initialized) memory::watch_for_faults();
    initialized = true;
    return SUCCESS;
}
API cuDriverGetVersion(int* version) {
    *version = settings().driver;
    return SUCCESS;
}
API cuDeviceGetCount(int* count) {
    if (!initialized) return NOT_INITIALIZED;
    *count = settings().devices;
    return SUCCESS;
}
API cuDeviceGet(int* device, int ordinal) {
    if (!initialized) return NOT_INITIALIZED;
    if (ordinal < 0 || ordinal >= settings().devices) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}
API cuDeviceGetName(char* name, int length, int) {
    snprintf(name, (size_t)length, "Emulated GPU");
    return SUCCESS;
}

// An old driver has only what is above.
#ifndef WITHOUT_SYMBOLS

API cuDeviceTotalMem_v2(size_t* bytes, int) {
    *bytes = settings().bytes;
    return SUCCESS;
}
API cuDeviceGetUuid_v2(char* uuid, int device) {
    memset(uuid, 0, 16);
    memcpy(uuid, "emulated", 8);
    uuid[15] = (char)device;
    return SUCCESS;
}
API cuDeviceGetUuid(char* uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
API cuDeviceGetAttribute(int* value, int attribute, int device) {
    if (device < 0 || device >= settings().devices) return INVALID_DEVICE;
    switch (attribute) {
        case 1: *value = 1024; break;                       // threads of a block
        case 2: case 3: *value = 1024; break;               // ... along x, y
        case 4: *value = 64; break;                         // ... along z
        case 5: *value = 0x7fffffff; break;                 // blocks of a grid along x
        case 6: case 7: *value = 65535; break;              // ... along y, z
        case 8: *value = USUAL_SHARED; break;               // shared memory of a block
        case 10: *value = emulator::WARP; break;
        case 12: *value = 65536; break;                     // registers of a block
        case 13: *value = 1530000; break;                   // clock, kHz
        case 16: *value = MULTIPROCESSORS; break;
        case 33: *value = 1 + device; break;                // PCI bus
        case 36: *value = 877000; break;                    // clock of the memory, kHz
        case 37: *value = 4096; break;                      // width of its bus
        case 38: *value = 6 << 20; break;                   // L2 cache
        case 39: *value = THREADS_OF_MULTIPROCESSOR; break;
        case 41: *value = 1; break;                         // unified addresses
        case 75: *value = settings().major; break;
        case 76: *value = settings().minor; break;
        case 81: *value = settings().shared; break;         // shared memory of a multiprocessor
        case 82: *value = 65536; break;                     // its registers
        case 97: *value = settings().shared; break;         // shared memory that a block can ask for
        case 106: *value = 32; break;                       // blocks of a multiprocessor
        case 115: *value = settings().pools; break;
        default: *value = 0;
    }
    return SUCCESS;
}
API cuDeviceCanAccessPeer(int* can, int, int) {
    *can = 0;
    return SUCCESS;
}

// ---- contexts

API cuDevicePrimaryCtxRetain(Context** context, int device) {
    LOCKED;
    if (!initialized) return NOT_INITIALIZED;
    if (broken != SUCCESS) return broken;
    if (device < 0 || device >= settings().devices) return INVALID_DEVICE;
    *context = &contexts[device];
    contexts[device].retained++;
    return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int device) {
    LOCKED;
    if (contexts[device].retained == 0) return INVALID_CONTEXT;
    if (--contexts[device].retained > 0) return SUCCESS;
    finish();
    memory::release_all(device);
    return SUCCESS;
}
API cuCtxSetCurrent(Context* context) {
    if (!initialized) return NOT_INITIALIZED;
    current = context;
    return SUCCESS;
}
API cuCtxGetCurrent(Context** context) {
    if (!initialized) return NOT_INITIALIZED;
    *context = current;
    return SUCCESS;
}
API cuCtxGetDevice(int* device) {
    READY;
    *device = current->device;
    return SUCCESS;
}
API cuCtxSetFlags(unsigned int) {
    READY;
    return SUCCESS;
}
API cuCtxSynchronize() {
    READY;
    NOT_IN_CAPTURE;
    finish();
    return waited();
}

// ---- streams and events

API cuStreamCreate(Stream** stream, unsigned int) {
    READY;
    *stream = new Stream{current, {}};
    streams.insert(*stream);
    return SUCCESS;
}
API cuStreamCreateWithPriority(Stream** stream, unsigned int flags, int) { return cuStreamCreate(stream, flags); }
API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    *least = *greatest = 0;
    return SUCCESS;
}
API cuStreamDestroy_v2(Stream* stream) {
    LOCKED;
    if (streams.erase(stream) == 0) return INVALID_HANDLE;
    delete stream;
    return SUCCESS;
}
API cuStreamSynchronize(Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (const Result result = not_captured(stream); result != SUCCESS) return result;
    finish(stream);
    return waited();
}
API cuStreamQuery(Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (const Result result = not_captured(stream); result != SUCCESS) return result;
    // Not at the first time that one asks, so that the question is seen to be asked again.
    const size_t before = queue.size();
    finish(stream);
    return queue.size() == before ? broken : NOT_READY;
}
API cuLaunchHostFunc(Stream* stream_handle, void (*function)(void*), void* data) {
    READY;
    STREAM(stream);
    return submit(stream, [=] { function(data); });
}
API cuEventCreate(SharedEvent** event, unsigned int flags) {
    READY;
    *event = new SharedEvent(new Event{current, flags, 0, 0, 0.0, {}});
    return SUCCESS;
}
API cuEventDestroy_v2(SharedEvent* event) {
    LOCKED;
    delete event;
    return SUCCESS;
}
API cuEventRecord(SharedEvent* event_handle, Stream* stream_handle) {
    READY;
    STREAM(stream);
    const SharedEvent event = *event_handle;
    if (event->context != stream->context) return INVALID_HANDLE;
    event->capture = stream->capture;
    if (stream->capture != nullptr) return stream->capture->invalid ? CAPTURE_INVALIDATED : SUCCESS;
    const unsigned long number = ++event->recorded;
    return submit(stream, [=] {
        event->done = number;
        event->time = now();
    });
}
API cuStreamWaitEvent(Stream* stream_handle, SharedEvent* event_handle, unsigned int) {
    READY;
    STREAM(stream);
    Event& event = **event_handle;
    if (event.capture != nullptr && stream->capture == nullptr) {
        // A capture spreads to who waits for what is captured.
        if (stream == &default_streams[stream->context->device]) return CAPTURE_UNSUPPORTED;
        stream->capture = event.capture;
    } else if (stream->capture != nullptr && stream->capture != event.capture && event.recorded > 0) {
        stream->capture->invalid = true;
        return explained(CAPTURE_ISOLATION, "a captured stream waits for an event that was recorded outside of the capture");
    }
    // Work is done in the order of the calls: whatever was recorded is done before.
    return broken;
}
static void finish_event(const Event& event) {
    finish_until([&] { return event.done == event.recorded; });
}
API cuEventQuery(SharedEvent* event) {
    READY;
    if ((*event)->capture != nullptr) return CAPTURED_EVENT;
    const bool done = (*event)->done == (*event)->recorded;
    finish_event(**event);
    return done ? broken : NOT_READY;
}
API cuEventSynchronize(SharedEvent* event) {
    READY;
    if ((*event)->capture != nullptr) return CAPTURED_EVENT;
    if ((*event)->done == (*event)->recorded) return broken;
    finish_event(**event);
    return waited();
}
API cuEventElapsedTime(float* milliseconds, SharedEvent* start, SharedEvent* end) {
    READY;
    const Event &a = **start, &b = **end;
    constexpr unsigned int DISABLE_TIMING = 2;
    if (((a.flags | b.flags) & DISABLE_TIMING) != 0 || a.recorded == 0 || b.recorded == 0) return INVALID_HANDLE;
    if (a.done != a.recorded || b.done != b.recorded) return NOT_READY;
    *milliseconds = (float)((b.time - a.time) * 1e3);
    return SUCCESS;
}
API cuEventElapsedTime_v2(float* milliseconds, SharedEvent* start, SharedEvent* end) {
    return cuEventElapsedTime(milliseconds, start, end);
}

// ---- memory

static Result allocated(int device, uint64_t* place, size_t bytes) {
    if (memory::used(device) + bytes > settings().bytes) finish();  // something may be about to be freed
    if (memory::used(device) + bytes > settings().bytes) return OUT_OF_MEMORY;
    void* memory = memory::allocate(device, bytes);
    *place = reinterpret_cast<uint64_t>(memory);
    return memory == nullptr ? OUT_OF_MEMORY : SUCCESS;
}
API cuMemAlloc_v2(uint64_t* place, size_t bytes) {
    READY;
    NOT_IN_CAPTURE;
    return bytes == 0 ? INVALID_VALUE : allocated(current->device, place, bytes);
}
// A stream that was made brings its context along: cudarc frees memory on threads that have none.
static Stream* stream_of_any_context(Stream* handle) {
    if (streams.count(handle) != 0) return handle;
    return current == nullptr ? nullptr : stream_of(handle);
}
API cuMemAllocAsync(uint64_t* place, size_t bytes, Stream* handle) {
    LOCKED;
    Stream* const stream = stream_of_any_context(handle);
    if (broken != SUCCESS) return broken;
    if (stream == nullptr) return INVALID_CONTEXT;
    // A real driver can capture this; the emulator cannot.
    if (const Result result = not_captured(stream); result != SUCCESS) return result;
    if (!settings().pools) return NOT_SUPPORTED;
    return bytes == 0 ? INVALID_VALUE : allocated(stream->context->device, place, bytes);
}
API cuMemAllocFromPoolAsync(uint64_t* place, size_t bytes, void*, Stream* stream) { return cuMemAllocAsync(place, bytes, stream); }
API cuMemFree_v2(uint64_t place) {
    READY;
    NOT_IN_CAPTURE;
    finish();
    if (place == 0) return SUCCESS;
    const int device = memory::owner(pointer(place), 0);
    return device >= 0 && memory::release(device, pointer(place)) ? broken : INVALID_VALUE;
}
API cuMemFreeAsync(uint64_t place, Stream* handle) {
    LOCKED;
    Stream* const stream = stream_of_any_context(handle);
    if (broken != SUCCESS) return broken;
    if (stream == nullptr) return INVALID_CONTEXT;
    if (const Result result = not_captured(stream); result != SUCCESS) return result;
    const int device = memory::owner(pointer(place), 0);
    if (device < 0) return INVALID_VALUE;
    return submit(stream, [=] {
        if (!memory::release(device, pointer(place))) emulator::fail("memory is freed twice");
    });
}
API cuMemGetInfo_v2(size_t* free, size_t* total) {
    READY;
    finish();
    *total = settings().bytes;
    *free = *total - memory::used(current->device);
    return broken;
}
API cuMemHostAlloc(void** place, size_t bytes, unsigned int) {
    READY;
    NOT_IN_CAPTURE;
    *place = memory::allocate(memory::HOST, bytes);
    return *place == nullptr ? OUT_OF_MEMORY : SUCCESS;
}
API cuMemAllocHost_v2(void** place, size_t bytes) { return cuMemHostAlloc(place, bytes, 0); }
API cuMemFreeHost(void* place) {
    READY;
    NOT_IN_CAPTURE;
    finish();
    return memory::release(memory::HOST, place) ? broken : INVALID_VALUE;
}

// Pools only have to be there: what is freed is given back at once.
API cuDeviceGetDefaultMemPool(void** pool, int device) {
    *pool = &contexts[device];
    return settings().pools ? SUCCESS : NOT_SUPPORTED;
}
API cuDeviceGetMemPool(void** pool, int device) { return cuDeviceGetDefaultMemPool(pool, device); }
API cuMemPoolSetAttribute(void*, int, void*) { return SUCCESS; }
API cuMemPoolGetAttribute(void*, int attribute, void* value) {
    // Those up to here are switches of four bytes, the others numbers of eight.
    constexpr int LAST_SWITCH = 3;
    memset(value, 0, attribute <= LAST_SWITCH ? 4 : 8);
    return SUCCESS;
}
API cuMemPoolTrimTo(void*, size_t) { return SUCCESS; }

// A copy or a filling of which both ends are known.
static Result moved(Stream* stream, const char* what, size_t bytes, bool at_once, Work work) {
    // A copy that does not go through pinned memory waits, unless it is captured.
    Result result = submit(stream, [=] {
        work();
        note("%s %zu\n", what, bytes);
    });
    if (at_once && stream->capture == nullptr) finish(stream);
    return result != SUCCESS ? result : broken;
}
static bool pinned(const void* host, size_t bytes) { return memory::owner(host, bytes) == memory::HOST; }

API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (!on_device(to, bytes)) return INVALID_VALUE;
    return moved(stream, "htod", bytes, !pinned(from, bytes), [=] { memcpy(pointer(to), from, bytes); });
}
API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (!on_device(from, bytes)) return INVALID_VALUE;
    return moved(stream, "dtoh", bytes, !pinned(to, bytes), [=] { memcpy(to, pointer(from), bytes); });
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (!on_device(to, bytes) || !on_device(from, bytes)) return INVALID_VALUE;
    return moved(stream, "dtod", bytes, false, [=] { memmove(pointer(to), pointer(from), bytes); });
}
API cuMemcpyPeerAsync(uint64_t to, Context*, uint64_t from, Context*, size_t bytes, Stream* stream) {
    return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
}
API cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (!on_device(to, bytes)) return INVALID_VALUE;
    return moved(stream, "memset", bytes, false, [=] { memset(pointer(to), value, bytes); });
}
API cuMemsetD32Async(uint64_t to, unsigned int value, size_t number, Stream* stream_handle) {
    READY;
    STREAM(stream);
    if (!on_device(to, 4 * number)) return INVALID_VALUE;
    return moved(stream, "memset", 4 * number, false, [=] { std::fill_n(static_cast<unsigned int*>(pointer(to)), number, value); });
}

// Those that wait are done on the default stream.
#define AT_ONCE(call) \
    READY; \
    NOT_IN_CAPTURE; \
    const Result result = call; \
    finish(&default_streams[current->device]); \
    return result != SUCCESS ? result : broken
API cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) { AT_ONCE(cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr)); }
API cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) { AT_ONCE(cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr)); }
API cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) { AT_ONCE(cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr)); }
API cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) { AT_ONCE(cuMemsetD8Async(to, value, bytes, nullptr)); }
API cuMemsetD32_v2(uint64_t to, unsigned int value, size_t number) { AT_ONCE(cuMemsetD32Async(to, value, number, nullptr)); }
// ---- errors

API cuGetErrorName(unsigned int error, const char** name) {
    switch (error) {
#define NAME(of) case of: *name = "CUDA_ERROR_" #of; return SUCCESS
        case SUCCESS: *name = "CUDA_SUCCESS"; return SUCCESS;
        NAME(INVALID_VALUE); NAME(OUT_OF_MEMORY); NAME(NOT_INITIALIZED); NAME(NO_DEVICE); NAME(INVALID_DEVICE); NAME(INVALID_IMAGE);
        NAME(INVALID_CONTEXT); NAME(INVALID_PTX); NAME(UNSUPPORTED_PTX_VERSION); NAME(FILE_NOT_FOUND); NAME(INVALID_HANDLE);
        NAME(NOT_FOUND); NAME(NOT_READY); NAME(ILLEGAL_ADDRESS); NAME(LAUNCH_OUT_OF_RESOURCES); NAME(NOT_SUPPORTED);
#undef NAME
#define NAME(of) case of: *name = "CUDA_ERROR_STREAM_" #of; return SUCCESS
        NAME(CAPTURE_UNSUPPORTED); NAME(CAPTURE_INVALIDATED); NAME(CAPTURE_UNMATCHED); NAME(CAPTURE_ISOLATION);
#undef NAME
        case CAPTURED_EVENT: *name = "CUDA_ERROR_CAPTURED_EVENT"; return SUCCESS;
        default: *name = nullptr; return INVALID_VALUE;
    }
}
API cuGetErrorString(unsigned int error, const char** text) {
    switch (error) {
        case OUT_OF_MEMORY: *text = "out of memory"; return SUCCESS;
        case NO_DEVICE: *text = "no CUDA-capable device is detected"; return SUCCESS;
        case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; return SUCCESS;
        default: return cuGetErrorName(error, text);
    }
}
#endif
