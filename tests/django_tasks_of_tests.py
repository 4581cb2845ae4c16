"""Tasks of ``django.tasks``, for tests; a module, because that is where Django wants tasks."""

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


@task
def add(x, y=1):
    return x + y


@task(priority=10, queue_name="special")
def fails(text):
    raise KeyError(text)


@task(takes_context=True)
def attempts(context):
    return [context.attempt, context.task_result.id]


@task
async def in_a_coroutine(x):
    return x
