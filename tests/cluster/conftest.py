# SPDX-License-Identifier: GPL-3.0-or-later
"""A real one-node Slurm on the loopback interface, for as long as the tests run.

Keys, sockets, state and logs live in one temporary folder; nothing under /etc or /run is read or
changed, so a Slurm that the machine already runs is left alone.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
DEBIAN_PACKAGES = ("slurm-wlm", "munge")
START_SECONDS = 60
# Daemons live in sbin folders, which a user's PATH often lacks.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])

CONFIGURATION = """
ClusterName=polarstem
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# Containers rarely hand out control groups.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
# Processors and memory are handed out one by one, so that jobs run side by side.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=1
# Finished jobs stay visible to squeue, the only witness without accounting.
MinJobAge=3600
ReturnToService=2
InactiveLimit=0
# More processors than there are: the tests' jobs wait more than they compute.
SlurmdParameters=config_overrides
# Two cards that are not there: requests for them are granted and can be seen.
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """Where the running cluster's configuration lies and what it offers."""

    folder: Path
    environment: dict[str, str]

    def command(self, *words: str) -> str:
        """Run one of Slurm's own programs and return what it prints."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def jobs(self) -> dict[str, dict[str, str]]:
        """Every job the controller remembers: id (``7`` or ``7_3``) -> scontrol's fields."""
        found = {}
        for line in self.command("scontrol", "show", "job", "--oneliner").splitlines():
            fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if "ArrayJobId" in fields:
                found[f"{fields['ArrayJobId']}_{fields['ArrayTaskId']}"] = fields
            elif "JobId" in fields:
                found[fields["JobId"]] = fields
        return found


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """Install Slurm where that is allowed, start it, and stop it after the last test."""
    _require_programs()
    # Not pytest's folder: a socket's path may have about 100 characters, and munged wants a folder
    # that everyone may enter.
    folder = Path(tempfile.mkdtemp(prefix="polarstem-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environment = _write_configuration(folder)
        cluster = Slurm(folder, environment)
        socket_path = folder / "munge.socket"
        _start(
            stack, cluster, "munged",
            "--foreground", "--force", "--num-threads=2",
            f"--key-file={folder / 'munge.key'}", f"--socket={socket_path}",
            f"--pid-file={folder / 'munged.pid'}", f"--seed-file={folder / 'munged.seed'}",
        )  # fmt: skip
        _wait_until(socket_path.exists, "munged to open its socket", folder)
        _start(stack, cluster, "slurmctld", "-D")
        _start(stack, cluster, "slurmd", "-D")
        _wait_until(lambda: _is_idle(cluster), "the node to become idle", folder)
        stack.callback(_cancel_everything, cluster)
        yield cluster


def _require_programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]
    if not missing:
        return
    required = os.environ.get("POLARSTEM_REQUIRE_ALL") == "1"
    can_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if not required:
        pytest.skip(
            f"Slurm is not installed ({', '.join(missing)}); with POLARSTEM_REQUIRE_ALL=1 and as "
            "root on Debian the test installs it"
        )
    if not can_install:
        pytest.fail(f"Slurm is required but not installed and cannot be: {', '.join(missing)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *DEBIAN_PACKAGES]):
        subprocess.run(
            ["apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=300", *words],
            env=quiet,
            check=True,
            timeout=600,
        )


def _write_configuration(folder: Path) -> dict[str, str]:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    # Any two devices do: nothing opens them.
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            controller_port=_free_port(),
            node_port=_free_port(),
            cpus=max(4, os.cpu_count() or 1),
            memory_mb=memory_mb - 512,
        )
    )
    # The executor clears SLURM_* before it calls srun inside a job, and with it the only word of
    # where this cluster's configuration lies; a srun that says so comes first in the path.
    wrapper = folder / "bin" / "srun"
    wrapper.parent.mkdir()
    srun = shutil.which("srun", path=SEARCH_PATH)
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n')
    wrapper.chmod(0o755)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SLURM_")
    }
    path = os.pathsep.join([str(wrapper.parent), SEARCH_PATH])
    return environment | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(stack: contextlib.ExitStack, cluster: Slurm, *words: str) -> None:
    """Start a daemon in the foreground of a child process and stop it when the stack unwinds."""
    output = stack.enter_context((cluster.folder / f"{words[0]}.out").open("w"))
    daemon = subprocess.Popen(
        words, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )

    def stop() -> None:
        daemon.terminate()
        try:
            daemon.wait(timeout=15)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    stack.callback(stop)


def _is_idle(cluster: Slurm) -> bool:
    try:
        return "idle" in cluster.command("sinfo", "--noheader", "--format=%T")
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False


def _cancel_everything(cluster: Slurm) -> None:
    """Leave no job behind when a test failed half-way: its processes outlive the daemons."""
    with contextlib.suppress(subprocess.SubprocessError):
        cluster.command("scancel", "--full", f"--user={getpass.getuser()}")
        _wait_until(lambda: not cluster.command("squeue", "--noheader"), "jobs to end", None)


def _wait_until(condition: Callable[[], bool], what: str, folder: Path | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            texts = sorted([*folder.glob("*.out"), *folder.glob("*.log")]) if folder else []
            tails = "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in texts)
            pytest.fail(f"Waited {START_SECONDS} s in vain for {what}.\n{tails}")
        time.sleep(0.2)
