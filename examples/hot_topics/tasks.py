"""The work: count the words of one file (four of these run at a time), and rank what was counted."""

import logging
import os
from pathlib import Path

import jieba
from chat import LINES, Part, write
from topics import KEPT, count_words, rank

from umbel import shared_task

jieba.setLogLevel(logging.WARNING)

#: Where the chat files are.
FOLDER = Path(os.environ.get("HOT_TOPICS_DATA", Path(__file__).parent / "data"))


@shared_task(bind=True)
def make_result_str(self, day, levels):
    """Segment the chat lines of one day and level range, and count their words."""
    part = Part(day, levels)
    path = FOLDER / part.name
    if not path.exists():
        write(part, FOLDER)

    with path.open(encoding="utf-8") as file:
        words = count_words(self.progress(file, total=LINES), jieba.lcut)
    return {"day": day, "levels": levels, "total": words.total(), "words": dict(words.most_common(KEPT))}


@shared_task
def make_model(results):
    """Rank the hot topics of each day."""
    return rank(results)
