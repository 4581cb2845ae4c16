"""Real Celery's crontab, line by line: cron fields, an instant and a zone in, the next time on the wall out."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab

APP = Celery("oracle", set_as_current=False)


def main() -> None:
    for line in sys.stdin:
        given = json.loads(line)
        APP.conf.timezone = given["zone"]
        last = datetime.fromtimestamp(given["after"], ZoneInfo(given["zone"]))
        try:
            schedule = crontab(**given["fields"], nowfun=lambda last=last: last, app=APP)
            schedule.tz = ZoneInfo(given["zone"])
            _, delta, _ = schedule.remaining_delta(last)
            print((last + delta).replace(tzinfo=None).isoformat())
        except (ValueError, RuntimeError):  # no such day; or none for some years
            print("never")


if __name__ == "__main__":
    main()
