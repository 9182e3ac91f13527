"""cohere with numpy, in double precision as it has it. It knows no mask: masked pixels are zeros to it."""

import contextlib
import io
import tempfile
from importlib.metadata import version

import cohere_core.utilities.dvc_utils as device
import numpy as np
from cohere_core.controller import phasing

import peer

# Its threshold is relative to the largest amplitude, not to the rms amplitude: about the same for the objects here.
THRESHOLD = 0.2


class Solver:
    def __init__(self, problem, threads):
        # What it reads has the zero frequency in the middle; it takes files only.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            np.save(f"{folder}/data.npy", np.fft.fftshift(np.sqrt(problem.iobs)))
            np.save(f"{folder}/image.npy", np.fft.fftshift(problem.start).astype(np.complex128))
            np.save(f"{folder}/support.npy", np.fft.fftshift(problem.support).astype(np.float64))
            settings = {"algorithm_sequence": "1*ER", "hio_beta": peer.BETA, "raar_beta": peer.BETA}
            self.rec = phasing.Rec(settings, f"{folder}/data.npy", "np", debug=True)
            self.rec.init_dev(-1)
            self.rec.init_iter_loop(folder)

    def start(self, problem):
        self.rec.ds_image = np.fft.fftshift(problem.start).astype(np.complex128)
        self.rec.support = np.fft.fftshift(problem.support).astype(np.float64)

    def cycles(self, rule, cycles):
        # The steps of Rec.iterate for these algorithms.
        for _ in range(cycles):
            self.rec.next()
            self.rec.to_reciprocal_space()
            self.rec.modulus()
            self.rec.to_direct_space()
            rule()

    def hio(self, cycles):
        self.cycles(self.rec.hio, cycles)

    def er(self, cycles):
        self.cycles(self.rec.er, cycles)

    def raar(self, cycles):
        self.cycles(self.rec.raar, cycles)

    def update_support(self, blur):
        self.rec.support = device.shrink_wrap(self.rec.ds_image, THRESHOLD, blur)

    def result(self):
        # Its transform to reciprocal space is the inverse one.
        return np.conj(self.rec.ds_image), self.rec.support


if __name__ == "__main__":
    peer.main(Solver, f"cohere-core {version('cohere-core')}, numpy (scipy {version('scipy')})")
