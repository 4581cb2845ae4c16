"""`app.conf`: the settings of one app, in layers.

From the strongest: what was assigned (``conf.x = …``, ``conf.update``, ``changes=``), environment variables, arguments of the app
(``broker=``, …), the configuration source, ``add_defaults``, Umbel's defaults. The source is read when a setting is first asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from umbel.app.config import schema, sources
from umbel.clients import urls
from umbel.errors import ImproperlyConfigured

_ASSIGNED, _ENVIRONMENT, _ARGUMENTS, _SOURCE, _DEFAULTS = range(5)
_MASK = "********"
#: A host and a port, without a scheme: of the second of several servers.
_SERVER = re.compile(r"[\w.-]+(:\d+)?/?")


class Settings(MutableMapping[str, Any]):
    """Settings by attribute or item, under new and old names.

    Args:
        arguments: settings given to the app's constructor.
        changes: settings that are stronger than anything else.
        on_load: called before the source is read, and after.
        environ: environment variables.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        on_load: tuple[Callable[[], object], Callable[[], object]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "_environ", os.environ if environ is None else environ)
        put(self, "_layers", [sources.normalized(changes or {}), {}, sources.normalized(arguments or {}), {}, {}])
        put(self, "_pending", [])
        put(self, "_late_defaults", [])
        put(self, "_cache", {})
        put(self, "_on_load", on_load)
        put(self, "loaded", False)
        put(self, "version", 0)

    _environ: Mapping[str, str]
    _layers: list[dict[str, Any]]
    _pending: list[tuple[Any, bool, str | None]]
    _late_defaults: list[Callable[[], Mapping[str, Any]]]
    _cache: dict[str, Any]
    _on_load: tuple[Callable[[], object], Callable[[], object]] | None
    #: Whether the source has been read.
    loaded: bool
    #: Grows with every change; what is compiled from settings compares it.
    version: int

    # reading

    def __getattr__(self, name: str) -> Any:
        try:
            return self._cache[name]
        except KeyError:
            pass
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(schema.unknown(name)) from None

    def __getitem__(self, name: str) -> Any:
        if not self.loaded:
            self.load()
        key = schema.canonical(name)
        if key is None:
            raise KeyError(schema.unknown(name))
        for layer in self._layers:
            if key in layer:
                break
        else:
            if key not in schema.SETTINGS:
                raise KeyError(name)
            layer = {key: schema.SETTINGS[key].default}
            if isinstance(layer[key], dict):  # a user may change what is given out; the default must not change with it
                layer = self._layers[_DEFAULTS]
                layer[key] = dict(schema.SETTINGS[key].default)
        self._cache[name] = layer[key]
        return layer[key]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        key = schema.canonical(name)
        return key is not None and (key in schema.SETTINGS or any(key in layer for layer in self._layers))

    def __iter__(self) -> Iterator[str]:
        extra = {key for layer in self._layers for key in layer if key not in schema.SETTINGS}
        return iter([*schema.SETTINGS, *sorted(extra)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Settings: {self.humanize() or 'defaults'}>"

    # writing

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).__annotations__:
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        self._layers[_ASSIGNED].update(sources.normalized({name: value}))
        self._changed()

    def __delitem__(self, name: str) -> None:
        key = schema.canonical(name)
        if key is None or key not in self._layers[_ASSIGNED]:
            raise KeyError(name)
        del self._layers[_ASSIGNED][key]
        self._changed()

    def update(self, *others: Any, **settings: Any) -> None:
        """Assign many settings, from mappings (``*others``) and by name (``**settings``); nothing changes when one of them is wrong."""
        merged: dict[str, Any] = {}
        for other in others:
            merged.update(other)
        self._layers[_ASSIGNED].update(sources.normalized({**merged, **settings}))
        self._changed()

    def add_defaults(self, defaults: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add ``defaults``, stronger than Umbel's own only; a function is called when the settings are first read."""
        if callable(defaults) and not self.loaded:
            self._late_defaults.append(defaults)
            return
        given = sources.normalized(defaults() if callable(defaults) else defaults)
        layer = self._layers[_DEFAULTS]
        layer.update({key: value for key, value in given.items() if key not in layer})
        self._changed()

    def read_from(self, source: Any, *, silent: bool = False, force: bool = False, namespace: str | None = None) -> None:
        """Take settings from a source (see `sources.load`), when a setting is first asked for.

        Args:
            source: a module or its path, a class, an object, a dict.
            silent: pass over a module that cannot be imported.
            force: read it now; so it is, too, when settings were read already.
            namespace: prefix of its settings.
        """
        self._pending[:] = [(source, silent, namespace)]
        if force or self.loaded:
            self._read_pending()

    def load(self) -> None:
        """Read what was put off until now."""
        if self.loaded:
            return
        if self._on_load:
            self._on_load[0]()
        object.__setattr__(self, "loaded", True)
        try:
            self._layers[_ENVIRONMENT] = sources.from_environment(self._environ)
            self._read_pending()
            for function in self._late_defaults:
                self.add_defaults(function)
        except BaseException:
            object.__setattr__(self, "loaded", False)
            raise
        self._changed()
        if self._on_load:
            self._on_load[1]()

    finalize = load

    def _read_pending(self) -> None:
        for source, silent, namespace in self._pending:
            try:
                self._layers[_SOURCE] = sources.load(source, namespace)
            except ImportError:
                if not silent:
                    raise
        self._pending.clear()
        self._changed()

    def _changed(self) -> None:
        self._cache.clear()
        object.__setattr__(self, "version", self.version + 1)

    # looking

    @property
    def unread(self) -> Any:
        """The source that has not been read: not yet, or because that failed."""
        return self._pending[0][0] if self._pending else None

    @property
    def changes(self) -> Mapping[str, Any]:
        """The settings that were assigned."""
        return self._layers[_ASSIGNED]

    def is_set(self, name: str) -> bool:
        """Report whether the setting ``name`` was given."""
        self.load()
        key = schema.canonical(name)
        return any(key in layer for layer in self._layers[:_DEFAULTS])

    def without_defaults(self) -> dict[str, Any]:
        """Return the settings that were given."""
        self.load()
        merged: dict[str, Any] = {}
        for layer in reversed(self._layers[:_DEFAULTS]):
            merged.update(layer)
        return merged

    def value_set_for(self, name: str) -> Any:
        """Return the value of the setting ``name`` if one was given, else ``None``."""
        return self[name] if self.is_set(name) else None

    def first(self, *names: str) -> Any:
        """Return the first value among these settings, by their ``names``, that is not ``None``."""
        return next((value for name in names if (value := self.get(name)) is not None), None)

    def find_option(self, name: str, namespace: str = "") -> tuple[str, str, Any]:
        """Find a setting by a part of its name, after ``namespace``.

        Args:
            name: the part.
            namespace: the first word of its name.

        Returns:
            Namespace, name and table row.

        Raises:
            KeyError: there is no such setting.
        """
        for key in (f"{namespace}_{name}", name):
            found = schema.canonical(key)
            if found is not None and found in schema.SETTINGS:
                return found.partition("_")[0], found.partition("_")[2], schema.SETTINGS[found]
        raise KeyError(name)

    def find_value_for_key(self, name: str, namespace: str = "celery") -> Any:
        """Return the value of the setting that is given by a part of its ``name``, after ``namespace``."""
        return self.get_by_parts(*self.find_option(name, namespace)[:2])

    def get_by_parts(self, *parts: str) -> Any:
        """Return the value of the setting whose name the words ``parts`` make."""
        return self["_".join(part for part in parts if part)]

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """Return settings by name.

        Args:
            with_defaults: also those that were not given.
            censored: mask passwords and keys.
        """
        chosen = dict(self) if with_defaults else self.without_defaults()
        return {name: _masked(name, value) if censored else value for name, value in sorted(chosen.items())}

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """Return `table`, with the same ``with_defaults`` and ``censored``, as text, a line for each setting."""
        return "\n".join(f"{name}: {value!r}" for name, value in self.table(with_defaults, censored).items())


def _masked(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if schema.is_secret(name):
        return _MASK
    if isinstance(value, str):
        return _public_servers(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: _masked(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(name, item) for item in value]
    return value


def _public_servers(given: str) -> str:
    """URLs, split by semicolons. The second of several servers may be a host and a port alone; where an ``@`` stands anywhere, it may be of a password."""
    first, *others = given.split(";")
    if "@" not in given and others and all(map(_SERVER.fullmatch, others)):
        return ";".join([_public(first).rstrip("/"), *others])
    shown = [_public(each) for each in (first, *others)]
    return ";".join([*(each if each.endswith("//") else each.removesuffix("/") for each in shown[:-1]), shown[-1]])


def _public(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator:
        return _MASK
    try:
        return urls.parse(url).public()
    except ImproperlyConfigured:
        return f"{scheme}://{_MASK}"


def zone_of(conf: Settings) -> tzinfo:
    """Return the zone of ``timezone`` and ``enable_utc`` in ``conf``."""
    name = conf.timezone
    if isinstance(name, tzinfo):
        return name
    if not name or name.upper() == "UTC":
        return UTC if conf.enable_utc or name else datetime.now().astimezone().tzinfo or UTC  # noqa: TID251 - the machine's own zone
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
