"""Reading, preparing, filling, comparing, hidden modes, simulating, and what help there is."""

import ast
import inspect
from pathlib import Path

import h5py
import numpy as np
import pytest

import lacuna_cdi


def test_reading_does_nothing_to_a_file(tmp_path):
    raw = np.arange(80 * 90, dtype="<u2").reshape(80, 90)
    np.savez(tmp_path / "scan.npz", data=raw, mask=raw > 7000)
    pattern = lacuna_cdi.read(tmp_path / "scan.npz", energy=8000, pixel_size=55e-6)
    assert np.array_equal(pattern.intensity, raw) and np.array_equal(pattern.mask != 0, raw > 7000)
    assert pattern.energy == pytest.approx(8000) and pattern.pixel_size == (55e-6, 55e-6)
    assert not pattern.is_prepared and pattern.distance is None and pattern.completed is None
    more = lacuna_cdi.read(str(tmp_path / "scan.npz"), mask=["saturated=6900", raw < 5])
    assert np.array_equal(more.mask != 0, (raw >= 6900) | (raw < 5))


def test_preparing_centres_and_masks(crystal):
    counts = np.roll(np.pad(np.asarray(crystal.counts), 20), (5, -7), (0, 1)).astype("f4")
    mask = np.roll(np.pad(np.asarray(crystal.mask), 20), (5, -7), (0, 1))
    counts[2, 2] = 1e6
    prepared = lacuna_cdi.prepare(counts, mask, centre=(57, 45), max_size=64)
    assert prepared.shape == (64, 64) and prepared.is_prepared
    assert np.array_equal(prepared.intensity, np.where(crystal.mask == 0, crystal.counts, 0))
    assert any("hot pixel" in step for step in prepared.steps)
    assert any("centre at (57, 45)" in step for step in prepared.steps)
    assert "<img" in prepared._repr_html_() and "hot pixel" in prepared._repr_html_()


def test_filling_leaves_measured_pixels_alone(crystal):
    filled = lacuna_cdi.inpaint(np.asarray(crystal.counts), crystal.mask)
    gap = np.asarray(crystal.mask) != 0
    assert filled.shape == crystal.shape and filled.estimated[~gap].sum() == 0
    assert np.array_equal(filled.completed[~gap], np.asarray(crystal.counts)[~gap])
    at = np.asarray(filled.estimated)
    assert (filled.lower[at] <= filled.estimate[at]).all() and (filled.estimate[at] <= filled.upper[at]).all()
    # Nearer to the truth than nothing at all.
    truth, found = np.log1p(np.asarray(crystal.intensity)[at]), np.log1p(np.asarray(filled.estimate)[at])
    assert np.abs(truth - found).mean() < 0.5 * np.abs(truth).mean()
    assert filled._repr_html_().count("<img") == 2 and "filled" in repr(filled)


def test_a_filled_pattern_is_phased_within_its_bounds(crystal, tmp_path):
    filled = lacuna_cdi.inpaint(crystal, gap="linear-soft")
    settings = {"gap": "file", "nb_run": 1, "recipe": "ER**20"}
    direct = lacuna_cdi.phase(filled, **settings)
    assert direct.summary["gap"] == "file" and direct.pattern.estimated.any()
    filled.save(tmp_path / "filled.cxi")
    assert np.array_equal(lacuna_cdi.phase(tmp_path / "filled.cxi", **settings).object, direct.object)


def test_comparing(tmp_path):
    whole = lacuna_cdi.simulate((64, 64), strain=0.5, photons=1e7, seed=5)
    mask = np.zeros(whole.shape, bool)
    mask[:, 38:46] = True
    compared = lacuna_cdi.compare(
        whole, mask, truth=whole, gaps=["full", "free", "zero"], nb_run=2, recipe="ER**20,(Sup*HIO**20)**4"
    )
    scores = {row["gap"]: row["score"]["error"] for row in compared.gaps}
    assert set(scores) == {"full", "free", "zero"} and all(0 <= error < 2 for error in scores.values())
    # Against the true object, not against the reconstruction without a gap, whose own error were 0.
    assert scores["full"] > 0 and [row["gap"] for row in compared.table][0] == "full"
    assert compared.verdict and compared.summary["columns"]
    html = compared._repr_html_()
    assert "<table" in html and "<img" in html
    assert compared.save(tmp_path / "compare.html").read_text().startswith("<!DOCTYPE html>")


