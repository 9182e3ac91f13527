// The part of the driver that runs kernels: modules, functions, launches and graphs.
#include <fstream>
#include <iterator>

#include "state.h"

using namespace driver;

#ifndef WITHOUT_SYMBOLS
// ---- modules and functions

// The number behind the first `word` from `at` on, before `end`; `otherwise` where there is none.
static int number_after(const std::string& text, const std::string& word, size_t at, size_t end, int otherwise) {
    const size_t place = text.find(word, at);
    return place == std::string::npos || place > end ? otherwise : atoi(text.c_str() + place + word.size());
}

API cuModuleLoadData(Module** module, const void* image) {
    READY;
    std::string text = static_cast<const char*>(image);
    // Drivers know the language of their own version and of those before: 12.n brought 8.n up to
    // 12.5, and 12.6 nothing new.
    int major = 0, minor = 0, target = 0;
    const size_t version = text.find(".version"), architecture = text.find(".target");
    if (version != std::string::npos) sscanf(text.c_str() + version, ".version %d.%d", &major, &minor);
    if (architecture != std::string::npos) sscanf(text.c_str() + architecture, ".target sm_%d", &target);
    const int driver_major = settings().driver / 1000, driver_minor = settings().driver % 1000 / 10;
    const int language_minor = driver_major == 12 && driver_minor > 5 ? driver_minor - 1 : driver_minor;
    if (major * 100 + minor > (driver_major - 4) * 100 + language_minor) return UNSUPPORTED_PTX_VERSION;
    if (target > settings().major * 10 + settings().minor) return INVALID_PTX;
    *module = new Module{current, std::move(text), {}};
    return SUCCESS;
}
API cuModuleLoad(Module** module, const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return FILE_NOT_FOUND;
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return cuModuleLoadData(module, text.c_str());
}
API cuModuleUnload(Module* module) {
    LOCKED;
    finish();
    delete module;
    return SUCCESS;
}

// Whether the parameters that PTX declares are those of the source: if not, it is the PTX of
// another version of it.
static bool agrees(const std::string& image, size_t entry, const emulator::Kernel& kernel) {
    const size_t end = image.find(')', entry);
    size_t place = entry, number = 0;
    while ((place = image.find(".param", place)) < end && place != std::string::npos) {
        if (number == kernel.parameters.size()) return false;
        place += strlen(".param");
        const size_t stop = std::min(image.find(',', place), end), bracket = image.find('[', place);
        const std::string type = image.substr(place, stop - place);
        // `.b8 name[bytes]`, or a number of bits in the name of a type.
        const size_t digits = std::min(type.find_first_of("0123456789"), type.size());
        const size_t size = bracket < stop ? (size_t)atol(image.c_str() + bracket + 1) : (size_t)atol(type.c_str() + digits) / 8;
        // What is smaller than a word may be declared as one.
        if (size != kernel.parameters[number++].size && size > 4) return false;
    }
    return number == kernel.parameters.size();
}

