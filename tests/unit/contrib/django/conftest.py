import pytest

import django_project


@pytest.fixture(scope="module", autouse=True)
def project():
    """The project's folder."""
    with django_project.installed() as folder:
        yield folder


@pytest.fixture(autouse=True)
def nothing_current():
    """No app of another test is the current one."""
    from umbel import current

    token = current.app.set(None)
    yield
    current.app.reset(token)
