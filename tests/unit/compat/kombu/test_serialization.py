from umbel import Umbel
from umbel.compat.kombu import serialization as s
from umbel.compat.kombu.text import bytes_to_str, safe_repr, safe_str, str_to_bytes


class Point:
    def __init__(self, x):
        self.x = x


def test_a_serializer_of_ones_own():
    s.register("of_test", lambda value: f"<{value}>", lambda text: text[1:-1], "application/x-of-test")
    app = Umbel(
        "proj", broker="memory:///kombu", backend="disabled", task_serializer="of_test", accept_content=["of_test"], set_as_current=False
    )
    app.send_task("proj.add", ("a",))
    client = app.broker.queue_client()
    message = client.get("celery")
    client.close()
    app.close()
    assert message.content_type == "application/x-of-test"
    assert message.body.startswith(b"<")
    assert s.loads("<x>", "application/x-of-test", "utf-8") == "x"
    assert s.dumps({"a": 1})[0] == "application/json"
    s.registry.enable("pickle")
    s.enable_insecure_serializers()


def test_a_compression_of_ones_own():
    s.register_compression(lambda body: body[::-1], lambda body: body[::-1], "application/x-backwards", ["backwards"])
    assert s.compress(b"abc", "backwards") == (b"cba", "application/x-backwards")
    assert s.decompress(b"cba", "application/x-backwards") == b"abc"


def test_a_type_of_ones_own():
    s.register_type(Point, "point", lambda point: point.x, Point)
    assert s.json_loads(s.json_dumps({"p": Point(3)}))["p"].x == 3
    assert s.json_loads(b'{"a": 1}') == {"a": 1}


def test_text():
    assert (bytes_to_str(b"a"), bytes_to_str("a"), str_to_bytes("a"), safe_str(b"\xff"), safe_str(1)) == ("a", "a", b"a", "�", "1")
    assert safe_repr([1]) == "[1]"

    class Broken:
        def __repr__(self):
            raise ValueError

    assert safe_repr(Broken()) == "<Broken whose repr raises ValueError>"
