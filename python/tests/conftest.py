"""Small simulated patterns, and the program where it was built."""

import os
import shutil
from pathlib import Path

import pytest

import lacuna_cdi

# Enough to find a small crystal, in a fraction of a second.
QUICK = {"nb_run": 2, "algorithm": "ER**20,(Sup*HIO**20)**4", "seed": 3}


@pytest.fixture(scope="session")
def crystal():
    """A strained crystal behind a cross of four pixels, 64 x 64."""
    return lacuna_cdi.simulate((64, 64), gap=4, strain=0.5, photons=1e7, seed=5)


@pytest.fixture(scope="session")
def volume():
    """The rocking curve of a crystal behind a cross, 32 x 32 x 32."""
    return lacuna_cdi.simulate((32, 32, 32), gap=4, strain=0.5, photons=1e7, seed=5)


@pytest.fixture(scope="session")
def result(crystal):
    """The crystal, reconstructed."""
    return lacuna_cdi.phase(crystal, **QUICK)


@pytest.fixture(scope="session")
def program():
    """The program `lacuna` of the same sources."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target"))
    found = os.environ.get("LACUNA") or shutil.which("lacuna", path=target / "release")
    if not found:
        pytest.skip("the program is not built: cargo build --release")
    return found
