"""Long reports: a page with a progress bar, dependencies that routes and tasks share, and tasks over HTTP for other programs."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from umbel import Umbel
from umbel.contrib.fastapi import inject, lifespan_of, progress_stream, task_endpoints

queue = Umbel("reports")
app = FastAPI(title="Reports", lifespan=lifespan_of(queue))
app.include_router(task_endpoints(queue, os.environ.get("REPORTS_TOKEN", "only-for-the-example"), tasks=["reports.*"]))


class Wanted(BaseModel):
    title: str
    pages: int = Field(gt=0, le=1000)


class Report(BaseModel):
    number: int
    title: str


def get_database() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect("reports.db", timeout=30, check_same_thread=False)
    try:
        with database:
            database.execute("CREATE TABLE IF NOT EXISTS report (number INTEGER PRIMARY KEY, title TEXT)")
            yield database
    finally:
        database.close()


Database = Annotated[sqlite3.Connection, Depends(get_database)]


@queue.task(bind=True, pydantic=True)
@inject
async def write_report(self, wanted: Wanted, database: Database) -> Report:
    for _ in self.progress(range(wanted.pages)):
        await asyncio.sleep(0.02)  # the work
    number = database.execute("INSERT INTO report (title) VALUES (?)", (wanted.title,)).lastrowid
    return Report(number=number, title=wanted.title)


@app.post("/reports", status_code=202)
async def order(wanted: Wanted) -> dict[str, str]:
    result = await write_report.adelay(wanted)  # the event loop never waits for the broker
    return {"task": result.id}


@app.get("/reports/{task}/events")
async def follow(task: str):
    return progress_stream(queue.AsyncResult(task))


@app.get("/reports")
def listing(database: Database) -> list[Report]:
    return [Report(number=number, title=title) for number, title in database.execute("SELECT number, title FROM report")]


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    return PAGE


PAGE = """<!doctype html><title>Reports</title>
<button id=go>Write a report</button> <progress id=bar value=0 max=1></progress><pre id=out></pre>
<script>
document.getElementById("go").onclick = async () => {
  const wanted = {title: "October", pages: 100}
  const answer = await fetch("/reports", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(wanted)})
  const events = new EventSource("/reports/" + (await answer.json()).task + "/events")
  events.addEventListener("progress", event => {
    document.getElementById("bar").value = JSON.parse(event.data).progress?.fraction ?? 0
  })
  events.addEventListener("end", event => {
    events.close()
    document.getElementById("bar").value = 1
    document.getElementById("out").textContent = event.data
  })
}
</script>"""
