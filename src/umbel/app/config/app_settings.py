"""The part of an app that reads and answers settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from umbel.app.config import sources
from umbel.app.config.settings import Settings, zone_of
from umbel.runtime.clock import Clock


class AppSettings:
    """Base of `umbel.app.app.Umbel`: the methods that take settings from somewhere, and what follows from settings alone."""

    conf: Settings
    time: Clock
    #: Prefix of every setting in the configuration source.
    namespace: str | None

    def config_from_object(self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None) -> None:
        """Take settings from a module's path, a module, a class, an object or a dict (see `sources.load`).

        Args:
            obj: the source.
            silent: pass over a module that cannot be imported.
            force: read it now, not when a setting is first asked for.
            namespace: prefix of its settings; that of the app when not given.
        """
        self.conf.read_from(obj, silent=silent, force=force, namespace=namespace or self.namespace)

    def config_from_envvar(self, variable_name: str, silent: bool = False, force: bool = False) -> bool:
        """Take settings from the module that an environment variable names; returns whether there is one.

        Args:
            variable_name: the variable.
            silent: it may be missing.
            force: read the module now.

        Raises:
            ImproperlyConfigured: the variable is not set.
        """
        module = sources.module_named_by(variable_name, os.environ, silent=silent)
        if module:
            self.config_from_object(module, silent=silent, force=force)
        return bool(module)

    def config_from_cmdline(self, argv: Iterable[str], namespace: str = "celery") -> None:  # noqa: ARG002 - names are whole here
        """Take settings from words such as ``worker.prefetch_multiplier=1``.

        Args:
            argv: the words.
            namespace: Celery's; names are whole here.

        Raises:
            ImproperlyConfigured: a word is not of this form, or there is no such setting.
        """
        self.conf.update(sources.from_arguments(argv))

    def add_defaults(self, defaults: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Add ``defaults``, or a function that returns them, that only Umbel's own defaults are weaker than."""
        self.conf.add_defaults(defaults)

    @property
    def configured(self) -> bool:
        """Report whether the settings have been read."""
        return self.conf.loaded

    @property
    def timezone(self) -> tzinfo:
        """The zone in which times are written. A time that a caller writes without a zone goes as it is; workers take it for UTC, as Celery's do."""
        return zone_of(self.conf)

    def now(self) -> datetime:
        """Return the time in the app's zone."""
        return datetime.fromtimestamp(self.time.now(), self.timezone)

    def setup_security(
        self,
        allowed_serializers: Iterable[str] | None = None,
        key: str | None = None,
        key_password: str | bytes | None = None,
        cert: str | None = None,
        store: str | None = None,
        digest: str | None = None,
        serializer: str = "json",
    ) -> None:
        """Sign messages, and accept only signed ones, with the serializer ``auth``. The setting ``message_keys`` signs more: headers, too.

        Args:
            allowed_serializers: more serializers that may read what somebody has signed.
            key: file of the private key; ``security_key`` when not given, and so on.
            key_password: of the key.
            cert: file of the certificate.
            store: a folder, or a pattern of files, of certificates that are trusted.
            digest: of signatures.
            serializer: that writes what is signed.

        Raises:
            ImproperlyConfigured: ``task_serializer`` or ``accept_content`` is not ``auth``; or a file is missing, or cryptography is.
            SecurityError: a key or certificate is none, or its time is over.
        """
        from umbel.app.security import certificates  # few apps sign

        certificates.setup(self.conf, allowed_serializers, key, key_password, cert, store, digest, serializer)
