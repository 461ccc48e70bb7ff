"""A menu: what can be chosen, by name. Entries are imported when they are chosen, not before.

READERS = Menu("reader", {"txt": "unmask.corpus.text:TextReader"})
READERS.load("txt")        -> the class
READERS.load("text")       SettingError: unknown reader 'text'; did you mean 'txt'? (known: txt)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from unmask.errors import SettingError


class Menu(Mapping[str, str]):
    """A dict from name to "module:attribute" that knows what it is a menu of.

    Iterating gives the names; `load(name)` imports; `name_of(thing)` is the inverse for classes and functions.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> str:
        if name not in self._entries:
            raise SettingError(unknown(self.kind, name, self._entries))
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, name: str) -> Any:
        """Import and return the entry; SettingError with the nearest name when there is none."""
        module, _, attribute = self[name].partition(":")
        return getattr(import_module(module), attribute)

    def name_of(self, thing: Any) -> str:
        """The name under which a class or function (or an instance of such a class) is listed."""
        target = thing if hasattr(thing, "__qualname__") else type(thing)
        path = f"{target.__module__}:{target.__qualname__}"
        for name, entry in self._entries.items():
            if entry == path:
                return name
        raise KeyError(f"{path} is not on the menu of {self.kind}s")


def unknown(kind: str, name: str, known: Mapping[str, Any] | list[str]) -> str:
    """The line that answers a name nobody knows, with the nearest one."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{name}'{hint} (known: {', '.join(names)})"