def test_hidden_modes_of_a_mask_alone():
    mask = np.zeros((32, 32), bool)
    mask[:, 20:24] = True
    modes = lacuna_cdi.hidden_modes(mask=mask, oversampling=2)
    yy, xx = np.indices(mask.shape) - 16
    assert np.array_equal(modes.support, np.hypot(yy / 8, xx / 8) <= 1)
    assert modes.count > 10 and modes.widest_gap == 4 and modes.support_pixels == modes.support.sum()
    assert modes.map.sum() == pytest.approx(modes.count, rel=0.01)
    # The eigenvalues are those of the dense operator.
    at = np.flatnonzero(modes.support)
    basis = np.zeros((at.size, *mask.shape))
    basis.reshape(at.size, -1)[np.arange(at.size), at] = 1
    inside = np.fft.fft2(basis, norm="ortho")[:, np.fft.ifftshift(mask)]
    values = np.linalg.eigvalsh(inside @ inside.conj().T)[::-1]
    assert np.allclose(modes.eigenvalues, values[values > 0.5], atol=1e-3)
    fine = lacuna_cdi.hidden_modes(mask=mask, oversampling=6)
    assert fine.count < modes.count and fine.advice and "<img" in fine._repr_html_()
    circle = lacuna_cdi.hidden_modes(mask=mask, support="circle:8")
    assert circle.count == pytest.approx(modes.count, rel=0.2)
    with pytest.raises(lacuna_cdi.SettingError, match="oversampling"):
        lacuna_cdi.hidden_modes(mask=mask)
    with pytest.raises(lacuna_cdi.SettingError, match="one of both"):
        lacuna_cdi.hidden_modes(mask=mask, oversampling=2, support="circle:3")


def test_hidden_modes_of_a_pattern(crystal):
    modes = lacuna_cdi.hidden_modes(crystal)
    assert modes.summary["support_estimated"] and modes.noise_gain >= 1


def test_simulating():
    one = lacuna_cdi.simulate((64, 96), detector="maxipix", photons=1e6, seed=2)
    assert one.shape == (64, 96) and one.counts.dtype == np.uint32
    assert np.array_equal(one.counts, lacuna_cdi.simulate((64, 96), detector="maxipix", photons=1e6, seed=2).counts)
    assert not np.asarray(one.counts)[np.asarray(one.mask) == 0x200].any()
    transform = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(one.object), norm="ortho"))
    assert np.allclose(np.abs(transform) ** 2, one.intensity, rtol=1e-3, atol=1e-2)
    from_set = lacuna_cdi.simulate(recipe="forward2d-smoke", index=1)
    assert from_set.parameters["measurement_photons"] > 0 and "<img" in from_set._repr_html_()
    assert not np.array_equal(from_set.counts, lacuna_cdi.simulate(recipe="forward2d-smoke", index=2).counts)


def test_every_setting_is_explained():
    texts = lacuna_cdi.settings()
    assert set(lacuna_cdi.presets()["bragg"]) <= set(texts)
    assert all(len(text) > 10 for text in texts.values())


def test_functions_explain_themselves():
    functions = [getattr(lacuna_cdi, name) for name in lacuna_cdi.__all__ if inspect.isbuiltin(getattr(lacuna_cdi, name))]
    assert len(functions) == 9
    for function in functions:
        assert "Returns" in function.__doc__ and function.__module__ == "lacuna_cdi"
        for name, parameter in inspect.signature(function).parameters.items():
            assert name in function.__doc__, (function.__name__, name)


def test_pages_do_what_they_say(tmp_path, monkeypatch, crystal):
    monkeypatch.chdir(tmp_path)
    with h5py.File("scan.h5", "w") as file:
        file["entry/data/data"] = np.asarray(crystal.counts)
        file["entry/instrument/detector/pixel_mask"] = np.asarray(crystal.mask)
    top, run = Path(__file__).parents[2], 0
    for page in ("README.md", "python/README.md", "docs/python.md"):
        for text in (top / page).read_text().split("```python\n")[1:]:
            block = text.split("```")[0]
            # Others are run beside the program's own commands; a thousand runs are for people.
            if "import lacuna_cdi" in block:
                exec(compile(block, page, "exec"), {})
                Path("result.cxi").unlink()
                run += 1
    assert run == 3


def test_stubs_say_what_there_is():
    path = Path(lacuna_cdi.__file__).with_name("__init__.pyi")
    assert path.with_name("py.typed").exists()
    classes, functions = {}, {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            classes[node.name] = node
        elif isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    keys = set()
    for name in ("_Input", "_Gap", "_Phasing"):
        keys |= {item.target.id for item in classes[name].body if isinstance(item, ast.AnnAssign)}
    assert keys == set(lacuna_cdi.settings()) - {"mask"} | {"recipe"}
    for name in ("Pattern", "Verdict", "Reconstruction", "Comparison", "HiddenModes", "Simulated"):
        stubbed = {item.name for item in classes[name].body if isinstance(item, ast.FunctionDef)} - {"_repr_html_"}
        public = {member for member in vars(getattr(lacuna_cdi, name)) if not member.startswith("_")}
        assert stubbed == public, name
    for name, stub in functions.items():
        parameters = inspect.signature(getattr(lacuna_cdi, name)).parameters
        named = [argument.arg for argument in stub.args.args + stub.args.kwonlyargs]
        named += [stub.args.kwarg.arg] if stub.args.kwarg else []
        assert named == list(parameters), name
