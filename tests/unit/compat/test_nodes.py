import pytest

from umbel.compat.nodes import Node


def test_the_words_of_a_node():
    node = Node("worker@example.com", options={"--logfile": "/var/%n-%h.log", "--pidfile": "w.pid"}, cmd="celery worker")
    assert node.argv == ("celery", "worker", "-n", "worker@example.com", "--pidfile=w.pid", "--logfile=/var/worker-example.com.log")
    assert node.getopt("-p", "--pidfile") == "w.pid"
    with pytest.raises(KeyError):
        node.getopt("-x")
