"""Every test runs as on a plain machine: offline, one thread a process, no settings of the user's terminal."""

import os

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


def pytest_collection_modifyitems(items):
    if "UNMASK_DATA" not in os.environ:
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason="UNMASK_DATA does not name the folder of the shared corpora"))
