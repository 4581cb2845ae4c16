"""The fixtures of `umbel.testing.plugin`, as a project has them."""

from __future__ import annotations

import pytest


class TestDefaults:
    @pytest.fixture
    def add(self, umbel_app):
        @umbel_app.task
        def add(x, y):
            return x + y

        return add

    def test_an_app_of_its_own_and_a_worker_of_it(self, umbel_app, add, umbel_worker):
        assert add.delay(30, 42).get(timeout=10) == 72
        assert umbel_worker.app is umbel_app

    def test_the_next_test_has_another_app(self, umbel_app):
        assert not [name for name in umbel_app.tasks if name.endswith(".add")]


class TestOwn:
    @pytest.fixture
    def umbel_worker_options(self):
        return {"queues": ("a", "b")}

    def test_options_are_a_fixture(self, umbel_worker):
        assert [queue.name for queue in umbel_worker.queues()] == ["a", "b"]
