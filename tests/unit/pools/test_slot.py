from umbel.pools.slot import join, part


def job(number):
    return (number, {}, b"", "", "", {}, "", "", False)


def test_jobs_that_run_together_travel_as_one():
    jobs = [job(1), job(2), job(3)]
    assert part(join(jobs)) == jobs
    assert join([job(1)]) == job(1)
    assert part(job(1)) is None
