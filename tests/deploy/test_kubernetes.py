"""deploy/kubernetes: valid by Kubernetes' own schemas, restricted, and telling mailwake what it takes."""

import json
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from manifests import KUBERNETES, Manifest, all_manifests, at, containers, documents, pods  # type: ignore[import-not-found]
from promtool import DEPLOY  # type: ignore[import-not-found]
from workload import SECRETS, parsed, settings  # type: ignore[import-not-found]

MANIFESTS = all_manifests()
PODS = dict(pods())
CUSTOM = {"ScaledObject", "ServiceMonitor"}
SETTINGS = MANIFESTS["ConfigMap", "mailwake-settings"]["data"]
WORKERS = MANIFESTS["StatefulSet", "mailwake-worker"]
(WORKER,) = WORKERS["spec"]["template"]["spec"]["containers"]
KUSTOMIZATIONS = {path.parent: documents(path)[0] for path in KUBERNETES.rglob("kustomization.yaml")}
PASSWORDS = (KUBERNETES / "example" / "passwords.env.example").read_text()


@pytest.mark.parametrize(
    "manifest", [m for m in MANIFESTS.values() if m["kind"] not in CUSTOM], ids=lambda m: m["kind"]
)
@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_takes_it(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_what_kubernetes_does_not_take_is_seen() -> None:
    spoiled = json.loads(json.dumps(WORKERS))
    spoiled["spec"]["podManagement"] = "Parallel"
    with pytest.raises(kubernetes_validate.ValidationError, match="podManagement"):
        kubernetes_validate.validate(spoiled, kubernetes_validate.latest_version(), strict=True)


def test_every_file_is_in_a_kustomization_and_every_patch_finds_what_it_changes() -> None:
    for folder, one in KUSTOMIZATIONS.items():
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        resources = set(one["resources"])
        assert files == {name for name in resources if name.endswith(".yaml")}, folder
        for other in (resources - files) | set(one.get("components", ())):
            assert (folder / other).resolve() in KUSTOMIZATIONS, other
        for patch in one.get("patches", ()):
            target = MANIFESTS[patch["target"]["kind"], patch["target"]["name"]]
            for operation in yaml.safe_load(patch["patch"]):
                where = operation["path"]
                at(target, where if operation["op"] in ("replace", "remove") else where.rpartition("/")[0])


def test_mailwake_takes_every_variable(tmp_path: Path) -> None:
    named = {"MAILWAKE_WORKER_NAME": "mailwake-worker-0"}
    made = settings({**SETTINGS, **named}, tmp_path)
    assert made.log.startswith("kafka://") and made.warehouse_server is not None
    patched = {
        operation["path"].rpartition("/")[2]: operation["value"]
        for patch in KUSTOMIZATIONS[KUBERNETES / "example"]["patches"]
        if patch["target"]["kind"] == "ConfigMap"
        for operation in yaml.safe_load(patch["patch"])
    }
    assert settings({**SETTINGS, **patched, **named}, tmp_path) != made


def test_passwords_are_in_the_secret_and_nowhere_else(tmp_path: Path) -> None:
    filled = dict(re.findall(r"^(\w+)=(.*)$", PASSWORDS, re.MULTILINE))
    assert filled and set(filled) <= SECRETS and set(filled.values()) == {""}
    settings({**SETTINGS, **dict.fromkeys(filled, "secret")}, tmp_path)
    assert not set(SETTINGS) & SECRETS
    assert [key for key in MANIFESTS if key[0] == "Secret"] == []
    (generated,) = KUSTOMIZATIONS[KUBERNETES / "example"]["secretGenerator"]
    assert generated["envs"] == ["passwords.env"]
    assert "passwords.env" in (DEPLOY.parent / ".gitignore").read_text().splitlines()
    known = {"configMapRef": {"mailwake-settings"}, "secretRef": {generated["name"]}}
    for name, pod in PODS.items():
        for container in containers(pod):
            assert {k: {v["name"]} for one in container["envFrom"] for k, v in one.items()} == known, name
            assert all("valueFrom" in variable for variable in container.get("env", ()))


def test_mailwake_has_every_command() -> None:
    commands = [" ".join(container["args"]) for pod in PODS.values() for container in containers(pod)]
    assert commands == [
        "intake",
        "schemas register",
        "topics apply",
        "keyring init",
        "warehouse migrate",
        "worker",
    ]
    for command in commands:
        parsed(command.split())


def test_every_image_is_ours_and_pinned() -> None:
    assert {container["image"] for pod in PODS.values() for container in containers(pod)} == {"mailwake"}
    for one in KUSTOMIZATIONS.values():
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", image["newTag"]) for image in one.get("images", ()))


@pytest.mark.parametrize("name", PODS)
def test_pods_are_restricted(name: str) -> None:
    """The Pod Security Standard `restricted`, which the namespace enforces, and a read-only root."""
    pod = PODS[name]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (DEPLOY / "Dockerfile").read_text()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert ("ServiceAccount", pod["serviceAccountName"]) in MANIFESTS
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    allowed = {"name", "emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected"}
    assert all(set(volume) <= allowed for volume in pod["volumes"])
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= {
            volume["name"] for volume in pod["volumes"]
        }


def test_a_worker_goes_by_its_pods_name() -> None:
    (named,) = WORKER["env"]
    assert named == {
        "name": "MAILWAKE_WORKER_NAME",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    }


def test_probes_ask_what_a_worker_answers(tmp_path: Path) -> None:
    made = settings(SETTINGS, tmp_path)
    (port,) = WORKER["ports"]
    assert port["containerPort"] == made.metrics_port and made.metrics_host == "0.0.0.0"
    paths = {name: WORKER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: get["path"] for name, get in paths.items()} == {
        "startup": "/healthz", "liveness": "/livez", "readiness": "/readyz",
    }  # fmt: skip
    assert {get["port"] for get in paths.values()} == {port["name"]}
    # Longer than the server lets one wait for its turn, so that its own words are what comes back.
    assert all(WORKER[f"{name}Probe"]["timeoutSeconds"] > 10 for name in paths)


def test_everything_selects_the_workers() -> None:
    labels = WORKERS["spec"]["template"]["metadata"]["labels"]
    spread = WORKERS["spec"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        WORKERS["spec"]["selector"]["matchLabels"],
        MANIFESTS["Service", "mailwake-workers"]["spec"]["selector"],
        MANIFESTS["PodDisruptionBudget", "mailwake-worker"]["spec"]["selector"]["matchLabels"],
        *(one["labelSelector"]["matchLabels"] for one in spread),
    ]
    assert all(selector == labels for selector in selectors)
    assert WORKERS["spec"]["serviceName"] == "mailwake-workers"
    setup = MANIFESTS["Job", "mailwake-setup"]["spec"]["template"]["metadata"]["labels"]
    assert setup["app.kubernetes.io/component"] != labels["app.kubernetes.io/component"]
    assert {
        pair
        for one in KUSTOMIZATIONS.values()
        for added in one.get("labels", ())
        for pair in added["pairs"].items()
    } >= {("app.kubernetes.io/name", "mailwake")}


def test_the_intake_is_found_asked_and_let_in(tmp_path: Path) -> None:
    made = settings(SETTINGS, tmp_path)
    intake = MANIFESTS["Deployment", "mailwake-intake"]["spec"]["template"]
    (container,) = intake["spec"]["containers"]
    service = MANIFESTS["Service", "mailwake-intake"]["spec"]
    assert service["selector"].items() <= intake["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (
        ports == {"intake": made.intake_port, "metrics": made.metrics_port} and made.intake_host == "0.0.0.0"
    )
    assert [port["targetPort"] for port in service["ports"]] == ["intake"]
    allowed = MANIFESTS["NetworkPolicy", "mailwake-worker"]["spec"]["ingress"][0]["ports"]
    assert {port["port"] for port in allowed} == set(ports)
    mounted = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    keyring = Path(str(made.keyring).removeprefix("file:///"))
    for place in (made.keys, made.hooks, keyring, made.suppressions):
        assert place is not None and str(place.parent) in mounted, place
