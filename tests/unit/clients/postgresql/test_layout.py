from umbel.clients.postgresql import layout


def test_steps_are_numbered_without_gaps():
    assert [number for number, _, _ in layout.steps()] == list(range(1, len(layout.steps()) + 1))


def test_the_script_is_one_transaction_and_keeps_what_was_run():
    script = layout.script()
    assert script.startswith("BEGIN;")
    assert script.rstrip().endswith("COMMIT;")
    for number, name, sql in layout.steps():
        assert f"-- {name}" in script
        assert sql.strip() in script
        assert f"INSERT INTO umbel_schema (version) VALUES ({number});" in script


def test_what_was_run_is_left_out():
    assert "CREATE TABLE umbel_messages" not in layout.script(after=1)
