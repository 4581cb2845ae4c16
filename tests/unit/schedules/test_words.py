"""A sentence for each schedule."""

from __future__ import annotations

import pytest

from umbel.schedules import clocked, crontab, schedule, solar


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (schedule(30), "every 30 seconds"),
        (schedule(1), "every second"),
        (schedule(0.5), "every 0.5 seconds"),
        (schedule(5400), "every 1 hour 30 minutes"),
        (schedule(3600, relative=True), "every hour, on the hour"),
        (schedule(86400, relative=True), "every day, at midnight"),
        (crontab(), "every minute"),
        (crontab("*/5"), "every 5 minutes"),
        (crontab(0), "at minute 0 of every hour"),
        (crontab("5,35"), "at minute 5 and 35 of every hour"),
        (crontab(0, "*/2"), "at minute 0 of every 2nd hour"),
        (crontab(30, 7), "at 07:30"),
        (crontab(30, "7,19"), "at 07:30 and 19:30"),
        (crontab(0, 3, "mon"), "at 03:00 on Monday"),
        (crontab(0, 3, "mon-fri"), "at 03:00 on Monday to Friday"),
        (crontab(0, 3, "fri-mon"), "at 03:00 on Friday to Monday"),
        (crontab(0, 3, "sat,sun"), "at 03:00 on Saturday and Sunday"),
        (crontab("*/15", "8-17", "mon-fri"), "every 15 minutes from 08:00 to 17:59 on Monday to Friday"),
        (crontab("*", 3), "every minute of the hour 3"),
        (crontab("3-50", "*"), "at minute 3 to 50 of every hour"),
        (crontab(0, 0, day_of_month=1), "at 00:00 on day 1 of the month"),
        (crontab(0, 0, day_of_month="1,15", month_of_year="jan-mar"), "at 00:00 on days 1 and 15 of the month, in January to March"),
        (crontab(0, 12, "fri", 13), "at 12:00 on Friday, on day 13 of the month"),
        (crontab(0, 3, timezone="Asia/Tokyo"), "at 03:00 (Asia/Tokyo)"),
        (solar("dusk_civil", 52.5, -13.4), "at dusk civil at 52.5° N, 13.4° W"),
        (clocked("2031-03-03T07:30+00:00"), "once, on Monday, 3 March 2031, 07:30 UTC"),
    ],
)
def test_sentences(given, sentence):
    assert given.sentence == sentence
