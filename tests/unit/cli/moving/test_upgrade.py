import pytest

SETTINGS = b'BROKER_URL = "memory://"\r\nCELERY_ALWAYS_EAGER = True\r\n# \xc3\xa9t\xc3\xa9\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "celeryconfig.py"
    path.write_bytes(SETTINGS)
    return path


def test_a_file_and_its_copy(umbel, file):
    done = umbel("upgrade", "settings", str(file))
    assert done.code == 0
    assert "line 2: CELERY_ALWAYS_EAGER is task_always_eager" in done.out
    assert "Changes to your setting have been made! (2 names)" in done.out
    assert file.read_bytes() == b'broker_url = "memory://"\r\ntask_always_eager = True\r\n# \xc3\xa9t\xc3\xa9\n'
    assert file.with_name("celeryconfig.py.orig").read_bytes() == SETTINGS
    assert umbel("upgrade", "settings", str(file)).out == "Nothing to change.\n"


def test_for_django(umbel, file):
    assert umbel("upgrade", "settings", str(file), "--django", "--no-backup").code == 0
    assert file.read_bytes().startswith(b'CELERY_BROKER_URL = "memory://"\r\nCELERY_TASK_ALWAYS_EAGER = True')
    assert not file.with_name("celeryconfig.py.orig").exists()


def test_what_is_no_python(umbel, file):
    file.write_text("BROKER_URL =")
    done = umbel("upgrade", "settings", str(file))
    assert done.code == 1
    assert "is no Python module: invalid syntax" in done.err
