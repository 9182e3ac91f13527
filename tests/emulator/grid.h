// Runs grids of blocks of threads on one host thread: what kernels see of it, by way of cuda.h, and
// what the driver calls.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#pragma GCC visibility push(hidden)
namespace emulator {

struct uint3 {
    unsigned int x = 1, y = 1, z = 1;
};

constexpr unsigned int WARP = 32, MOST_THREADS = 1024;

// ---- for kernels

// Of the thread that runs. Launches never overlap, so these can be plain variables.
extern uint3 thread_index, block_index, block_size, grid_size;
extern unsigned char* dynamic_shared;

// Waits until all threads of the block, or of the warp, that have not returned are here.
void barrier(const char* file, int line);
void warp_barrier(const char* file, int line);
unsigned int lane();
uint64_t shuffle(uint64_t bits, int lane);

// ---- for the driver

struct Parameter {
    size_t size;
    bool is_pointer;
};

// A kernel under its name, as the driver is asked for it.
struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    std::vector<Parameter> parameters;
};

bool add_kernel(const char* name, void (*call)(void**), std::vector<Parameter> parameters);
const Kernel* find_kernel(const std::string& name);

void run_grid(const Kernel& kernel, void** arguments, uint3 grid, uint3 block, size_t shared);

// The kernel, block and thread that run, in words; empty while none does.
std::string running();
// Says on the standard error what is wrong, and where, and aborts.
[[noreturn]] void fail(const std::string& message);

// ---- registration

template <class F> struct Signature;
template <class... A> struct Signature<void (*)(A...)> {
    template <void (*F)(A...), size_t... I> static void unpack(void** arguments, std::index_sequence<I...>) {
        (void)arguments;
        F(*static_cast<std::remove_cv_t<A>*>(arguments[I])...);
    }
    template <void (*F)(A...)> static void call(void** arguments) { unpack<F>(arguments, std::index_sequence_for<A...>{}); }
    static std::vector<Parameter> parameters() { return {Parameter{sizeof(A), std::is_pointer_v<A>}...}; }
};

}  // namespace emulator
#pragma GCC visibility pop

#define KERNEL(name) \
    static const bool registered_##name = emulator::add_kernel( \
        #name, emulator::Signature<decltype(&name)>::template call<&name>, emulator::Signature<decltype(&name)>::parameters());
