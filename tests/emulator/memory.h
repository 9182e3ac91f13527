// Memory of the emulated devices, and pinned memory of the host: fenced in, counted, and spoiled
// when it is new.
#pragma once
#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(hidden)
namespace memory {

constexpr int HOST = -1, NOWHERE = -2;

// Pages that nobody may touch lie before and behind each allocation, which ends where the latter
// begin: what reads or writes behind it stops the program at once, and so does what comes after it
// was freed. Null if there is no more memory.
void* allocate(int device, size_t bytes);
// Whether there was an allocation at that place.
bool release(int device, const void* place);
void release_all(int device);

// Where all of the bytes lie.
int owner(const void* place, size_t bytes);
size_t used(int device);

// Fails if bytes beside an allocation were changed, between it and the pages that nobody may touch.
void check();
// Says what it was that touched such a page.
void watch_for_faults();

// While it lives, a fault of this thread has a stack that suffices to say so.
class FaultStack {
    void* before;
    size_t before_size;
    int before_flags;

public:
    FaultStack();
    ~FaultStack();
};

}  // namespace memory
#pragma GCC visibility pop
