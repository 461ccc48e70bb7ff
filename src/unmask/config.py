"""Settings are frozen dataclasses; this file turns text and JSON into them and back.

A *section* is a dataclass field that holds another dataclass (`training`, `data`). A *component* is a section that is
chosen from a menu: its field is made with `choice(MENU, "default")`, and its JSON carries the name beside the fields.

    overridden(run, ["training.steps=100", "masking.selection=whole_word"])  -> a new Run
    to_dict(run) / from_dict(Run, data)                                      exact both ways

A section with a method `completed(names)` says what else follows from the fields that were assigned by these names.

Inside a settings class, a string literal below a field documents it; `unmask list settings` prints them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeVar, Union

from unmask.errors import SettingError
from unmask.menu import Menu, unknown

T = TypeVar("T")


def choice(menu: Menu, default: str) -> Any:
    """A dataclass field that holds one component of a menu, `default` unless said otherwise."""
    return dataclasses.field(default_factory=lambda: menu.load(default)(), metadata={"menu": menu})


def section(cls: type) -> Any:
    """A dataclass field that holds the settings of one section with their defaults."""
    return dataclasses.field(default_factory=cls)


def require(holds: bool, message: str) -> None:
    """Raise SettingError(message) unless the condition holds; for `__post_init__` of settings classes."""
    if not holds:
        raise SettingError(message)


def changed(value: T, **sections: Any) -> T:
    """A copy with sections changed: a dict replaces fields of a section, anything else the section itself."""
    made = {
        name: dataclasses.replace(getattr(value, name), **change) if isinstance(change, dict) else change
        for name, change in sections.items()
    }
    return dataclasses.replace(value, **made)  # type: ignore[type-var]


# ---------------------------------------------------------------- to and from JSON


def to_dict(value: Any) -> dict[str, Any]:
    """A settings value as plain JSON types; components carry their menu name under "name"."""
    result: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            menu = field.metadata.get("menu")
            result[field.name] = ({"name": menu.name_of(item)} if menu else {}) | to_dict(item)
        else:
            result[field.name] = list(item) if isinstance(item, tuple) else item
    return result


def from_dict(cls: type[T], data: Mapping[str, Any], path: str = "") -> T:
    """Rebuild a settings value; absent fields take their defaults, unknown ones are refused by name."""
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {}
    for key, item in data.items():
        name = f"{path}{key}"
        if key not in fields:
            raise SettingError(unknown("setting", name, [f"{path}{known}" for known in fields]))
        menu = fields[key].metadata.get("menu")
        if menu is not None and isinstance(item, Mapping):
            inner = {k: v for k, v in item.items() if k != "name"}
            default = fields[key].default_factory()  # type: ignore[misc]
            chosen = menu.load(item["name"])() if "name" in item else default
            values[key] = from_dict(type(chosen), to_dict(chosen) | inner, f"{name}.")
        elif menu is not None and isinstance(item, str):
            values[key] = menu.load(item)()
        elif dataclasses.is_dataclass(hints[key]) and isinstance(item, Mapping):
            values[key] = from_dict(hints[key], item, f"{name}.")  # type: ignore[arg-type]
        else:
            values[key] = _converted(item, hints[key], name)
    try:
        return cls(**values)
    except TypeError as error:
        raise SettingError(f"{path or cls.__name__}: {error}") from None


# ---------------------------------------------------------------- section.field=value


def overridden(value: T, assignments: Iterable[str]) -> T:
    """Apply `a.b=c` assignments in order; each is checked against the type of its field, and the whole at the end."""
    data, refused, given = to_dict(value), None, set()
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        given.add(path.strip())
        if not equals:
            raise SettingError(f"'{assignment}' is not a setting: write section.field=value, e.g. training.steps=100")
        _assign(value, data, path.strip().split("."), text.strip(), path.strip())
        # Rebuilt each time, so that a component chosen by one assignment is there for the next one's fields. Two
        # assignments may fit only together (masking.mask_share=1 and masking.random_share=0), so a refusal waits.
        try:
            value, refused = from_dict(type(value), data), None
            data = to_dict(value)
        except SettingError as error:
            refused = error
    if refused is not None:
        raise refused
    return _completed(value, given)


def _completed(value: T, given: set[str]) -> T:
    """What sections make of the fields that were given by name: `completed(names)` where a section has it."""
    inner: dict[str, Any] = {}
    for head in {path.partition(".")[0] for path in given if "." in path}:
        below = {path.partition(".")[2] for path in given if path.startswith(f"{head}.")}
        inner[head] = _completed(getattr(value, head), below)
    value = dataclasses.replace(value, **inner) if inner else value  # type: ignore[type-var]
    return value.completed(given) if hasattr(value, "completed") else value  # type: ignore[attr-defined]


def _assign(value: Any, data: dict[str, Any], keys: list[str], text: str, path: str) -> None:
    field = next((f for f in dataclasses.fields(value) if f.name == keys[0]), None)
    if field is None:
        prefix = path[: len(path) - len(".".join(keys))]
        raise SettingError(unknown("setting", path, [prefix + name for name in _names(value)]))
    menu, item = field.metadata.get("menu"), getattr(value, keys[0])
    if len(keys) > 1:
        if not dataclasses.is_dataclass(item):
            raise SettingError(f"{path}: '{keys[0]}' is a value, not a section; write {keys[0]}=value")
        _assign(item, data[keys[0]], keys[1:], text, path)
    elif menu is not None:
        menu[text]  # refuses an unknown name with the nearest one
        data[keys[0]] = {"name": text}
    elif dataclasses.is_dataclass(item):
        raise SettingError(
            f"{path} is a section; set one of its fields: {', '.join(path + '.' + n for n in _names(item))}"
        )
    else:
        data[keys[0]] = parsed(text, typing.get_type_hints(type(value))[keys[0]], path)


def _names(value: Any, prefix: str = "") -> list[str]:
    names = []
    for field in dataclasses.fields(value):
        names.append(prefix + field.name)
        item = getattr(value, field.name)
        if dataclasses.is_dataclass(item):
            names += _names(item, f"{prefix}{field.name}.")
    return names


def described(value: Any, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, current value, documentation) of every setting below a settings value, in order."""
    docs = documentation(type(value))
    for field in dataclasses.fields(value):
        item, path = getattr(value, field.name), prefix + field.name
        if dataclasses.is_dataclass(item):
            menu = field.metadata.get("menu")
            if menu is not None:
                yield path, menu.name_of(item), f"one of: {', '.join(menu)}"
            yield from described(item, f"{path}.")
        else:
            shown = ",".join(map(str, item)) if isinstance(item, tuple) else "none" if item is None else str(item)
            yield path, shown, docs.get(field.name, "")


