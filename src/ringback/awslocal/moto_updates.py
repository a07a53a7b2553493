"""What makes most of moto's work for an update and a projection, done once instead of many times.

moto copies the tree of an update's expression node by node and walks it for each of its checks,
and asks at every node what kinds there are and whether it is one, which its abstract classes take
long to say; and it makes JSON of a whole item for each attribute that an index or a projection
names.
"""

from __future__ import annotations

import functools
import pickle
from importlib import import_module
from typing import Any


def quicken() -> None:
    """Have moto do the same in less time."""
    from moto.dynamodb.models.dynamo_type import Item
    from moto.dynamodb.parsing import validators

    ast_nodes: Any = import_module("moto.dynamodb.parsing.ast_nodes")  # it has no types
    nested = (ast_nodes.Expression, ast_nodes.UpdateExpressionFunction)
    is_a: Any = functools.cache(issubclass)
    project: Any = Item.project

    def find_clauses(self: Any, kinds: Any) -> list[Any]:
        found: list[Any] = []
        for child in self.children or []:
            if type(child) in kinds:
                found.append(child)
            elif is_a(type(child), nested):
                found.extend(child.find_clauses(kinds))
        return found

    def traverse(self: Any, node: Any) -> Any:
        kinds = self.nodes_to_be_processed()

        def walk(node: Any, at: int) -> Any:
            if not is_a(type(node), ast_nodes.Node):
                return node
            parent = node.parent
            for i, child in enumerate(node.children or ()):
                self.pre_processing_of_child(node, i)
                walk(child, i)
            if is_a(type(node), kinds):
                node = self.process(node)
                node.parent = parent
                if parent:
                    parent.children[at] = node
            return node

        return walk(node, -1)

    def project_once(self: Any, expressions: Any) -> Any:
        whole = self.to_regular_json()
        self.to_regular_json = lambda: whole
        try:
            return project(self, expressions)
        finally:
            del self.to_regular_json

    def copied(tree: Any) -> Any:
        return pickle.loads(pickle.dumps(tree))  # noqa: S301 - what was made here

    for kind, name, quick in (
        (validators, "deepcopy", copied),
        (ast_nodes.Node, "find_clauses", find_clauses),
        (ast_nodes.DepthFirstTraverser, "traverse", traverse),
        (Item, "project", project_once),
    ):
        setattr(kind, name, quick)
