"""PyNX's CPU operators. Its transforms, scipy's, run on one thread whatever it is told."""

import os

os.environ["PYNX_PU"] = "cpu"
os.environ["MPLBACKEND"] = "Agg"
from pynx.processing_unit import default_processing_unit

default_processing_unit.use_cpu()
import numpy as np
import pynx.cdi.cpu_operator as operators
from pynx.cdi.cdi import CDI, SupportTooLarge, SupportTooSmall

import peer


class Solver:
    def __init__(self, problem, threads):
        self.cdi = CDI(problem.iobs.copy(), support=problem.support.astype(np.int8), obj=problem.start.copy(),
                       mask=problem.mask.astype(np.int8))

    def start(self, problem):
        self.cdi.set_obj(problem.start.copy())
        self.cdi.set_support(problem.support.astype(np.int8))
        self.cdi.reset_history()

    def hio(self, cycles):
        self.cdi = operators.HIO(beta=peer.BETA) ** cycles * self.cdi

    def er(self, cycles):
        self.cdi = operators.ER() ** cycles * self.cdi

    def raar(self, cycles):
        self.cdi = operators.RAAR(beta=peer.BETA) ** cycles * self.cdi

    def update_support(self, blur):
        # It refuses supports that are far too large or too small; its own scripts then try another threshold.
        threshold = peer.THRESHOLD
        for _ in range(20):
            try:
                self.cdi = operators.SupportUpdate(threshold_relative=threshold, smooth_width=blur, method="rms") * self.cdi
                return
            except SupportTooLarge:
                threshold *= 1.1
            except SupportTooSmall:
                threshold *= 0.9

    def result(self):
        return np.fft.fftshift(self.cdi.get_obj()), np.fft.fftshift(self.cdi.get_support())


def version():
    from pynx.version import __version__
    import scipy

    return f"PyNX {__version__}, CPU operators (scipy {scipy.__version__})"


if __name__ == "__main__":
    peer.main(Solver, version())