API cuModuleGetFunction(Function** function, Module* module, const char* name) {
    READY;
    const std::string& image = module->image;
    size_t entry = std::string::npos;
    for (size_t place = 0; (place = image.find(".entry", place)) != std::string::npos; place++) {
        const size_t begin = image.find_first_not_of(" \t\n", place + strlen(".entry"));
        const size_t end = image.find_first_of(" \t\n(", begin);
        if (begin != std::string::npos && image.compare(begin, end - begin, name) == 0) entry = place;
    }
    if (entry == std::string::npos) return NOT_FOUND;
    const emulator::Kernel* kernel = emulator::find_kernel(name);
    if (kernel == nullptr) return explained(NOT_FOUND, std::string("the emulator was not built with the kernel ") + name);
    if (image.find('(', entry) != std::string::npos && !agrees(image, entry, *kernel))
        return explained(INVALID_IMAGE, std::string("the PTX of ") + name + " has other parameters than the source");
    const size_t body = std::min(image.find('{', entry), image.size());
    const int most_threads = number_after(image, ".maxntid ", entry, body, 1024);
    // Static shared variables carry the name of their function in theirs.
    int shared = 0;
    const std::string mangled = "_ZZ" + std::to_string(strlen(name)) + name + "E";
    for (size_t place = 0; (place = image.find(".shared", place)) != std::string::npos; place++) {
        const size_t line = std::min(image.find(';', place), image.size());
        const size_t word = image.find(mangled, place), bracket = image.find('[', place);
        if (word < line && bracket < line) shared += atoi(image.c_str() + bracket + 1);
    }
    module->functions.push_back(std::make_unique<Function>(Function{module, kernel, most_threads, shared, USUAL_SHARED - shared}));
    *function = module->functions.back().get();
    return SUCCESS;
}
API cuModuleGetGlobal_v2(uint64_t*, size_t*, Module*, const char*) { return NOT_FOUND; }
API cuFuncGetAttribute(int* value, int attribute, Function* function) {
    switch (attribute) {
        case 0: *value = function->most_threads; break;
        case 1: *value = function->static_shared; break;
        case 4: *value = 32; break;
        case 5: case 6: *value = settings().major * 10 + settings().minor; break;
        case 8: *value = function->dynamic_shared; break;
        case 9: *value = function->carveout; break;
        default: *value = 0;
    }
    return SUCCESS;
}
API cuFuncSetAttribute(Function* function, int attribute, int value) {
    if (attribute == 8) {
        if (value < 0 || value + function->static_shared > settings().shared) return INVALID_VALUE;
        function->dynamic_shared = value;
    } else if (attribute == 9) {
        if (value < -1 || value > 100) return INVALID_VALUE;
        function->carveout = value;
    } else {
        return INVALID_VALUE;
    }
    return SUCCESS;
}
API cuFuncSetCacheConfig(Function*, int) { return SUCCESS; }
API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, Function* function, int threads, size_t shared, unsigned int) {
    if (threads <= 0 || threads > function->most_threads) return INVALID_VALUE;
    const size_t all = shared + (size_t)function->static_shared;
    *blocks = std::min({THREADS_OF_MULTIPROCESSOR / threads, 32, all == 0 ? 32 : (int)((size_t)settings().shared / all)});
    return SUCCESS;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* function, int threads, size_t shared) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared, 0);
}

// ---- launches

// The values of the arguments, as they are when the launch is asked for.
struct Arguments {
    std::vector<std::max_align_t> bytes;
    std::vector<void*> places;

    Arguments(const emulator::Kernel& kernel, void** values) {
        constexpr size_t UNIT = sizeof(std::max_align_t);
        size_t units = 0;
        for (const auto& parameter : kernel.parameters) units += (parameter.size + UNIT - 1) / UNIT;
        bytes.resize(units);
        units = 0;
        for (size_t i = 0; i < kernel.parameters.size(); i++) {
            places.push_back(memcpy(&bytes[units], values[i], kernel.parameters[i].size));
            units += (kernel.parameters[i].size + UNIT - 1) / UNIT;
        }
    }
};