def documentation(cls: type) -> dict[str, str]:
    """The string literals that stand below the fields of a settings class, by field name; inherited ones too."""
    docs = documentation(cls.__base__) if cls.__base__ not in (None, object) else {}
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    for before, after in pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            docs[before.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return docs


def parsed(text: str, kind: Any, path: str) -> Any:
    """Text from a command line as the type of its field."""
    alternatives = _alternatives(kind)
    if type(None) in alternatives and text.lower() in ("none", "null"):
        return None
    for alternative in alternatives:
        try:
            if alternative is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            if alternative is int:
                number = float(text.replace("_", ""))
                if number == int(number):
                    return int(number)
            if alternative is float:
                return float(text.replace("_", ""))
            if alternative is str:
                return text
            if typing.get_origin(alternative) is tuple:
                inner = typing.get_args(alternative)[0]
                return tuple(parsed(part.strip(), inner, path) for part in text.split(",") if part.strip())
        except (KeyError, ValueError, OverflowError):
            continue
    raise SettingError(f"{path}={text}: {_wanted(kind)} is needed")


def _converted(item: Any, kind: Any, path: str) -> Any:
    for alternative in _alternatives(kind):
        if alternative is type(None) and item is None:
            return None
        if typing.get_origin(alternative) is tuple and isinstance(item, (list, tuple)):
            inner = typing.get_args(alternative)[0]
            return tuple(_converted(part, inner, path) for part in item)
        if alternative is float and isinstance(item, (int, float)) and not isinstance(item, bool):
            return float(item)
        if alternative in (int, str, bool) and type(item) is alternative:
            return item
    raise SettingError(f"{path}={item!r}: {_wanted(kind)} is needed")


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else (kind,)


def _wanted(kind: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
    return " or ".join(words.get(alternative, "a comma-separated list") for alternative in _alternatives(kind))
