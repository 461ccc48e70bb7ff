import pytest


@pytest.fixture(autouse=True)
def _machine_of_known_speed(monkeypatch):
    """The speed of the machine is not what these tests are about: 100 billion operations a second, measured at once."""
    from unmask.doctor import machine

    monkeypatch.setattr(machine, "_peak", lambda: 1e11)
