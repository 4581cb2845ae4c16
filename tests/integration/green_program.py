"""A program in which everything is patched for greenlets: 50 of them publish and read their results, beside one that only ticks.

python green_program.py (gevent | eventlet) BROKER BACKEND QUEUE
"""

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()

import threading
import time

from umbel import Umbel

_, kind, broker, backend, queue = sys.argv
app = Umbel("green_program", broker=broker, backend=backend, task_default_queue=queue)
ticks, answers, is_over = 0, [], False


@app.task(name="green.add")
def add(x, y):
    return x + y


def tick():
    global ticks  # noqa: PLW0603
    while not is_over:
        ticks += 1
        time.sleep(0.001)


def call(number):
    answers.append(add.delay(number, 1).get(timeout=30) - number)


beside = threading.Thread(target=tick)
beside.start()
calls = [threading.Thread(target=call, args=(number,)) for number in range(50)]
for each in calls:
    each.start()
for each in calls:
    each.join()
is_over = True
beside.join()
print(answers == [1] * 50, ticks > 1)
