"""Debian's Prometheus Alertmanager, memory only, as the package's defaults have it but for waiting times of zero."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from bench.figures import processor
from bench.peers import Peer, alerts, answers, request, wait_for

PROGRAM = "prometheus-alertmanager"


def install() -> None:
    """Install the package when it is missing; it is not started by that."""
    if shutil.which(PROGRAM):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"{PROGRAM} is missing: apt-get install --no-install-recommends {PROGRAM}")
    policy = "/usr/sbin/policy-rc.d"
    ours = not os.path.exists(policy)
    if ours:
        with open(policy, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
            file.write("#!/bin/sh\nexit 101\n")
    try:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", PROGRAM]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    finally:
        if ours:
            os.remove(policy)


class Alertmanager(Peer):
    """Takes alerts in one group that nobody is told about, or pages each alert (``pages``) to the sink at once."""

    name = "Alertmanager"

    def start(self) -> None:
        install()
        hook = {"url": f"http://127.0.0.1:{self.sink}/", "send_resolved": False}
        config = {
            "route": {
                "receiver": "nobody",
                "group_by": ["alertname"],
                "routes": [{"matchers": ['severity="critical"'], "receiver": "sink", "group_by": ["..."],
                            "group_wait": "0s", "group_interval": "5m"}],
            },
            "receivers": [
                {"name": "nobody"},
                {"name": "sink", "webhook_configs": [hook]},
            ],
        }  # fmt: skip
        (self.folder / "alertmanager.yml").write_text(json.dumps(config))  # JSON is YAML
        self.run(
            PROGRAM,
            f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=error",
        )
        wait_for(self.name, lambda: answers(f"http://127.0.0.1:{self.port}/-/ready"))

    def single(self, pages: bool) -> Callable[[list[str]], bytes]:
        return self.batch(pages)

    def batch(self, pages: bool) -> Callable[[list[str]], bytes]:
        severity = "critical" if pages else "warning"
        return lambda keys: request("/api/v2/alerts", self.port, alerts(keys, severity))

    def settle(self) -> None:
        """It has no queue to ask for: wait until it is idle."""
        for _ in range(40):
            used = processor(self.pid)
            time.sleep(0.5)
            if processor(self.pid) - used < 0.05:
                return
