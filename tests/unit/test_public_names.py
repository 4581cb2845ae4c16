"""What ``import umbel`` gives, and what it must not cost."""

import json
import subprocess
import sys

import umbel

ALLOWED = {
    "AsyncResult", "Binding", "Broadcast", "Call", "Celery", "EagerResult", "Exchange", "Periodic", "Queue", "Service", "Task", "Umbel", "__version__", "allow_join_result", "binding", "current_app",
    "current_task", "errors", "get_task_logger", "shared_task", "states", "uuid", "worker_direct",
    "Signature", "chain", "chord", "chunks", "group", "maybe_signature", "signature", "subtask", "xmap", "xstarmap",
}  # fmt: skip
HEAVY = {"redis", "hiredis", "sqlalchemy", "msgpack", "yaml", "pamqp", "click", "rich", "kombu", "celery", "sqlite3", "asyncio"}

CODE = """
import json, sys
before = set(sys.modules)
import umbel
light = sorted(set(sys.modules) - before)
umbel.Umbel("x", broker="redis://localhost/0", set_as_current=False)
print(json.dumps([light, sorted(set(sys.modules) - before)]))
"""


def test_public_names_are_these():
    assert set(umbel.__all__) == ALLOWED
    for name in ALLOWED:
        assert getattr(umbel, name) is not None
    assert issubclass(umbel.Celery, umbel.Umbel)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(umbel, "nonsense")


def test_new_ids_are_version_7():
    assert umbel.uuid()[14] == "7"


def test_importing_is_light():
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    imported, with_app = json.loads(ran.stdout)
    assert not HEAVY & set(imported)
    assert not [name for name in (*imported, *with_app) if name.startswith(("umbel.testing", "pytest"))]
    assert not (HEAVY - {"asyncio"}) & set(with_app)
