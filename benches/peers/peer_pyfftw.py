"""What a user would write with numpy and pyFFTW: planned with FFTW_MEASURE, single precision, no array made in a cycle."""

import ctypes

import numpy as np
import pyfftw
from scipy.ndimage import gaussian_filter

import peer


class Solver:
    def __init__(self, problem, threads):
        shape = problem.iobs.shape
        axes = tuple(range(len(shape)))
        plan = {"axes": axes, "threads": threads, "flags": ("FFTW_MEASURE",), "normalise_idft": False}
        self.object = pyfftw.empty_aligned(shape, "complex64")
        self.work = pyfftw.empty_aligned(shape, "complex64")
        # Out of place, the forward transform leaves the object that HIO and RAAR need.
        self.forward = pyfftw.FFTW(self.object, self.work, direction="FFTW_FORWARD", **plan)
        self.inverse = pyfftw.FFTW(self.work, self.work, direction="FFTW_BACKWARD", **plan)
        self.ratio = np.empty(shape, np.float32)
        # The transforms are not normalised: what they leave, n, is taken out by the ratio that multiplies in between.
        n = self.object.size
        self.amplitude = np.sqrt(problem.iobs) / np.float32(np.sqrt(n))
        self.free, self.free_ratio = problem.mask, np.float32(1 / n)
        self.start(problem)

    def start(self, problem):
        self.object[:] = problem.start
        self.support = problem.support.copy()

    def transforms(self, cycles):
        for _ in range(cycles):
            self.forward.execute()
            self.inverse.execute()

    def project(self):
        """The modulus projection, from self.object to self.work."""
        self.forward.execute()
        np.abs(self.work, out=self.ratio)
        np.maximum(self.ratio, np.float32(1e-12), out=self.ratio)
        np.divide(self.amplitude, self.ratio, out=self.ratio)
        np.copyto(self.ratio, self.free_ratio, where=self.free)
        np.multiply(self.work, self.ratio, out=self.work)
        self.inverse.execute()

    def hio(self, cycles):
        for _ in range(cycles):
            self.project()
            # object - beta work outside the support; work is not needed there any more.
            np.copyto(self.object, 0, where=self.support)
            np.multiply(self.work, np.float32(-peer.BETA), out=self.work, where=~self.support)
            np.add(self.object, self.work, out=self.object)

    def er(self, cycles):
        for _ in range(cycles):
            self.project()
            np.multiply(self.work, self.support, out=self.object)

    def raar(self, cycles):
        for _ in range(cycles):
            self.project()
            np.multiply(self.object, np.float32(peer.BETA), out=self.object)
            np.copyto(self.object, 0, where=self.support)
            np.multiply(self.work, np.float32(1 - 2 * peer.BETA), out=self.work, where=~self.support)
            np.add(self.object, self.work, out=self.object)

    def update_support(self, blur):
        modulus = gaussian_filter(np.abs(self.object), blur, mode="wrap")
        rms = np.sqrt(np.square(modulus[self.support], dtype=np.float64).mean())
        self.support = modulus > np.float32(peer.THRESHOLD * rms)

    def result(self):
        return np.fft.fftshift(self.object), np.fft.fftshift(self.support)


def version():
    try:
        fftw = ctypes.c_char_p(ctypes.addressof(ctypes.c_char.in_dll(ctypes.CDLL(None), "fftwf_version"))).value.decode()
    except ValueError:
        fftw = "FFTW of the wheel"
    return f"pyFFTW {pyfftw.__version__} ({fftw}), numpy {np.__version__}"


if __name__ == "__main__":
    peer.main(Solver, version())
