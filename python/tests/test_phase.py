"""Phasing: settings, presets, what a result says."""

import multiprocessing

import numpy as np
import pytest

import lacuna_cdi
from conftest import QUICK


def nearness(result, truth):
    """Normalised correlation of the moduli, whichever twin and wherever it lies."""
    transform = np.fft.fft2(np.abs(truth))
    best = 0.0
    for modulus in (np.abs(result), np.abs(result)[::-1, ::-1]):
        correlation = np.fft.ifft2(transform * np.conj(np.fft.fft2(modulus))).real.max()
        best = max(best, correlation / np.linalg.norm(truth) / np.linalg.norm(result))
    return best


def test_the_object_is_found(crystal):
    result = lacuna_cdi.phase(crystal, nb_run=4, seed=1)
    assert result.verdict.grade == "found" and result.verdict.probability > 0.85
    assert nearness(result.object, crystal.object) > 0.95
    assert not result.object[~result.support].any()
    assert result.modulus_std.shape == crystal.shape and (result.modulus_std[result.support] > 0).all()
    assert result.hidden_fraction.max() <= 1


def test_the_object_explains_the_counts(crystal):
    result = lacuna_cdi.phase(crystal, psf="none", nb_run=3, seed=1)
    calculated = result.calculated()
    # The same without the library: the ramp that was removed from the object moves the pattern.
    turns = result.summary["ramp_removed_turns"][1:]
    position = [(np.arange(n) - n // 2) / n for n in result.shape]
    ramp = np.exp(2j * np.pi * (turns[0] * position[0][:, None] + turns[1] * position[1]))
    transform = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(result.object * ramp), norm="ortho"))
    assert np.allclose(np.abs(transform) ** 2, calculated, rtol=1e-2, atol=1e-3 * calculated.max())
    measured = np.asarray(result.mask) == 0
    moduli, found = np.sqrt(result.intensity[measured]), np.sqrt(calculated[measured])
    # Held-out pixels, which count here, are a twentieth.
    r_factor = np.linalg.norm(found - moduli) / np.linalg.norm(moduli)
    assert r_factor == pytest.approx(result.r_factor, rel=0.2)


def test_what_a_result_says(result):
    assert result.summary["r_factor"] == result.r_factor
    assert result.summary["verdict"]["probability"] == result.verdict.probability
    assert result.free_llk_poisson > 0 and result.llk_poisson > 0
    runs = [run for run in result.runs if run["average_of"] == 0]
    assert [run["seed"] for run in runs] == [3, 4]
    assert runs[0]["curve"][-1]["cycle"] == runs[0]["cycles"]
    assert str(result.verdict).startswith(("The object", "It is"))
    assert result.prtf.shape[1] == 2 and result.fsc.shape[1] == 3
    assert result.mode_weights.sum() == pytest.approx(1)
    assert len(result.objects) == result.summary["runs_kept"] == len(result.modes)
    assert "64x64" in repr(result) and "probability" in repr(result.verdict)


def test_keywords_are_the_programs_settings(crystal):
    settings = {
        "nb_run": 1, "recipe": "ER**5", "rebin": (2, 2), "support_threshold": 0.2, "beta": 0.8, "detwin": True,
        "support_post_expand": [-1, 2], "psf": ("gaussian", 0.5), "gap": "linear-soft", "energy": 8000,
        "centre": (32, 32), "roi": [slice(0, 60), slice(0, 60)], "seed": np.int64(7), "free_fraction": np.float64(0.04),
    }  # fmt: skip
    result = lacuna_cdi.phase(np.asarray(crystal.counts), crystal.mask, **settings)
    echoed = result.settings
    assert result.shape == (30, 30) or result.shape == (28, 28)
    assert echoed["algorithm"] == "ER**5" and echoed["beta"] == 0.8 and echoed["seed"] == 7
    assert echoed["support_threshold"] == [0.2] and echoed["support_post_expand"] == [-1, 2]
    assert echoed["rebin"] == [2, 2] and echoed["roi"] == "0:60,0:60" and echoed["centre"] == "32,32"
    assert echoed["psf"] == "gaussian,0.5" and echoed["free_fraction"] == 0.04


def test_presets_are_names_files_and_dictionaries(crystal, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('nb-run = 1\nalgorithm = "ER**7"\n')
    for preset in (str(file), file, {"nb_run": 1, "algorithm": "ER**7"}, {"nb-run": 1, "recipe": "ER**7"}):
        result = lacuna_cdi.phase(crystal, preset=preset, seed=9)
        assert result.settings["algorithm"] == "ER**7" and result.settings["seed"] == 9
    again = lacuna_cdi.phase(crystal, preset=result.settings)
    assert np.array_equal(again.object, result.object) and again.settings == result.settings
    assert lacuna_cdi.presets()["bragg"]["nb_run"] == 8


def test_a_support_may_be_an_array(crystal):
    result = lacuna_cdi.phase(crystal, support=crystal.support, nb_run=1, recipe="ER**20", nb_run_average=0)
    assert np.array_equal(result.support, crystal.support)
    assert result.settings["support"] == "array"
    below = {"support": crystal.support, "nb_run_average": 0}
    assert np.array_equal(lacuna_cdi.phase(crystal, preset=below, nb_run=1, recipe="ER**20").object, result.object)
    circle = lacuna_cdi.phase(crystal, preset=below, nb_run=1, recipe="ER**20", support="circle:9")
    assert circle.support.sum() < 300 and circle.settings["support"] == "circle:9"
    prepared = lacuna_cdi.prepare(crystal, support=np.asarray(crystal.support))
    again = lacuna_cdi.phase(prepared, nb_run=1, recipe="ER**20", nb_run_average=0)
    assert np.array_equal(again.object, result.object)


def test_threads_and_seeds(crystal, result):
    assert np.array_equal(lacuna_cdi.phase(crystal, threads=1, **QUICK).object, result.object)
    other = lacuna_cdi.phase(crystal, **{**QUICK, "seed": 30})
    assert not np.array_equal(other.object, result.object)


def test_volumes(volume):
    result = lacuna_cdi.phase(volume, nb_run=1, recipe="ER**10,(Sup*HIO**20)**2")
    assert result.object.shape == result.support.shape == volume.shape
    assert result.object.flags.c_contiguous and np.abs(result.object).max() > 0
    assert result._repr_html_().count("<img") == 4


def test_a_notebook_shows_picture_and_verdict(result):
    html = result._repr_html_()
    assert html.count("data:image/png;base64,") >= 2 and "probability" in html
    assert "<script" not in html and "<style" not in html
    assert len(html) < 400_000


def test_text_on_a_page_is_escaped(crystal, tmp_path):
    file = tmp_path / "<b>&.cxi"
    lacuna_cdi.prepare(crystal).save(file)
    result = lacuna_cdi.phase(file, nb_run=1, recipe="ER**5")
    for html in (result._repr_html_(), lacuna_cdi.read(file)._repr_html_()):
        assert "<b>&.cxi" not in html and "&lt;b&gt;&amp;.cxi" in html


def phased(seed):
    pattern = lacuna_cdi.simulate((64, 64), gap=4, strain=0.5, photons=1e7, seed=5)
    return abs(lacuna_cdi.phase(pattern, **{**QUICK, "seed": seed}).object).sum()


def test_forked_processes_work(result):
    # `result` has started the threads of this process, which a fork does not have.
    with multiprocessing.get_context("fork").Pool(2) as pool:
        sums = pool.map_async(phased, [3, 4]).get(timeout=60)
    assert sums[0] == abs(result.object).sum()
