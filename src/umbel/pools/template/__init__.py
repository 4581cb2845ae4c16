"""The source of child processes: a clean process that has loaded the app once and forks at request.

The consumer process itself never forks: it has a running event loop, sockets and perhaps threads, none of which may be copied. Where there is
no fork (Windows) children are spawned.

This is what the standard library's fork server does, but that one listens at a socket in a folder ``pymp-…`` of the temporary directory, and
whoever kills a worker's whole process group leaves the folder behind. An abstract address would go with its process, but anybody on the machine
could have such a server run his code (CVE-2022-42919). A socket pair has neither fault. `process` is the side that asks, `server` the other one.
"""
