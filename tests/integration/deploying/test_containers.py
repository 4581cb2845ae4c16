"""The image, the compose file and the manifests: read by the tools that know them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from umbel.cli.main import COMMANDS, run

DEPLOY = Path(__file__).parents[3] / "deploy"
BIN = Path(sys.executable).parent


def documents(name):
    return [each for each in yaml.safe_load_all((DEPLOY / name).read_text()) if each]


def test_hadolint_has_nothing_to_say_of_the_image():
    done = subprocess.run([BIN / "hadolint", DEPLOY / "docker" / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["worker.yaml", "beat.yaml"])
def test_kubernetes_knows_every_field_of_a_manifest(name):
    for document in documents(f"kubernetes/{name}"):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_the_scaled_object_names_the_workers():
    (scaled,) = documents("kubernetes/keda.yaml")
    (worker,) = documents("kubernetes/worker.yaml")
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]
    assert {trigger["type"] for trigger in scaled["spec"]["triggers"]} == {"redis", "rabbitmq"}


def test_the_compose_file_has_its_services():
    (compose,) = documents("docker/compose.yaml")
    assert set(compose["services"]) == {"redis", "worker", "beat"}
    assert compose["services"]["worker"]["environment"]["UMBEL_APP"] == "proj"


def command_lines():
    image = (DEPLOY / "docker" / "Dockerfile").read_text()
    yield json.loads(re.search(r"^CMD (\[.*\])$", image, re.MULTILINE)[1])
    yield documents("docker/compose.yaml")[0]["services"]["beat"]["command"]
    for name in ("worker", "beat"):
        yield documents(f"kubernetes/{name}.yaml")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    for file in [*(DEPLOY / "systemd").glob("*"), *(DEPLOY / "supervisor").glob("*")]:
        for line in re.findall(r"^(?:ExecStart|command)=\S+ (.*)$", file.read_text(), re.MULTILINE):
            yield shlex.split(line.replace("$WORKER_OPTIONS", ""))


@pytest.mark.parametrize("arguments", list(command_lines()), ids=" ".join)
def test_every_command_line_is_one_that_umbel_knows(arguments, capsys):
    assert arguments[0] in COMMANDS
    assert run([*arguments, "--help"]) == 0
    known = set(re.findall(r"--?[a-z][a-z-]*", capsys.readouterr().out))
    assert {word.partition("=")[0] for word in arguments if re.match("--?[a-z]", word)} <= known
