"""`DependencyGraph`: results and what came of them, with the methods of Celery's graph that programs call (5.7)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, ItemsView, Iterable, Iterator
from graphlib import TopologicalSorter
from typing import Any, Final, TextIO

from umbel.errors import IncompleteStream
from umbel.results.workflow import dot

#: Ids that one round trip asks for.
_MANY: Final = 1000


class DependencyGraph:
    """Nodes, and for each the nodes that its edges lead to, in the order in which they were added.

    Args:
        it: pairs of a node and those that its edges lead to.
        formatter: makes the label of a node in `to_dot`; ``str`` when not given.
    """

    def __init__(self, it: Iterable[tuple[Any, Iterable[Any]]] | None = None, formatter: Callable[[Any], str] | None = None) -> None:
        self.formatter = formatter
        self.adjacent: dict[Any, list[Any]] = {}
        self.update(it or ())

    def add_arc(self, obj: Hashable) -> None:
        """Add a node, unless it is in.

        Args:
            obj: the node.
        """
        self.adjacent.setdefault(obj, [])

    def add_edge(self, A: Hashable, B: Hashable) -> None:  # noqa: N803 - Celery's names
        """Add an edge; both nodes are added where they are not in.

        Args:
            A: where it begins.
            B: where it leads to.
        """
        self.add_arc(A)
        self.add_arc(B)
        self.adjacent[A].append(B)

    def update(self, it: Iterable[tuple[Any, Iterable[Any]]]) -> None:
        """Add nodes and edges.

        Args:
            it: pairs of a node and those that its edges lead to.
        """
        for node, others in it:
            self.add_arc(node)
            for other in others:
                self.add_edge(node, other)

    def connect(self, graph: DependencyGraph) -> None:
        """Add the nodes of another graph; of a node that is in both, its edges count.

        Args:
            graph: the other one.
        """
        self.adjacent.update((node, list(others)) for node, others in graph.items())

    def edges(self) -> Iterator[Any]:
        """Yield the nodes at which an edge begins; ``graph[node]`` lists where they lead to."""
        return (node for node, others in self.items() if others)

    def topsort(self) -> list[Any]:
        """List the nodes, each after those that its edges lead to.

        Raises:
            graphlib.CycleError: edges go in a circle.
        """
        return list(TopologicalSorter(self.adjacent).static_order())

    def valency_of(self, obj: Hashable) -> int:
        """Count the edges at a node and below it.

        Args:
            obj: the node; 0 for one that is not in.
        """
        seen, left = {obj}, [obj]
        while left:
            below = [other for other in self.adjacent.get(left.pop(), ()) if other not in seen]
            seen.update(below)
            left.extend(below)
        return sum(len(self.adjacent.get(node, ())) for node in seen)

    def to_dot(self, fh: TextIO, formatter: Callable[[Any], str] | None = None) -> None:
        """Write it for Graphviz.

        Args:
            fh: an open text file.
            formatter: makes the label of a node; the graph's own when not given.
        """
        label = formatter or self.formatter or str
        fh.write("digraph dependencies {\n  node [shape=box];\n")
        for node, others in self.items():
            fh.write(f"  {dot.quoted(label(node))};\n")
            fh.writelines(f"  {dot.quoted(label(node))} -> {dot.quoted(label(other))};\n" for other in others)
        fh.write("}\n")

    def items(self) -> ItemsView[Any, list[Any]]:
        """View pairs of a node and those that its edges lead to."""
        return self.adjacent.items()

    iteritems = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.adjacent)

    def __getitem__(self, node: Any) -> list[Any]:
        return self.adjacent[node]

    def __len__(self) -> int:
        return len(self.adjacent)

    def __contains__(self, obj: object) -> bool:
        return obj in self.adjacent

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} nodes, {sum(map(len, self.adjacent.values()))} edges>"


def graph_of(result: Any, *, intermediate: bool, formatter: Callable[[Any], str] | None) -> DependencyGraph:
    """Make the graph of a result and all that came of it, with one look at the store for each level.

    Args:
        result: of a task.
        intermediate: pass over what came of a task that has not ended.
        formatter: makes the label of a node.

    Raises:
        IncompleteStream: one has not ended, unless ``intermediate``.
    """
    graph, level = DependencyGraph(formatter=formatter), [result]
    graph.add_arc(result)
    while level:
        _look([leaf for node in level for leaf in (node.leaves() if hasattr(node, "results") else [node])])
        below = []
        for node in level:
            if node.ready():
                for child in node.children or ():
                    if child not in graph:
                        below.append(child)
                    if child != node:  # a task that was retried has sent itself
                        graph.add_edge(node, child)
            elif not intermediate:
                raise IncompleteStream
        level = below
    return graph


def _look(results: list[Any]) -> None:
    """Read the records of tasks, of one app, that are not known to have ended."""
    wanted = [result for result in results if not result.is_known]
    for first in range(0, len(wanted), _MANY):
        part = wanted[first : first + _MANY]
        records = part[0].backend.fetch([result.id for result in part])
        for result in part:
            if result.id in records:
                result.learn(records[result.id])
