// The threads of a block are fibers: each runs until it returns or waits at a barrier, and goes on
// when all others have come there.
#include "grid.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#if !defined(__x86_64__) || defined(WITH_UCONTEXT)
#include <ucontext.h>
#endif

// What all `__shared__` variables of all kernels lie between; none if no kernel has any.
extern unsigned char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

namespace emulator {

uint3 thread_index, block_index, block_size, grid_size;
unsigned char* dynamic_shared;

namespace {

constexpr size_t STACK = 64 << 10;
constexpr uint64_t CANARY = 0x5ca1ab1edeadbeef;
constexpr unsigned char GUARD = 0xa5;
constexpr size_t GUARDED = 4096, MOST_SHARED = 256 << 10;

// ---- switching

#if defined(__x86_64__) && !defined(WITH_UCONTEXT)
// ucontext would do the same but for a system call each time, to keep a mask of signals. The switch
// is a jump in the middle of a function, not a call: calls and returns stay paired, as the
// processor expects when it predicts where a return goes.
typedef void* Context;
inline __attribute__((always_inline)) void leave_for(Context* from, Context* to) {
    // The compiler sees no call here, so it may keep something in the 128 bytes below the stack.
    asm volatile(
        "leaq -128(%%rsp), %%rsp\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rbp\n\t"
        "pushq %%rax\n\t"
        "movq %%rsp, (%0)\n\t"
        "movq (%1), %%rsp\n\t"
        "popq %%rax\n\t"
        "popq %%rbp\n\t"
        "jmpq *%%rax\n"
        "1:\tleaq 128(%%rsp), %%rsp"
        : "+D"(from), "+S"(to)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
}
void prepare(Context* context, unsigned char* stack, size_t size, void (*entry)()) {
    // As a call leaves it: a return address (none) at a place that eight more bytes would align.
    void** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(stack) + size) & ~uintptr_t(15)) - 1;
    *top = nullptr;
    *--top = nullptr;  // %rbp
    *--top = reinterpret_cast<void*>(entry);
    *context = top;
}
#else
typedef ucontext_t Context;
void leave_for(Context* from, Context* to) { swapcontext(from, to); }
void prepare(Context* context, unsigned char* stack, size_t size, void (*entry)()) {
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = size;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
}
#endif

// ---- fibers

enum class State { FRESH, READY, AT_BARRIER, AT_WARP_BARRIER, DONE };

struct Fiber {
    Context context;
    unsigned char* stack = nullptr;
    uint3 index;
    State state = State::DONE;
    const char* file = nullptr;
    int line = 0;
};

Fiber fibers[MOST_THREADS];
Fiber* current;
Context scheduler;
const Kernel* kernel;
void** arguments;
uint64_t exchange[MOST_THREADS];

// Stacks that no fiber is on. The last that became free is in the cache: a kernel without barriers
// uses only one.
unsigned char* free_stacks[MOST_THREADS];
unsigned int number_free = 0;

void make_stacks() {
    if (free_stacks[0] != nullptr) return;
    void* memory = mmap(nullptr, STACK * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("no memory for stacks");
    for (; number_free < MOST_THREADS; number_free++) {
        free_stacks[number_free] = static_cast<unsigned char*>(memory) + number_free * STACK;
        memcpy(free_stacks[number_free], &CANARY, sizeof(CANARY));
    }
}

void suspend(State state, const char* file, int line) {
    Fiber* me = current;
    me->state = state;
    me->file = file;
    me->line = line;
    leave_for(&me->context, &scheduler);
}

void entry() {
    kernel->call(arguments);
    suspend(State::DONE, nullptr, 0);
    abort();
}

void resume(Fiber& fiber) {
    if (fiber.state == State::FRESH) {
        fiber.stack = free_stacks[--number_free];
        // Stacks lie a power of two apart: without this, the frames of all fibers would compete for
        // the same lines of the cache.
        const size_t shift = number_free % 61 * 192;
        prepare(&fiber.context, fiber.stack, STACK - shift, entry);
    }
    current = &fiber;
    thread_index = fiber.index;
    leave_for(&scheduler, &fiber.context);
    if (fiber.state != State::DONE) return;
    uint64_t canary;
    memcpy(&canary, fiber.stack, sizeof(canary));
    if (canary != CANARY) fail("the stack of a thread is too small for the kernel");
    free_stacks[number_free++] = fiber.stack;
}

std::string place(const Fiber& f) {
    char text[400];
    snprintf(text, sizeof(text), "thread (%u, %u, %u) waits at %s:%d", f.index.x, f.index.y, f.index.z, f.file, f.line);
    return text;
}

// Lets the warps go on whose threads all wait for one another. Says whether there was one.
bool release_warps(unsigned int threads) {
    bool any = false;
    for (unsigned int begin = 0; begin < threads; begin += WARP) {
        const unsigned int end = begin + WARP < threads ? begin + WARP : threads;
        unsigned int waiting = 0, live = 0;
        for (unsigned int i = begin; i < end; i++) {
            live += fibers[i].state != State::DONE;
            waiting += fibers[i].state == State::AT_WARP_BARRIER;
        }
        if (waiting == 0 || waiting < live) continue;
        any = true;
        for (unsigned int i = begin; i < end; i++)
            if (fibers[i].state == State::AT_WARP_BARRIER) fibers[i].state = State::READY;
    }
    return any;
}

// All threads that have not returned wait. The block goes on if they all wait for the same.
void release_block(unsigned int threads) {
    const Fiber* first = nullptr;
    for (unsigned int i = 0; i < threads; i++) {
        const Fiber& fiber = fibers[i];
        if (fiber.state == State::DONE) continue;
        if (first == nullptr) first = &fiber;
        if (fiber.state != first->state || fiber.line != first->line || strcmp(fiber.file, first->file) != 0)
            fail("a barrier that not all threads of the block reach: " + place(*first) + ", " + place(fiber));
    }
    for (unsigned int i = 0; i < threads; i++)
        if (fibers[i].state != State::DONE) fibers[i].state = State::READY;
}

// The order in which threads run between two barriers is turned round each time, and each block
// begins differently: what needs a barrier and has none shows as a wrong result.
void run_block(unsigned int threads, bool backward) {
    for (unsigned int i = 0; i < threads; i++) fibers[i].state = State::FRESH;
    for (;;) {
        unsigned int waiting = 0;
        bool warps = false;
        for (unsigned int i = 0; i < threads; i++) {
            Fiber& fiber = fibers[backward ? threads - 1 - i : i];
            if (fiber.state == State::FRESH || fiber.state == State::READY) resume(fiber);
            waiting += fiber.state != State::DONE;
            warps = warps || fiber.state == State::AT_WARP_BARRIER;
        }
        if (waiting == 0) return;
        backward = !backward;
        if (!(warps && release_warps(threads))) release_block(threads);
    }
}

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

}  // namespace

// ---- for kernels

void barrier(const char* file, int line) { suspend(State::AT_BARRIER, file, line); }
void warp_barrier(const char* file, int line) { suspend(State::AT_WARP_BARRIER, file, line); }
unsigned int lane() { return (unsigned int)(current - fibers) % WARP; }

uint64_t shuffle(uint64_t bits, int from) {
    const unsigned int me = (unsigned int)(current - fibers), first = me / WARP * WARP;
    exchange[me] = bits;
    warp_barrier("a shuffle", 1);
    const unsigned int other = first + (unsigned int)from;
    const bool exists = from >= 0 && from < (int)WARP && other < block_size.x * block_size.y * block_size.z;
    const uint64_t got = exists ? exchange[other] : bits;
    warp_barrier("a shuffle", 2);
    return got;
}

// ---- for the driver

bool add_kernel(const char* name, void (*call)(void**), std::vector<Parameter> parameters) {
    if (!kernels().emplace(name, Kernel{name, call, std::move(parameters)}).second) fail(std::string("two kernels are called ") + name);
    return true;
}

const Kernel* find_kernel(const std::string& name) {
    const auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

void run_grid(const Kernel& of, void** with, uint3 grid, uint3 block, size_t shared) {
    static unsigned char* room = [] {
        void* memory = mmap(nullptr, MOST_SHARED + GUARDED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) fail("no memory for what blocks share");
        return static_cast<unsigned char*>(memory);
    }();
    if (shared > MOST_SHARED) fail("more shared memory than there is");
    make_stacks();
    kernel = &of;
    arguments = with;
    block_size = block;
    grid_size = grid;
    const unsigned int threads = block.x * block.y * block.z;
    for (unsigned int i = 0; i < threads; i++) fibers[i].index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    // It ends where guard bytes begin; a write beyond it is noticed after the block.
    dynamic_shared = room;
    memset(room + shared, GUARD, GUARDED);
    unsigned int number = 0;
    for (block_index.z = 0; block_index.z < grid.z; block_index.z++)
        for (block_index.y = 0; block_index.y < grid.y; block_index.y++)
            for (block_index.x = 0; block_index.x < grid.x; block_index.x++) {
                // Bytes that make no number, so that a value that nobody wrote shows.
                memset(room, 0xff, shared);
                if (__start_shared_memory != nullptr) memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
                run_block(threads, number++ % 2 != 0);
                // All bytes are the same if each is the one before.
                if (room[shared] != GUARD || memcmp(room + shared, room + shared + 1, GUARDED - 1) != 0)
                    fail("wrote behind the dynamic shared memory of " + std::to_string(shared) + " bytes");
            }
    kernel = nullptr;
}

std::string running() {
    if (kernel == nullptr) return "";
    char text[400];
    snprintf(text, sizeof(text), "kernel %s, block (%u, %u, %u) of (%u, %u, %u), thread (%u, %u, %u) of (%u, %u, %u)", kernel->name,
             block_index.x, block_index.y, block_index.z, grid_size.x, grid_size.y, grid_size.z, thread_index.x, thread_index.y,
             thread_index.z, block_size.x, block_size.y, block_size.z);
    return text;
}

void fail(const std::string& message) {
    const std::string where = running();
    const std::string line = "emulated GPU: " + message + (where.empty() ? "" : ": ") + where + "\n";
    // Not by way of stdio: after a fault that may have nowhere to work.
    if (write(STDERR_FILENO, line.data(), line.size()) < 0) {}
    abort();
}

}  // namespace emulator
