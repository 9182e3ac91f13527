#!/usr/bin/env python3
"""Compiles kernels/*.cu with NVRTC, without a GPU, a driver or a toolkit.

    tools/kernels.py            write kernels/ptx/*.ptx for compute capability 7.0, which every later card translates
    tools/kernels.py --check    fail if those files are not what the sources give, or if a kernel spills registers on a card that we know
    tools/kernels.py --report   registers, spills and shared memory of every kernel and card

NVRTC 12.4 (PTX 8.4, drivers from 550) comes from PyPI into .venv of this checkout, unless LACUNA_NVRTC names a library.
"""

import argparse
import ctypes
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
KERNELS = TOP / "kernels"
PACKAGE = "nvidia-cuda-nvrtc-cu12==12.4.127"
OPTIONS = ["--std=c++17", "--fmad=true"]
CARDS = [70, 80, 90]


def library():
    """The NVRTC that is named, or the one of the package."""
    named = os.environ.get("LACUNA_NVRTC")
    if not named:
        folder = TOP / ".venv" / "nvrtc"
        found = sorted(folder.glob("nvidia/cuda_nvrtc/lib/libnvrtc.so.*"))
        if not found:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--target", str(folder), PACKAGE], check=True, stderr=subprocess.DEVNULL)
            found = sorted(folder.glob("nvidia/cuda_nvrtc/lib/libnvrtc.so.*"))
        # It looks for its built-in headers beside the other libraries that are loaded.
        for extra in folder.glob("nvidia/cuda_nvrtc/lib/libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(extra), mode=ctypes.RTLD_GLOBAL)
        named = str(found[0])
    return ctypes.CDLL(named)


class Nvrtc:
    """As much of NVRTC as is needed."""

    def __init__(self):
        self.library = library()
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"
        headers = sorted(KERNELS.glob("*.cuh"))
        self.names = (ctypes.c_char_p * len(headers))(*[h.name.encode() for h in headers])
        self.texts = (ctypes.c_char_p * len(headers))(*[h.read_bytes() for h in headers])

    def text(self, program, what):
        size = ctypes.c_size_t()
        getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(max(size.value, 1))
        getattr(self.library, f"nvrtcGet{what}")(program, buffer)
        return buffer.value.decode()

    def compile(self, source, architecture, more=()):
        """PTX (for a `compute_` architecture) and the log."""
        program = ctypes.c_void_p()
        self.library.nvrtcCreateProgram(
            ctypes.byref(program), source.read_bytes(), source.name.encode(), len(self.names), self.texts, self.names
        )
        options = [*OPTIONS, f"--gpu-architecture={architecture}", *more]
        packed = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        failed = self.library.nvrtcCompileProgram(program, len(options), packed)
        log = self.text(program, "ProgramLog")
        if failed:
            sys.exit(f"{source.name} does not compile for {architecture}:\n{log}")
        return self.text(program, "PTX"), log


def usage(log):
    """Registers, bytes spilled and bytes of stack of each kernel in a compiler's log."""
    found = []
    for part in re.split(r"Compiling entry function", log)[1:]:
        name = re.match(r" '(\w+)'", part).group(1)
        number = lambda pattern: sum(int(n) for n in re.findall(pattern, part))
        spills = number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
        found.append((name, number(r"Used (\d+) registers"), spills, number(r"(\d+) bytes stack frame"), number(r"(\d+) bytes smem")))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--report", action="store_true")
    arguments.add_argument("sources", nargs="*", help="names of sources, all if none is given")
    arguments = arguments.parse_args()
    nvrtc = Nvrtc()
    sources = [s for s in sorted(KERNELS.glob("*.cu")) if not arguments.sources or s.stem in arguments.sources]
    wrong = []
    for source in sources:
        target = KERNELS / "ptx" / f"{source.stem}.ptx"
        ptx, _ = nvrtc.compile(source, "compute_70")
        # The compiler's build number and the paths of its own headers say nothing about the source.
        ptx = "\n".join(line for line in ptx.splitlines() if not line.startswith("//")) + "\n"
        if not (arguments.check or arguments.report):
            target.parent.mkdir(exist_ok=True)
            target.write_text(ptx)
            print(f"{target.relative_to(TOP)}: {len(ptx) >> 10} KiB")
            continue
        if arguments.check and (not target.exists() or target.read_text() != ptx):
            wrong.append(f"{target.relative_to(TOP)} is not what {source.name} gives: run tools/kernels.py")
        for card in CARDS:
            _, log = nvrtc.compile(source, f"sm_{card}", ["--ptxas-options=-v"])
            for name, registers, spills, stack, shared in usage(log):
                if arguments.report:
                    print(f"sm_{card} {name:16} {registers:4} registers, {spills} bytes spilled, {stack} of stack, {shared} shared")
                if spills or stack:
                    wrong.append(f"{name} spills {spills} bytes and keeps {stack} on the stack on sm_{card}")
    for line in wrong:
        print(line, file=sys.stderr)
    if arguments.check and not wrong:
        print(f"kernels: {len(sources)} sources as compiled by NVRTC {nvrtc.version}, no spills on sm_{', sm_'.join(map(str, CARDS))}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
