"""The transactional outbox: a call is a row in the transaction that makes it; a relay publishes what has been committed. Knows no framework.

`publisher` stands between an app and its publisher and writes rows; `relay` takes rows and publishes them; `base` is the contract of the table between them.
"""
