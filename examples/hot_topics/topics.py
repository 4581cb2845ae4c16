"""From chat lines to word counts to hot topics. Plain functions: nothing here knows of tasks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

#: Words of a file that are kept; the rest are too rare to be a topic.
KEPT = 2_000
#: A topic must have been said this often in a day.
LEAST = 200

_EMPTY = frozenset(
    "怎么 哪里 什么 可以 还有 一下 几个 一个 有没有 是不是 今天 昨天 明天 晚上 一起 我们 你们 他们 就是 还是 已经 真的 刚才 开始 后面".split()
)


def count_words(lines: Iterable[str], cut: Callable[[str], list[str]]) -> Counter[str]:
    """Count the words of two characters and more.

    Args:
        lines: as `chat` writes them; the text is the last field.
        cut: splits Chinese text into words.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(cut(line.rpartition("\t")[2]))
    for word in [word for word in counts if len(word) < 2 or word in _EMPTY or not _is_chinese(word)]:
        del counts[word]
    return counts


def rank(results: Sequence[Mapping[str, Any]], most: int = 8) -> dict[str, list[dict[str, Any]]]:
    """The hot topics of each day: words that are frequent, and more frequent than on the other days.

    A word's score is its share of the day's words times the logarithm of how many times that is its share of the other days: TF-IDF's idea, with
    "how much rarer elsewhere" in the place of "in how many documents", which says little of two days.

    Args:
        results: of `make_result_str`, each with ``day`` and ``words``.
        most: topics for each day.
    """
    days: dict[str, Counter[str]] = {}
    for result in results:
        days.setdefault(result["day"], Counter()).update(result["words"])
    totals = {day: words.total() for day, words in days.items()}
    ranking = {}
    for day, words in days.items():
        elsewhere = sum((other for name, other in days.items() if name != day), Counter())
        elsewhere_total = sum(total for name, total in totals.items() if name != day) or 1
        scored = []
        for word, said in words.items():
            if said < LEAST:
                continue
            share = said / totals[day]
            usual = (elsewhere[word] + 1) / elsewhere_total
            scored.append((share * math.log(share / usual), word, said, share / usual))
        scored.sort(reverse=True)
        ranking[day] = [
            {"word": word, "count": said, "times": round(times, 1), "score": round(score * 1000, 2)}
            for score, word, said, times in scored[:most]
            if score > 0
        ]
    return ranking


def _is_chinese(word: str) -> bool:
    return all("\u4e00" <= char <= "\u9fff" for char in word)
