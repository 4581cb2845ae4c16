from umbel import Umbel
from umbel.compat.kombu.entities import Exchange, Queue, binding


def test_queues_with_kombus_arguments():
    media = Exchange("media", type="topic", delivery_mode="transient")
    queue = Queue("video", media, routing_key="media.video", queue_arguments={"x-queue-type": "classic"}, max_priority=5, expires=2.5)
    assert (queue.exchange.type, queue.exchange.delivery_mode, queue.routing_key) == ("topic", 1, "media.video")
    assert queue.arguments == {"x-queue-type": "classic", "x-max-priority": 5, "x-expires": 2500}
    assert Queue("plain").resolved().exchange.name == "plain"
    assert Queue("named", exchange="other").exchange.name == "other"
    bound = Queue("many", bindings=[binding(media, "a"), binding(media, "b")])
    assert (bound.routing_key, [each.routing_key for each in bound.bindings]) == ("a", ["b"])
    app = Umbel("proj", broker="memory://", task_queues=(queue, bound), set_as_current=False)
    assert list(app.queues) == ["video", "many"]
