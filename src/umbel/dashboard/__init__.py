"""The web dashboard: `umbel dashboard`, or ``umbel.dashboard.application.make(app)`` mounted in any ASGI program."""
