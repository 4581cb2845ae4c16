"""`DashboardOptions`: how a dashboard is run. Made once from the command line, or by whoever mounts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from umbel.dashboard.security.people import Person, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardOptions:
    """The way in which a dashboard is run."""

    #: The file of the history; ``None`` keeps it only as long as the process lives.
    history: str | None = None
    #: Seconds for which runs are kept, and how many.
    keep: float = 30 * 86_400.0
    keep_runs: int = 1_000_000
    #: Ask workers that do not tell of their tasks to do so.
    enable_events: bool = True
    #: Shown beside the app's name, e.g. ``production``.
    environment: str = ""
    #: Names and passwords; none: whoever reaches it is an admin.
    people: Mapping[str, Person] = field(default_factory=dict)
    #: The header in which a reverse proxy names the user, and the addresses that are believed.
    proxy_header: str | None = None
    trusted_proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    #: The role of users whom a proxy names and ``people`` does not know.
    proxy_role: Role = Role.VIEWER
    #: Ask browsers for a name by Basic authentication, not by a page.
    basic: bool = False
    #: Hosts by which it may be reached; empty: all, where people have to log in.
    hosts: frozenset[str] = frozenset()
    #: Seconds after which somebody has to log in again, and after which somebody idle has to.
    session: float = 12 * 3600.0
    idle: float = 2 * 3600.0
    #: ``/metrics`` may be read by anybody.
    open_metrics: bool = False
    #: Patterns of names (``*secret*``) of keyword arguments whose values are hidden.
    hide: tuple[str, ...] = ("*password*", "*secret*", "*token*", "*api_key*")
    #: The path below which it is mounted; empty at the root.
    root: str = ""

    @property
    def asks_for_names(self) -> bool:
        """Report whether somebody has to say who they are."""
        return bool(self.people) or self.proxy_header is not None
