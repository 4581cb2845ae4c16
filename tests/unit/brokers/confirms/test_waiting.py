from umbel.brokers.confirms.waiting import WaitBudget


def test_a_wait_is_no_pause():
    budget = WaitBudget(0.01)
    assert budget.allows(1.0)
    budget.spend(0.02, now=1.02)
    assert budget.is_spent
    assert not budget.allows(1.0201)


def test_pauses_fill_it_again():
    budget = WaitBudget(0.01)
    budget.spend(0.02, now=1.02)
    assert not budget.allows(1.03)
    assert budget.allows(1.05)


def test_it_is_never_larger_than_at_first():
    budget = WaitBudget(0.01)
    assert budget.allows(9.0)
    budget.spend(0.011, now=9.0)
    assert not budget.allows(9.0001)


def test_a_tight_loop_gets_nothing():
    budget = WaitBudget(0.01)
    budget.spend(0.02, now=1.0)
    assert not any(budget.allows(1.0 + number / 10_000) for number in range(1000))


def test_without_bounds():
    budget = WaitBudget(float("inf"))
    budget.spend(1000.0, now=1.0)
    assert budget.allows(1.0)


def test_the_first_calls_are_free():
    budget = WaitBudget(0.01, calls=2)
    for now in (1.0, 1.5):
        assert budget.allows(now)
        budget.spend(0.4, now=now + 0.4)
        assert not budget.is_spent
    assert budget.allows(1.9001)
    budget.spend(0.02, now=1.9201)
    assert budget.is_spent
    assert not budget.allows(1.9202)
