"""The description of the interface by OpenAPI 3.1, made from its tables. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from umbel.dashboard.actions.all import ACTIONS
from umbel.dashboard.web.acting import Action


def document(resources: Iterable[Any]) -> dict[str, Any]:
    """Describe the interface.

    Args:
        resources: those of `umbel.dashboard.api.resources`.
    """
    paths: dict[str, Any] = {}
    for resource in resources:
        paths.setdefault(f"/api/v1{resource.path}", {})["get"] = {
            "operationId": f"read {resource.path}".replace("/", " ").strip(),
            "summary": resource.summary,
            "parameters": [
                *_of_path(resource.path),
                *({"name": name, "in": "query", "description": text, "schema": {"type": "string"}} for name, text in resource.query),
            ],
            "responses": {
                "200": _json(
                    "What was asked for", {"type": "array", "items": {"type": "object"}} if resource.is_list else {"type": "object"}
                ),
                **_failures(),
            },
        }
    for action in ACTIONS:
        path = re.sub(r":\w+}", "}", action.path)
        paths.setdefault(f"/api/v1{path}", {})["post"] = _of_action(action, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Umbel's dashboard", "version": "1", "description": "Everything that the pages show, and every action."},
        "paths": dict(sorted(paths.items())),
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "security": [{"basic": []}, {}],
    }


def _of_action(action: Action, path: str) -> dict[str, Any]:
    text = f"Needs the role {action.role.name.lower()}."
    if action.is_dangerous:
        text += " The field ``typed`` must repeat the name in the path."
    return {
        "operationId": action.name,
        "summary": action.name.capitalize(),
        "description": f"{text} Fields as in the page's form.",
        "parameters": _of_path(path),
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}}},
        "responses": {
            "200": _json("Done; in words", {"type": "object", "properties": {"ok": {"type": "string"}}, "required": ["ok"]}),
            **_failures(),
        },
    }


def _of_path(path: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", path)]


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _failures() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    told = {
        "400": "Something is wrong with the request",
        "401": "Nobody has logged in",
        "403": "The role does not suffice",
        "404": "It is not there",
        "503": "The broker or store cannot be reached",
    }
    return {status: _json(text, schema) for status, text in told.items()}
