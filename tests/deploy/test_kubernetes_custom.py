"""What deploy/kubernetes hands to others' controllers: the lag that KEDA scales by, the service that Prometheus asks.

Their schemas come with them and are not to be had without a cluster: the shapes here are as far as they are used.
"""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
from expressions import complaints  # type: ignore[import-not-found]
from manifests import KUBERNETES, all_manifests, documents  # type: ignore[import-not-found]
from promtool import promtool  # type: ignore[import-not-found]
from pydantic import BaseModel, ConfigDict

MANIFESTS = all_manifests()
SETTINGS = MANIFESTS["ConfigMap", "mailwake-settings"]["data"]
WORKERS = MANIFESTS["StatefulSet", "mailwake-worker"]
(WORKER,) = WORKERS["spec"]["template"]["spec"]["containers"]
SCALED = MANIFESTS["ScaledObject", "mailwake-worker"]["spec"]


class Closed(BaseModel):
    """What a custom resource may hold, as far as it is used here."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Endpoint(Closed):
    port: str
    path: str
    interval: str


class Monitor(Closed):
    """monitoring.coreos.com/v1 ServiceMonitor."""

    selector: dict[str, dict[str, str]]
    jobLabel: str  # noqa: N815 - its name there
    endpoints: list[Endpoint]


def test_prometheus_finds_the_workers() -> None:
    monitor = MANIFESTS["ServiceMonitor", "mailwake-workers"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    spec = Monitor.model_validate(monitor["spec"])
    service = MANIFESTS["Service", "mailwake-workers"]
    (base,) = documents(KUBERNETES / "base" / "kustomization.yaml")
    labels = {**base["labels"][0]["pairs"], **service["metadata"]["labels"]}
    assert labels.items() >= spec.selector["matchLabels"].items()
    assert labels[spec.jobLabel] == "mailwake", "the alerts go by this job"
    (endpoint,), (port,) = spec.endpoints, service["spec"]["ports"]
    assert endpoint.port == port["name"] and port["targetPort"] == WORKER["ports"][0]["name"]
    annotations = WORKERS["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["port"]) == SETTINGS["MAILWAKE_METRICS_PORT"]
    assert annotations["prometheus.io/path"] == endpoint.path


class Fallback(Closed):
    failureThreshold: int  # noqa: N815 - its name there
    replicas: int
    behavior: str


class Trigger(Closed):
    type: str
    metricType: str  # noqa: N815 - its name there
    metadata: dict[str, str]


class Scaled(Closed):
    """keda.sh/v1alpha1 ScaledObject, from KEDA 2.17."""

    scaleTargetRef: dict[str, str]  # noqa: N815 - its name there
    pollingInterval: int  # noqa: N815 - its name there
    minReplicaCount: int  # noqa: N815 - its name there
    maxReplicaCount: int  # noqa: N815 - its name there
    fallback: Fallback
    advanced: dict[str, dict[str, Any]]
    triggers: list[Trigger]


def test_keda_takes_the_autoscaler_and_kubernetes_what_it_makes_of_it() -> None:
    spec = Scaled.model_validate(SCALED)
    (trigger,) = spec.triggers
    assert trigger.type == "prometheus"
    assert trigger.metadata.keys() == {"serverAddress", "query", "threshold", "ignoreNullValues"}
    assert spec.fallback.behavior in (
        "static",
        "currentReplicas",
        "currentReplicasIfHigher",
        "currentReplicasIfLower",
    )
    assert trigger.metricType == "AverageValue", "a fallback works with no other"
    assert set(spec.advanced) == {"horizontalPodAutoscalerConfig"}
    made = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa-mailwake-worker"},
        "spec": {
            "scaleTargetRef": spec.scaleTargetRef,
            "minReplicas": spec.minReplicaCount,
            "maxReplicas": spec.maxReplicaCount,
            **spec.advanced["horizontalPodAutoscalerConfig"],
        },
    }
    kubernetes_validate.validate(made, kubernetes_validate.latest_version(), strict=True)


def test_there_are_never_more_workers_than_partitions_nor_none() -> None:
    partitions = int(SETTINGS["MAILWAKE_KAFKA_PARTITIONS"])
    assert SCALED["maxReplicaCount"] == partitions
    assert 1 <= SCALED["minReplicaCount"] <= SCALED["fallback"]["replicas"] <= partitions
    target = SCALED["scaleTargetRef"]
    assert (target["kind"], target["name"]) in MANIFESTS


def test_the_autoscaler_asks_for_a_metric_that_exists(tmp_path: Path) -> None:
    query = SCALED["triggers"][0]["metadata"]["query"]
    assert [one for one in complaints(query) if "namespace" not in one] == []
    namespace = MANIFESTS["Namespace", "mailwake"]["metadata"]["name"]
    assert f'namespace="{namespace}"' in query
    (example,) = documents(KUBERNETES / "example" / "kustomization.yaml")
    assert example["namespace"] == namespace
    rules = {"groups": [{"name": "scaling", "rules": [{"record": "scaling:lag", "expr": query}]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    promtool("check", "rules", "rules.yml", folder=tmp_path)
