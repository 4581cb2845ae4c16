"""The parts of Celery's app that projects reach through it: ``app.amqp``, ``app.loader``, ``app.log``, ``app.backend``, ``app.connection()``."""
