"""The manifests in deploy/kubernetes, read as they are written: kustomize's own additions are not in them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from promtool import DEPLOY  # type: ignore[import-not-found]

KUBERNETES = DEPLOY / "kubernetes"

Manifest = Mapping[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def all_manifests() -> dict[tuple[str, str], Manifest]:
    """By kind and name."""
    return {
        (one["kind"], one["metadata"]["name"]): one
        for path in sorted(KUBERNETES.rglob("*.yaml"))
        if path.name != "kustomization.yaml"
        for one in documents(path)
    }


def pods() -> Iterator[tuple[str, Manifest]]:
    """The pod specification of everything that has one."""
    for (kind, name), one in all_manifests().items():
        if "template" in one.get("spec", {}):
            yield f"{kind}/{name}", one["spec"]["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def at(value: Any, pointer: str) -> Any:
    """What a JSON pointer points at. Raises KeyError where that is nothing."""
    for part in pointer.strip("/").split("/"):
        value = value[part]
    return value
