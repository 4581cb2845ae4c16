"""What memcached is told: keys, times, and values that are too large."""

import pytest
from pymemcache.client.base import Client

from umbel.errors import EncodeError
from umbel.results.base import StoreOptions
from umbel.results.memcached import connect
from umbel.results.memcached.values import servers_of
from umbel.results.model import Record

pytestmark = pytest.mark.memcached


@pytest.fixture
def raw(memcached_url):
    client = Client(servers_of(memcached_url)[0])
    yield client
    client.close()


@pytest.fixture
def make(memcached_url):
    made = []

    def make(**options):
        made.append(connect(StoreOptions(url=memcached_url, **options)))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.mark.parametrize(("expires", "seconds"), [(60.0, 61), (None, -1), (40 * 86400.0, 40 * 86400 + 1)])
def test_a_record_has_celerys_key_and_its_time(make, raw, unique, expires, seconds):
    task_id = unique("ttl")
    make(expires=expires).store([Record(task_id=task_id, status="SUCCESS", result=1)])
    left = raw.raw_command(f"mg celery-task-meta-{task_id} t").split()[1]
    assert seconds - 2 <= int(left[1:]) <= seconds + 1
    make().forget([task_id])


def test_a_result_that_is_too_large_is_told(make, unique):
    with pytest.raises(EncodeError, match="larger than memcached takes: 2,000,"):
        make().store([Record(task_id=unique("large"), status="SUCCESS", result="x" * 2_000_000)])
