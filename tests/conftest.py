"""Every test runs as on a plain machine: offline, one thread a process, no settings of the user's terminal."""

import os
import signal
import sys

import pytest
from hypothesis import settings

# Before torch and tokenizers are imported, which read these once. Two pytest workers share two cores.
os.environ.update(
    OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error"
)
for name in ("NO_COLOR", "FORCE_COLOR", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
    os.environ.pop(name, None)


# How long an example takes says more about the machine than about the code.
settings.register_profile("unmask", deadline=None)
settings.load_profile("unmask")


@pytest.fixture(autouse=True)
def heard():
    """A test that asks for quiet, or a benchmark in it, does not silence the next."""
    yield
    if console := sys.modules.get("unmask.console"):
        console.set_quiet(False)


class StopAt:
    """Watches a run and asks it to stop, as Ctrl-C does, once a step is done."""

    def __init__(self, step):
        self.at = step

    def start(self, *given, **settings): ...
    def evaluation(self, *given): ...
    def message(self, text): ...

    def step(self, record):
        if record["step"] == self.at:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture
def stop_at():
    """`stop_at(7)` is a watcher that stops a run at step 7."""
    return StopAt


def pytest_collection_modifyitems(items):
    if not os.environ.get("UNMASK_DATA"):
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason="UNMASK_DATA does not name the folder of the shared corpora"))


def pytest_generate_tests(metafunc):
    """A test that asks for `small_architecture` runs over the whole menu, each kind in a size for tests."""
    if "small_architecture" in metafunc.fixturenames:
        made = _small_architectures()
        metafunc.parametrize("small_architecture", made.values(), ids=made.keys())


def _small_architectures():
    """By name; of entries that differ in size alone the first. What `huggingface` is, a folder says."""
    from dataclasses import fields, replace

    from unmask.architectures import ARCHITECTURES

    sizes = {"layers": 2, "width": 32, "heads": 2, "feedforward": 48, "window": 8, "state": 20, "positions": 64}
    found = {}
    for name in [name for name in ARCHITECTURES if name != "huggingface"]:
        settings = ARCHITECTURES.load(name)()
        known = {field.name for field in fields(settings)}
        small = replace(settings, **{key: value for key, value in sizes.items() if key in known})
        if small not in found.values():
            found[name] = small
    return found
