"""The app. ``umbel -A main worker …`` finds it here; ``python main.py`` sends the work and prints the hot topics."""

from umbel import Celery, chord, group

app = Celery(
    "hot_topics",
    broker="amqp://guest:guest@localhost:5672/hot_topics",
    backend="redis://localhost:6379/0",
    include=["tasks"],
)
app.conf.task_default_queue = "celery_test"


def main() -> None:
    """Map over the four files, then reduce: a chord."""
    from chat import PARTS
    from tasks import make_model, make_result_str

    counted = group(make_result_str.s(part.day, part.levels) for part in PARTS)
    for day, topics in chord(counted)(make_model.s()).get(timeout=300).items():
        print(day, " ".join(f"{topic['word']}({topic['count']})" for topic in topics))


if __name__ == "__main__":
    main()
