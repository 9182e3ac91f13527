"""The same as the program: bit by bit, and in the files that it writes."""

import json
import subprocess

import h5py
import numpy as np
import pytest

import lacuna_cdi

SETTINGS = {"nb_run": 3, "algorithm": "ER**20,(Sup*HIO**25)**4", "seed": 11}


def run(program, *arguments, folder):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    line = [program, "run", *arguments, *flags, "--output", "out", "--json"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_same_seed_gives_the_same_object(program, dimensions, crystal, volume, tmp_path):
    simulated = {2: crystal, 3: volume}[dimensions]
    counts, mask = np.array(simulated.counts, "f4"), np.asarray(simulated.mask) != 0
    np.savez(tmp_path / "scan.npz", data=counts, mask=mask)
    summary = run(program, "scan.npz", folder=tmp_path)
    with h5py.File(tmp_path / "out/result.cxi") as file:
        image = file["entry_last/image_1"]
        obj, support = image["data"][()], image["support"][()]
    for pattern in (lacuna_cdi.phase(counts, mask, **SETTINGS), lacuna_cdi.phase(tmp_path / "scan.npz", **SETTINGS)):
        assert np.array_equal(np.squeeze(obj), pattern.object)
        assert np.array_equal(np.squeeze(support) != 0, pattern.support)
        assert pattern.r_factor == summary["r_factor"]
        assert pattern.verdict.probability == summary["verdict"]["probability"]
        times = {"seconds", "seconds_per_cycle", "search_seconds", "memory_bytes", "notes", "event"}
        own = json.loads(json.dumps(pattern.summary))
        assert {k: v for k, v in own.items() if k not in times} == {k: v for k, v in summary.items() if k not in times}


def test_settings_of_the_program_are_a_preset(program, crystal, tmp_path):
    counts, mask = np.asarray(crystal.counts), np.asarray(crystal.mask)
    np.savez(tmp_path / "scan.npz", data=counts, mask=mask)
    run(program, "scan.npz", folder=tmp_path)
    result = lacuna_cdi.phase(counts, mask, preset=tmp_path / "out/settings.toml")
    with h5py.File(tmp_path / "out/result.cxi") as file:
        assert np.array_equal(np.squeeze(file["entry_last/image_1/data"][()]), result.object)


def names(file):
    found = {}
    file.visititems(lambda name, item: found.update({name: getattr(item, "dtype", None)}))
    return found


def test_files_are_those_of_the_program(program, crystal, tmp_path):
    np.savez(tmp_path / "scan.npz", data=np.asarray(crystal.counts), mask=np.asarray(crystal.mask))
    run(program, "scan.npz", folder=tmp_path)
    result = lacuna_cdi.phase(tmp_path / "scan.npz", **SETTINGS)
    result.save(tmp_path / "mine.cxi")
    with h5py.File(tmp_path / "out/result.cxi") as program_file, h5py.File(tmp_path / "mine.cxi") as own_file:
        theirs, own = names(program_file), names(own_file)
        assert set(theirs) == set(own)
        process = own_file["entry_last/image_1/process_1"]
        assert b"lacuna_cdi.phase(" in process["command"][()] and process["configuration/seed"][()] == 11
        assert np.array_equal(np.squeeze(own_file["entry_last/image_1/data"][()]), result.object)
    result.save(tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz") as arrays:
        assert np.array_equal(np.squeeze(arrays["obj"]), result.object)
    page = result.save(tmp_path / "mine.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "lacuna_cdi.phase(" in page


def test_silx_opens_the_file(result, tmp_path):
    nxdata = pytest.importorskip("silx.io.nxdata")
    result.save(tmp_path / "result.cxi")
    with h5py.File(tmp_path / "result.cxi") as file:
        shown = nxdata.get_default(file, validate=True)
        assert shown is not None and shown.signal.shape[-2:] == result.shape


def test_h5py_and_lacuna_share_a_process(result, tmp_path):
    result.save(tmp_path / "result.cxi")
    with h5py.File(tmp_path / "result.cxi") as file:
        assert lacuna_cdi.read(tmp_path / "result.cxi").shape == result.shape
        assert np.array_equal(np.squeeze(file["entry_last/image_1/data"][()]), result.object)