API cuLaunchKernel(Function* function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx, unsigned int by, unsigned int bz,
                   unsigned int shared, Stream* stream_handle, void** values, void**) {
    READY;
    STREAM(stream);
    const emulator::Kernel& kernel = *function->kernel;
    const std::string name = std::string("launch of ") + kernel.name;
    if (function->module->context != current) return explained(INVALID_HANDLE, name + ": the function is of another context");
    const unsigned long long threads = (unsigned long long)bx * by * bz;
    if (gx == 0 || gy == 0 || gz == 0 || gx > 0x7fffffff || gy > 65535 || gz > 65535)
        return explained(INVALID_VALUE, name + ": a grid that is not allowed");
    if (bx == 0 || by == 0 || bz == 0 || bz > 64 || threads > 1024 || threads > (unsigned long long)function->most_threads)
        return explained(INVALID_VALUE, name + ": a block that is not allowed");
    if (shared > (unsigned int)function->dynamic_shared)
        return explained(INVALID_VALUE, name + ": " + std::to_string(shared) + " bytes of dynamic shared memory, " +
                                            std::to_string(function->dynamic_shared) + " are allowed");
    for (size_t i = 0; i < kernel.parameters.size(); i++) {
        if (!kernel.parameters[i].is_pointer) continue;
        void* place;
        memcpy(&place, values[i], sizeof(place));
        const int owner = place == nullptr ? current->device : memory::owner(place, 0);
        if (owner >= 0 && owner != current->device) return broken = explained(ILLEGAL_ADDRESS, name + ": memory of another device");
    }
    const auto arguments = std::make_shared<Arguments>(kernel, values);
    return submit(stream, [=, &kernel] {
        static long launches = 0;
        note("launch %s %u,%u,%u %u,%u,%u %u\n", kernel.name, gx, gy, gz, bx, by, bz, shared);
        if (++launches == settings().fail) broken = ILLEGAL_ADDRESS;
        else emulator::run_grid(kernel, arguments->places.data(), {gx, gy, gz}, {bx, by, bz}, shared);
    });
}

// What the fake of another library does on a stream.
extern "C" __attribute__((visibility("default"))) bool lacuna_emulator_submit(  //
    Stream* handle, const char* what, void (*work)(void*), void* data, void (*destroy)(void*)) {
    const std::shared_ptr<void> kept(data, destroy);
    LOCKED;
    if (ready() != SUCCESS) return false;
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return false;
    const std::string line = what;
    const Result result = submit(stream, [=] {
        note("%s\n", line.c_str());
        work(kept.get());
    });
    return result == SUCCESS;
}

// ---- graphs

API cuStreamBeginCapture_v2(Stream* stream_handle, int mode) {
    READY;
    STREAM(stream);
    // The default stream cannot be captured.
    if (stream == &default_streams[stream->context->device]) return explained(CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
    if (stream->capture != nullptr) return INVALID_VALUE;
    stream->capture = std::make_shared<Capture>(Capture{{}, stream, mode, std::this_thread::get_id()});
    return SUCCESS;
}
API cuStreamEndCapture(Stream* stream_handle, Graph** graph) {
    READY;
    STREAM(stream);
    *graph = nullptr;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (capture == nullptr) return INVALID_VALUE;
    if (capture->origin != stream) return CAPTURE_UNMATCHED;
    for (Stream* other : streams)
        if (other->capture == capture) other->capture = nullptr;
    if (capture->invalid) return CAPTURE_INVALIDATED;
    *graph = new Graph{std::make_shared<std::vector<Work>>(std::move(capture->work))};
    return SUCCESS;
}
API cuStreamIsCapturing(Stream* stream_handle, int* status) {
    READY;
    STREAM(stream);
    *status = stream->capture == nullptr ? 0 : stream->capture->invalid ? 2 : 1;
    return SUCCESS;
}
API cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long) {
    READY;
    *executable = new Graph(*graph);
    return SUCCESS;
}
API cuGraphLaunch(Graph* executable, Stream* stream_handle) {
    READY;
    STREAM(stream);
    const auto all = executable->work;
    return submit(stream, [=] {
        note("graph %zu\n", all->size());
        for (const Work& work : *all)
            if (broken == SUCCESS) work();
    });
}
API cuGraphUpload(Graph*, Stream*) {
    READY;
    return SUCCESS;
}
API cuGraphExecDestroy(Graph* executable) {
    LOCKED;
    delete executable;
    return SUCCESS;
}
API cuGraphDestroy(Graph* graph) {
    LOCKED;
    delete graph;
    return SUCCESS;
}
#endif
