#include "memory.h"

#include <signal.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "grid.h"

namespace memory {
namespace {

constexpr size_t PAGE = 4096;
// What the Rust side may store in an allocation is aligned to at most this.
constexpr size_t ALIGNMENT = 16;
constexpr unsigned char GUARD = 0xa5;

struct Allocation {
    unsigned char* pages;
    size_t paged;
    unsigned char* begin;
    size_t bytes;
    int device;
};

// By the place of the first page, the fence before it included. Addresses that were freed are not
// used again.
typedef std::map<uintptr_t, Allocation> Allocations;
// Never destroyed: a program may still free memory while it ends.
Allocations& live = *new Allocations;
Allocations& freed = *new Allocations;
std::map<int, size_t>& sums = *new std::map<int, size_t>;

Allocations::iterator around(Allocations& of, uintptr_t place) {
    auto next = of.upper_bound(place);
    if (next == of.begin()) return of.end();
    const auto found = std::prev(next);
    const Allocation& a = found->second;
    return place < reinterpret_cast<uintptr_t>(a.pages) + a.paged + PAGE ? found : of.end();
}

bool untouched(const unsigned char* from, const unsigned char* to) {
    // All bytes are the same if each is the one before.
    return from == to || (*from == GUARD && memcmp(from, from + 1, to - from - 1) == 0);
}

void check(const Allocation& a) {
    const char* side = nullptr;
    if (!untouched(a.pages, a.begin)) side = "before";
    if (!untouched(a.begin + a.bytes, a.pages + a.paged)) side = "behind";
    if (side != nullptr) emulator::fail(std::string("something wrote ") + side + " an allocation of " + std::to_string(a.bytes) + " bytes");
}

Allocations::iterator free(Allocations::iterator place) {
    const Allocation& a = place->second;
    check(a);
    madvise(a.pages, a.paged, MADV_DONTNEED);
    mprotect(a.pages, a.paged, PROT_NONE);
    sums[a.device] -= a.bytes;
    freed.insert(*place);
    return live.erase(place);
}

struct sigaction before[NSIG];

void fault(int signal, siginfo_t* info, void*) {
    const uintptr_t place = reinterpret_cast<uintptr_t>(info->si_addr);
    const auto alive = around(live, place), dead = around(freed, place);
    if (alive == live.end() && dead == freed.end()) {
        // None of ours: it happens again, under who was there before.
        sigaction(signal, &before[signal], nullptr);
        return;
    }
    const Allocation& a = alive == live.end() ? dead->second : alive->second;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(a.begin);
    char text[200];
    const char* how = "access to byte %zu of an allocation of %zu bytes";
    if (place < begin) how = "access %zu bytes before an allocation of %zu bytes";
    if (alive == live.end()) how = "access at %zu to freed memory of %zu bytes";
    snprintf(text, sizeof(text), how, (size_t)(place < begin ? begin - place : place - begin), a.bytes);
    emulator::fail(text);
}

}  // namespace

void* allocate(int device, size_t bytes) {
    const size_t aligned = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t paged = (aligned + PAGE - 1) / PAGE * PAGE;
    void* all = mmap(nullptr, paged + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    unsigned char* pages = static_cast<unsigned char*>(all) + PAGE;
    if (mprotect(pages, paged, PROT_READ | PROT_WRITE) != 0) return nullptr;
    unsigned char* begin = pages + paged - aligned;
    memset(pages, GUARD, begin - pages);
    memset(begin, 0xff, bytes);
    memset(begin + bytes, GUARD, aligned - bytes);
    live[reinterpret_cast<uintptr_t>(all)] = {pages, paged, begin, bytes, device};
    sums[device] += bytes;
    return begin;
}

bool release(int device, const void* place) {
    const auto found = around(live, reinterpret_cast<uintptr_t>(place));
    if (found == live.end() || found->second.begin != place || found->second.device != device) return false;
    free(found);
    return true;
}

void release_all(int device) {
    for (auto place = live.begin(); place != live.end();) place = place->second.device == device ? free(place) : std::next(place);
}

int owner(const void* place, size_t bytes) {
    const auto found = around(live, reinterpret_cast<uintptr_t>(place));
    if (found == live.end()) return NOWHERE;
    const Allocation& a = found->second;
    const unsigned char* begin = static_cast<const unsigned char*>(place);
    return begin < a.begin || begin + bytes > a.begin + a.bytes ? NOWHERE : a.device;
}

size_t used(int device) { return sums[device]; }

void check() {
    for (const auto& [_, a] : live) check(a);
}

void watch_for_faults() {
    static bool watching = false;
    if (watching) return;
    watching = true;
    struct sigaction action = {};
    action.sa_sigaction = fault;
    // A thread that has a stack of its own for signals may have run out of its other one.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &before[SIGSEGV]);
    sigaction(SIGBUS, &action, &before[SIGBUS]);
}

FaultStack::FaultStack() {
    // Rust gives its threads such stacks, but small ones.
    static unsigned char stack[64 << 10];
    stack_t mine = {}, old = {};
    mine.ss_sp = stack;
    mine.ss_size = sizeof(stack);
    sigaltstack(&mine, &old);
    before = old.ss_sp;
    before_size = old.ss_size;
    before_flags = old.ss_flags;
}

FaultStack::~FaultStack() {
    stack_t old = {};
    old.ss_sp = before;
    old.ss_size = before_size;
    old.ss_flags = before_flags & SS_DISABLE;
    sigaltstack(&old, nullptr);
}

}  // namespace memory
