"""Errors: one class of each kind, their exit codes, and the words of a missing extra."""

import pytest

from unmask.errors import DataError, MissingExtra, ModelError, SettingError, Stopped, UnmaskError


@pytest.mark.parametrize(("kind", "code"), [(SettingError, 2), (DataError, 1), (ModelError, 1), (Stopped, 75)])
def test_each_kind_has_its_exit_code_and_is_caught_as_one(kind: type[UnmaskError], code: int):
    error = kind("the thing: the mend")
    assert isinstance(error, UnmaskError)
    assert error.exit_code == code
    assert str(error) == "the thing: the mend"


def test_a_missing_extra_says_what_to_install():
    error = MissingExtra("datasets", extra="hub", why="to read hf: sources")
    assert str(error) == "datasets is needed to read hf: sources: pip install 'unmask[hub]'"


def test_every_extra_that_is_named_in_an_error_exists():
    import re
    import tomllib
    from pathlib import Path

    root = Path(__file__).parent.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    source = "".join(path.read_text(encoding="utf-8") for path in (root / "src").rglob("*.py"))
    named = set(re.findall(r"MissingExtra\([^)]*extra=\"(\w+)\"", source))
    assert named
    assert named <= set(extras)
