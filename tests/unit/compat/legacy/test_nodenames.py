import os

from umbel.compat.legacy import nodenames as n


def test_names():
    host = n.gethostname()
    assert n.nodename("w", "h") == "w@h"
    assert n.nodesplit("w@h") == ("w", "h")
    assert n.nodesplit("h") == (None, "h")
    assert n.default_nodename(None) == f"celery@{host}"
    assert n.default_nodename("w@h") == "w@h"
    assert n.anon_nodename("h") == f"gen{os.getpid()}@h"
    assert n.host_format("%n-%h-%d", "a.b.c") == "a-a.b.c-b.c"
    assert n.node_format("%n-%h-%p-%%", "w@h") == "w-h-w@h-%"
    assert n.worker_direct("w@h").name == "w@h.dq2"
    assert n.worker_direct(n.worker_direct("w@h")).name == "w@h.dq2"
