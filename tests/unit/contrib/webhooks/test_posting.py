"""Where webhooks may lead."""

import pytest

from umbel.contrib.webhooks.posting import post
from umbel.errors import ImproperlyConfigured


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "[fec0::1]",
        "[ff0e::1]",
    ],
)
def test_addresses_that_are_not_of_the_public_internet(host):
    with pytest.raises(ImproperlyConfigured, match="not of the public internet"):
        post(f"http://{host}:9/", b"", {}, timeout=0.01, private=False)
