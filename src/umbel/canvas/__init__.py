"""Workflows as data: signatures, chains, groups and chords; what their parts are called (ids), which messages start them, what follows a task.

Pure: no socket, clock, thread or broker. Bottom up: `shapes` reads signatures, `opening` takes them apart, `operators` puts them together,
`freezing` gives ids, `planning` says what to publish, `successors` what follows. `signatures` has the classes that users hold,
and is imported when one of them is first used: a worker needs none of them.
"""
