#!/bin/sh
# Builds the fake CUDA libraries: tests/emulator/build.sh OUT KERNELS [SOURCE]
#
#   OUT/libcuda.so.1, OUT/libcufft.so.11   to be found by LD_LIBRARY_PATH=OUT; contain the kernels of KERNELS/*.cu
#   OUT/old/libcuda.so.1                   a driver that lacks most of its functions
#
# Nothing is done if they are newer than all sources. Several programs may ask at once.
#
# The kernels of a source are found by how they are declared: extern "C" __global__ void name(. SOURCE, if given, is compiled instead of
# what is made from that; it includes sources and says KERNEL(name) for each kernel.
set -eu
out=$1
kernels=$2
here=$(dirname "$0")
mkdir -p "$out/old" "$out/objects"
exec 9>"$out/lock"
flock 9
if [ -e "$out/old/libcuda.so" ] && [ -z "$(find "$here" "$kernels" ${3:+"$3"} -newer "$out/old/libcuda.so.1" -type f)" ]; then exit; fi
rm -f "$out/old/libcuda.so"
rm -f "$out"/objects/*

# Without its vectoriser, which makes wrong transforms of 8 and 16 numbers (GCC 12.2; no sanitizer complains, and -O1 is right).
# Multiplications and additions are joined as on the device, where the host can; and shared memory is used with several types.
flags="-std=c++17 -O2 -fno-tree-vectorize -fno-tree-slp-vectorize -g1 -fPIC -fvisibility=hidden -fno-strict-aliasing -fno-math-errno -fno-trapping-math -fcf-protection=none"
flags="$flags -Wall -Wextra -Wno-unknown-pragmas -Wno-unused-function -I$here -I$kernels"
case $(uname -m) in x86_64) if grep -q avx2 /proc/cpuinfo; then flags="$flags -march=x86-64-v3"; fi ;; esac
compiler=${CXX:-g++}

if [ $# -gt 2 ]; then
    cp "$3" "$out/objects/given.cpp"
else
    for source in "$kernels"/*.cu; do
        # A source is alone, as it is to NVRTC: what it defines is not seen by others, which may define something else by the same name.
        {
            echo '#include "cuda.h"'
            echo "namespace { // NOLINT"
            echo "#include \"$(basename "$source")\""
            tr '\n' ' ' <"$source" | grep -oE 'extern "C" +__global__ +void +(__launch_bounds__\([^)]*\) *)?[A-Za-z_0-9]+ *\(' |
                sed -E 's/.*[ )]([A-Za-z_0-9]+) *\($/KERNEL(\1)/'
            echo "}"
        } >"$out/objects/$(basename "$source" .cu).cpp"
    done
fi
# Two at a time, the longest first.
{
    ls -S "$out"/objects/*.cpp
    ls "$here"/grid.cpp "$here"/memory.cpp "$here"/driver.cpp "$here"/launch.cpp "$here"/cufft.cpp
} | xargs -P 2 -I{} sh -c "$compiler $flags -c -o $out/objects/\$(basename {} .cpp).o {} || exit 255"
mv "$out/objects/cufft.o" "$out/cufft.o"

# Names as programs look for them: without a version first.
link="-shared -Wl,-Bsymbolic -Wl,-z,defs"
$compiler $link -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" "$out"/objects/*.o
ln -sf libcuda.so.1 "$out/libcuda.so"
$compiler $link -Wl,-soname,libcufft.so.11 -Wl,-rpath,'$ORIGIN' -o "$out/libcufft.so.11" "$out/cufft.o" "$out/libcuda.so.1"
ln -sf libcufft.so.11 "$out/libcufft.so"
rm "$out/cufft.o"
$compiler $flags -O0 -DWITHOUT_SYMBOLS $link -Wl,-soname,libcuda.so.1 -o "$out/old/libcuda.so.1" \
    "$here/driver.cpp" "$here/grid.cpp" "$here/memory.cpp"
ln -sf libcuda.so.1 "$out/old/libcuda.so"
