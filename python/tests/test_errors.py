"""Bad input: the class of each exception, and its one line."""

import numpy as np
import pytest

import lacuna_cdi
from conftest import QUICK


def line(caught):
    text = str(caught.value)
    assert "\n" not in text and isinstance(caught.value, lacuna_cdi.LacunaError)
    return text


def refused(error, builtin, words, call):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, builtin)
    text = line(caught)
    for word in words:
        assert word in text, text


def test_settings(crystal):
    phase = lacuna_cdi.phase
    unknown, setting = lacuna_cdi.UnknownSettingError, lacuna_cdi.SettingError
    refused(unknown, TypeError, ["'nb_runn'", "'nb_run'"], lambda: phase(crystal, nb_runn=2))
    refused(unknown, TypeError, ["did you mean 'progress'"], lambda: phase(crystal, progres=True))
    refused(unknown, TypeError, ["'nb_run'"], lambda: phase(crystal, preset={"nb_runn": 2}))
    refused(unknown, TypeError, ["'nb_run'"], lambda: lacuna_cdi.prepare(crystal, nb_run=2))
    refused(setting, ValueError, ["nb_run = 0: must be from 1"], lambda: phase(crystal, nb_run=0))
    refused(setting, ValueError, ["nb_run_keep = 9"], lambda: phase(crystal, nb_run=2, nb_run_keep=9))
    refused(setting, ValueError, ["beta = much", "lacuna_cdi.settings()"], lambda: phase(crystal, beta="much"))
    refused(setting, ValueError, ["nb_run = <object", "takes a number"], lambda: phase(crystal, nb_run=object()))
    refused(setting, ValueError, ["gap = glue"], lambda: phase(crystal, gap="glue"))
    refused(setting, ValueError, ["gap_interval"], lambda: phase(crystal, gap="network", gap_bounds=(0.5, 2)))
    refused(setting, ValueError, ["column 7"], lambda: phase(crystal, recipe="ER**5,HIA**3"))
    refused(setting, ValueError, ["known are bragg"], lambda: phase(crystal, preset="brag"))
    refused(setting, ValueError, ["threads = 0"], lambda: phase(crystal, threads=0))
    refused(setting, ValueError, ["progress"], lambda: phase(crystal, progress=3))
    refused(setting, ValueError, ["beamline = id01", "path"], lambda: phase(np.ones((9, 9)), beamline="id01"))
    refused(setting, ValueError, ["gap = free", "network"], lambda: lacuna_cdi.inpaint(crystal, gap="free"))
    refused(setting, ValueError, ["gaps = full", "truth"], lambda: lacuna_cdi.compare(crystal, gaps=["full"]))
    refused(setting, ValueError, ["object = teapot"], lambda: lacuna_cdi.simulate(object="teapot"))
    refused(setting, ValueError, ["photons = 0"], lambda: lacuna_cdi.simulate(photons=0))


def test_patterns(crystal):
    error, counts = lacuna_cdi.PatternError, np.array(crystal.counts, "f4")
    phase = lacuna_cdi.phase
    refused(error, ValueError, ["4 axes"], lambda: phase(np.ones((2, 2, 2, 2))))
    refused(error, ValueError, ["complex64", "real numbers"], lambda: phase(counts * 1j))
    refused(error, ValueError, ["at least 8 pixels"], lambda: phase(np.ones((4, 4)), prepared=True))
    refused(error, ValueError, ["mask is 60x64", "64x64"], lambda: phase(counts, np.asarray(crystal.mask)[:60]))
    refused(error, ValueError, ["every pixel is masked"], lambda: phase(counts, np.ones_like(counts)))
    refused(error, ValueError, ["negative"], lambda: phase(counts - 1))
    refused(error, ValueError, ["nan"], lambda: phase(np.where(counts > 3, np.nan, counts)))
    refused(error, ValueError, ["support is 60x64"], lambda: phase(counts, support=np.ones((60, 64))))
    refused(error, ValueError, ["support is empty"], lambda: phase(crystal, support=np.zeros(crystal.shape)))
    saturated = np.minimum(counts, 255).astype("u1")
    refused(error, ValueError, ["the array", "saturated=255"], lambda: phase(saturated))
    refused(error, ValueError, ["saturated=255"], lambda: lacuna_cdi.inpaint(saturated))
    refused(error, ValueError, ["prepare it first"], lambda: lacuna_cdi.read("x.npy").save("x.cxi"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, crystal):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.asarray(crystal.counts))


def test_files(result):
    phase = lacuna_cdi.phase
    missing, exists = lacuna_cdi.MissingFileError, lacuna_cdi.ExistingFileError
    refused(missing, FileNotFoundError, ["no-such.cxi: no such file"], lambda: phase("no-such.cxi"))
    refused(missing, FileNotFoundError, ["nb-run.cxi"], lambda: lacuna_cdi.read("nb-run.cxi"))
    with open("broken.cxi", "wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
    refused(lacuna_cdi.FileError, OSError, ["broken.cxi"], lambda: phase("broken.cxi"))
    with open("text.cxi", "w") as file:
        file.write("no pattern")
    refused(lacuna_cdi.ContentError, ValueError, ["text.cxi"], lambda: phase("text.cxi"))
    result.save("result.cxi")
    before = open("result.cxi", "rb").read()
    refused(exists, FileExistsError, ["result.cxi exists already", "force=True"], lambda: result.save("result.cxi"))
    assert open("result.cxi", "rb").read() == before
    result.save("result.cxi", force=True)
    refused(lacuna_cdi.FileError, OSError, ["cannot write"], lambda: result.save("x.npy/result.cxi"))
    refused(lacuna_cdi.SettingError, ValueError, [".cxi, .npz, .html"], lambda: result.save("result.txt"))


def test_work_that_cannot_succeed(crystal):
    error = lacuna_cdi.OutOfMemoryError
    refused(error, MemoryError, ["memory"], lambda: lacuna_cdi.phase(crystal, max_memory=1e-6))
    small = np.array(crystal.counts)[:16, :16], np.array(crystal.mask)[:16, :16]
    refused(lacuna_cdi.ModelError, ValueError, ["smaller than a patch"], lambda: lacuna_cdi.inpaint(*small))
    refused(lacuna_cdi.ContentError, OSError, ["no-model"], lambda: lacuna_cdi.inpaint(crystal, model="no-model"))


@pytest.mark.parametrize(
    "name, builtin",
    [
        ("SettingError", ValueError), ("UnknownSettingError", TypeError), ("PatternError", ValueError),
        ("FileError", OSError), ("MissingFileError", FileNotFoundError), ("ExistingFileError", FileExistsError),
        ("ContentError", ValueError), ("ModelError", ValueError), ("NoObjectError", RuntimeError),
        ("DeviceError", RuntimeError), ("OutOfMemoryError", MemoryError),
    ],
)  # fmt: skip
def test_who_knows_only_python_catches_them_too(name, builtin):
    error = getattr(lacuna_cdi, name)
    assert issubclass(error, lacuna_cdi.LacunaError)
    with pytest.raises(builtin, match="^one line$"):
        raise error("one line")


def test_a_gpu_that_is_not_there(crystal):
    with pytest.raises((lacuna_cdi.SettingError, lacuna_cdi.DeviceError)) as caught:
        lacuna_cdi.phase(crystal, device="cuda:63", **QUICK)
    assert "cuda" in line(caught) or "GPU" in line(caught)
