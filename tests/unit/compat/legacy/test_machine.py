import socket

from umbel.compat.legacy import machine as m


def test_this_machine(tmp_path):
    assert len(m.load_average()) == 3
    assert m.cpu_budget().count == m.available_cpu_count() >= 1
    assert m.is_auto_concurrency(" AUTO ")
    assert not m.is_auto_concurrency(2)
    disk = m.df(tmp_path)
    assert 0 <= disk.capacity <= 100
    assert disk.available <= disk.total_blocks
    with m.default_socket_timeout(3):
        assert socket.getdefaulttimeout() == 3
    assert socket.getdefaulttimeout() is None
