"""Progress, interruption, and the interpreter's lock."""

import logging
import os
import signal
import sys
import threading
import time
import types

import pytest

import lacuna_cdi
from conftest import QUICK

# Many seconds, unless it is stopped.
LONG = {"nb_run": 4, "algorithm": "ER**100,(Sup*HIO**100)**5000"}


def test_a_function_is_told(crystal):
    told = []
    lacuna_cdi.phase(crystal, progress=lambda *what: told.append(what), **QUICK)
    done = [cycles for cycles, _, _ in told]
    assert done == sorted(done) and len(told) > 5
    # Two runs of 100 cycles, and the last runs from their averages.
    assert told[0][1] == 200 and done[-1] == told[-1][1] >= 200
    assert any("R 0." in text for _, _, text in told)


def test_halves_of_the_counts_are_told_too(crystal):
    told = []
    lacuna_cdi.phase(crystal, split_data=True, progress=lambda *what: told.append(what), **QUICK)
    done, total = [what[0] for what in told], [what[1] for what in told]
    assert done == sorted(done) and total == sorted(total) and done[-1] == total[-1] >= 600


def test_a_bar_is_driven(crystal):
    class Bar:
        total, n = None, 0

        def update(self, steps):
            self.n += steps

    bar = Bar()
    lacuna_cdi.phase(crystal, progress=bar, **QUICK)
    assert bar.n == bar.total >= 200


def test_true_is_tqdm_or_nothing(crystal, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    lacuna_cdi.phase(crystal, progress=True, **QUICK)
    assert "100%" in capsys.readouterr().err
    for quiet in (False, None):
        lacuna_cdi.phase(crystal, progress=quiet, **QUICK)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    lacuna_cdi.phase(crystal, progress=True, **QUICK)
    assert capsys.readouterr().err == ""


def test_other_work_counts_in_percent(crystal):
    for call in (
        lambda told: lacuna_cdi.inpaint(crystal, progress=told),
        lambda told: lacuna_cdi.hidden_modes(crystal, progress=told),
        lambda told: lacuna_cdi.compare(crystal, gaps=["free", "linear"], progress=told, nb_run=1, recipe="ER**5"),
    ):
        told = []
        call(lambda *what: told.append(what))
        assert told and told[-1][:2] == (100, 100)


def test_notes_are_logged(crystal, caplog):
    with caplog.at_level(logging.INFO, logger="lacuna_cdi"):
        lacuna_cdi.phase(crystal, **QUICK)
    assert any("phasing 64x64" in record.getMessage() for record in caplog.records)


def test_an_exception_of_the_function_stops_the_work(crystal):
    def stop(done, total, text):
        raise RuntimeError("enough")

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="enough"):
        lacuna_cdi.phase(crystal, progress=stop, **LONG)
    assert time.monotonic() - begun < 20


def test_ctrl_c_stops_the_work_and_hands_out_what_was_reached(crystal):
    def press():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        lacuna_cdi.phase(crystal, **LONG)
    thread.join()
    assert time.monotonic() - begun < 20
    reached = caught.value.result
    assert reached.interrupted and reached.object.any()
    # And nothing of it stays behind.
    assert not lacuna_cdi.phase(crystal, **QUICK).interrupted


def test_ctrl_c_stops_comparisons_too(crystal):
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lacuna_cdi.compare(crystal, gaps=["free", "linear"], **LONG)
    timer.join()


def test_other_threads_go_on(crystal):
    state = types.SimpleNamespace(count=0, running=True)

    def count():
        while state.running:
            state.count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = state.count
    lacuna_cdi.phase(crystal, nb_run=2, recipe="(Sup*HIO**50)**20", threads=1)
    counted = state.count - before
    state.running = False
    thread.join()
    # With the lock held it could not count at all.
    assert counted > 20


def test_threads_phase_side_by_side(crystal, result):
    found = []
    work = lambda: found.append(lacuna_cdi.phase(crystal, **QUICK))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((other.object == result.object).all() for other in found) and len(found) == 3
