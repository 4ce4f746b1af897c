#!/usr/bin/env python3
"""Programs that cannot be started, and what is said of them; those that a job ships."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from nvflare.apis.fl_constant import ReturnCode
from nvflare.app_common.np.np_model_persistor import NPModelPersistor
from nvflare.app_common.workflows.fedavg import FedAvg
from nvflare.fuel.utils.zip_utils import unzip_all_from_bytes, zip_directory_to_bytes
from nvflare.job_config.api import FedJob
from site_process import LIBRARY, TRAINER, AgentExecutor, Site, agent_executor

MODEL = {"w": np.ones(2, np.float32)}
FIND_LIBRARY = {"LD_LIBRARY_PATH": os.path.dirname(LIBRARY)}
MACHINE_AT = 18  # e_machine in the head of an ELF file
LOADER = b"/lib64/ld-linux-x86-64.so.2"


class Case(unittest.TestCase):
    def reason_of(self, content, mode=0o755, **arguments):
        """What the first task is told when the job ships this program; None when it runs."""
        site = Site(command="./train echo", environment=FIND_LIBRARY, **arguments)
        path = pathlib.Path(site.engine.custom, "train")
        path.write_bytes(content) if isinstance(content, bytes) else os.symlink(content, path)
        if isinstance(content, bytes):
            path.chmod(mode)
        with site:
            reply = site.execute(MODEL)
        return None if reply.get_return_code() == ReturnCode.OK else reply.get_header("reason")


class Shipped(Case):
    """Job archives turn the mode 0755 into 0644."""

    def test_it_is_made_executable(self):
        self.assertIsNone(self.reason_of(pathlib.Path(TRAINER).read_bytes(), 0o644))

    def test_by_fedjob_and_nvflares_archive(self):
        job = FedJob("shipped", min_clients=1)
        job.to_server(NPModelPersistor(model=[0.0]), id="persistor")
        job.to_server(FedAvg(num_clients=1, num_rounds=1))
        job.to_clients(AgentExecutor(command="./train echo"), tasks=["train"])
        site = Site(command="./train echo", environment=FIND_LIBRARY)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "program"))
            shutil.copy(TRAINER, os.path.join(folder, "program", "train"))
            job.to_clients(os.path.join(folder, "program"))
            job.export_job(folder)
            unzip_all_from_bytes(zip_directory_to_bytes(os.path.join(folder, "shipped"), "app"), folder)
            shipped = pathlib.Path(folder, "app", "custom")
            self.assertFalse((shipped / "train").stat().st_mode & 0o111)
            shutil.copytree(shipped, site.engine.custom, dirs_exist_ok=True)
        with site:
            self.assertEqual(site.execute(MODEL).get_return_code(), ReturnCode.OK)

    def test_the_policy_may_forbid_it(self):
        rules = {"commands": {"make_executable": False}}
        reason = self.reason_of(pathlib.Path(TRAINER).read_bytes(), 0o644, policy=rules)
        self.assertIn("may not be executed: run chmod +x on it", reason)

    def test_what_lies_elsewhere_is_left_alone(self):
        with Site() as site:
            outside = pathlib.Path(site.folder, "outside")
            shutil.copyfile(TRAINER, outside)
            self.assertIn("may not be executed", self.reason_of(outside))
            self.assertFalse(outside.stat().st_mode & 0o111)


class NotStarted(Case):
    def test_another_machine(self):
        program = bytearray(pathlib.Path(TRAINER).read_bytes())
        program[MACHINE_AT] = 22
        self.assertRegex(self.reason_of(bytes(program)), "is built for s390x, and this machine is .*: build it for")

    def test_another_loader(self):
        program = pathlib.Path(TRAINER).read_bytes()
        if LOADER not in program:
            self.fail(f"{TRAINER} has another loader than {LOADER}")
        other = LOADER.replace(b"x86-64", b"absent")
        self.assertIn("needs /lib64/ld-linux-absent.so.2, which", self.reason_of(program.replace(LOADER, other)))

    def test_a_missing_library(self):
        program = pathlib.Path(TRAINER).read_bytes().replace(b"libflare_agent.so.0", b"libflare_other.so.0")
        reason = self.reason_of(program)
        self.assertIn("ended with exit status 127: this site lacks libflare_other.so.0, which it needs", reason)
        self.assertIn("error while loading shared libraries", reason)

    def test_what_loaders_say(self):
        for line, name in (
            ("./a: error while loading shared libraries: libx.so.1: cannot open shared object file: ...", "libx.so.1"),
            ("Error loading shared library libx.so.1: No such file or directory (needed by ./a)", "libx.so.1"),
            ("./a: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./a)", "GLIBC_2.38"),
        ):
            self.assertIn(f"this site lacks {name}, which", agent_executor.missing_libraries(f"starts\n{line}\n"))
        self.assertEqual(agent_executor.missing_libraries("no GPU here"), "")

    def test_a_missing_interpreter(self):
        self.assertIn("is a script for /nowhere/python3, which this site", self.reason_of(b"#!/nowhere/python3 -u\n"))
        self.assertIn("Windows line ends", self.reason_of(b"#!/bin/sh\r\nexit 0\r\n"))
        self.assertIn("neither ELF nor a script", self.reason_of(b"echo hello\n"))

    def test_a_file_system_without_programs(self):
        script = 'mount -t tmpfs -o noexec none "$1" && TMPDIR=$1 exec "$2" "$3" --say-reason'
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        with tempfile.TemporaryDirectory() as folder:
            words = ["unshare", "--mount", *root, "sh", "-c", script, "sh", folder, sys.executable, __file__]
            done = subprocess.run(words, capture_output=True, text=True)
        self.assertIn("custom/train is on a file system that is mounted noexec", done.stdout, done.stderr)

    def test_a_folder_that_is_not_there(self):
        with Site(cwd="nowhere") as site:
            self.assertRegex(site.execute(MODEL).get_header("reason"), "cannot run in .*/nowhere: No such file")


if __name__ == "__main__":
    if sys.argv[1:] == ["--say-reason"]:
        print(Case().reason_of(pathlib.Path(TRAINER).read_bytes()))
    else:
        unittest.main()
