#!/usr/bin/env python3
"""A cell of ours with NVFlare's own cells: in clear and with TLS, both directions, killed and back again."""
import contextlib
import datetime
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLARE_TEST_BUILD_DIR", ROOT / "build"))
HERE = pathlib.Path(__file__).resolve().parent
LARGE = 36 * 1024 * 1024 + 5
SECONDS = 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder, name, common_name, issuer=None):
    """Writes NAME.crt and NAME.key; without an issuer (certificate, key) it is a CA, rootCA.pem for `name` rootCA."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)  # NVFlare knows only these
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    if issuer is None:
        (folder / f"{name}.pem").write_bytes(pem)
    else:
        (folder / f"{name}.crt").write_bytes(pem)
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return certificate, key


def make_kit(workspace):
    startup = workspace / "startup"
    startup.mkdir(parents=True)
    authority = make_certificate(startup, "rootCA", "a test")
    make_certificate(startup, "server", "server", authority)
    make_certificate(startup, "client", "site-1", authority)
    return startup


class Program:
    """A program that is told what to do line by line, and says what it sees."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put("ended")

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()

    def until(self, *beginnings):
        """The lines up to the first that begins with one of these."""
        seen = []
        while not seen or not seen[-1].startswith(beginnings):
            try:
                seen.append(self.lines.get(timeout=SECONDS))
            except queue.Empty:
                raise AssertionError(f"waited for {beginnings}, got {seen}") from None
            if seen[-1] == "ended":
                raise AssertionError(f"it ended: waited for {beginnings}, got {seen}")
        return seen

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()


class Case(unittest.TestCase):
    security = "clear"

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.workspace = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.startup = make_kit(self.workspace)
        self.port = free_port()

    def run_program(self, *command):
        program = Program(*command)
        self.stack.callback(program.close)
        return program

    def cells(self):
        cells = self.run_program(
            sys.executable, HERE / "cell_process.py", self.port, self.security, self.startup
        )
        cells.until("listening")
        return cells

    def agent(self, security=None, workspace=None):
        return self.run_program(
            BUILD / "bin" / "cell_program",
            f"tcp://localhost:{self.port}",
            security or self.security,
            workspace or self.workspace,
        )

    def connected(self):
        cells, agent = self.cells(), self.agent()
        self.assertEqual(agent.until("connected")[-1], "connected server")
        return cells, agent

    def exchange(self, cells, agent, size):
        agent.tell("ask", size)
        self.assertEqual(agent.until("answered")[-1], "answered ok the same")
        cells.tell("ask", size, "train")
        self.assertEqual(cells.until("answer")[-1], "answer ok the same")
        self.assertIn(f"received train {size}", agent.until("received"))


class Clear(Case):
    def test_small_and_large_blobs_go_both_ways(self):
        cells, agent = self.connected()
        for size in (1, 1000, 1 << 20, LARGE):
            self.exchange(cells, agent, size)

    def test_large_blobs_at_once_all_arrive(self):
        cells, agent = self.connected()
        for _ in range(3):
            agent.tell("ask", LARGE)
            cells.tell("ask", LARGE, "train")
        for _ in range(3):
            self.assertEqual(agent.until("answered")[-1], "answered ok the same")
            self.assertEqual(cells.until("answer")[-1], "answer ok the same")

    def test_what_we_refuse_harms_nothing_else(self):
        cells, agent = self.connected()
        for size in (1000, LARGE):
            begun = time.monotonic()
            cells.tell("ask", size, "broken")
            agent.until("received broken")
            self.assertEqual(cells.until("answer")[-1], "answer process_exception")
            self.assertLess(time.monotonic() - begun, 10)  # and not the 20 s that it would wait
        self.exchange(cells, agent, 1000)

    def test_nobody_there_behind_the_server_is_a_time_out_only(self):
        cells, agent = self.connected()
        agent.tell("nobody")
        self.assertEqual(agent.until("answered")[-1], "answered timeout no answer came for 1 s")
        self.exchange(cells, agent, 1000)

    def test_a_channel_that_nobody_has_fails_at_once(self):
        cells, agent = self.connected()
        agent.tell("unknown")
        self.assertIn("answered comm_error", agent.until("answered")[-1])
        self.exchange(cells, agent, 1000)

    def test_cells_that_stop_are_noticed(self):
        cells, agent = self.connected()
        cells.tell("stop")
        cells.until("stopped")
        self.assertIn("disconnected", agent.until("disconnected")[-1])

    def test_a_killed_peer_is_noticed_and_a_new_one_found(self):
        cells, agent = self.connected()
        cells.close()
        seen = agent.until("disconnected")
        self.assertEqual(len(seen), 1)
        agent.tell("ask", 10)
        self.assertEqual(agent.until("answered")[-1], "answered comm_error not connected")
        cells = self.cells()
        agent.until("connected")
        self.exchange(cells, agent, LARGE)

    def test_a_request_in_flight_fails_when_the_peer_is_killed(self):
        cells, agent = self.connected()
        cells.process.send_signal(signal.SIGSTOP)  # it takes a part and answers nothing
        agent.tell("ask", LARGE)
        cells.close()
        self.assertIn("answered comm_error", agent.until("answered")[-1])

    def test_it_leaves_and_comes_back(self):
        cells, agent = self.connected()
        agent.process.stdin.close()  # it says goodbye and ends
        self.assertEqual(agent.process.wait(20), 0)
        again = self.agent()
        again.until("connected")
        self.exchange(cells, again, 1000)


class MutualTls(Case):
    security = "mtls"

    def test_small_and_large_blobs_go_both_ways(self):
        cells, agent = self.connected()
        for size in (1, 1 << 20, LARGE):
            self.exchange(cells, agent, size)

    def test_another_authority_is_refused(self):
        self.cells()
        other = self.workspace / "other"
        make_kit(other)
        reason = self.agent(workspace=other).until("refused")[-1]
        self.assertIn("certificate verify failed", reason)

    def test_a_killed_peer_is_noticed(self):
        cells, agent = self.connected()
        cells.close()
        self.assertEqual(agent.until("disconnected")[-1], "disconnected the other end closed the connection")

    def test_a_key_that_is_encrypted_is_named_and_no_password_asked_for(self):
        path = self.startup / "client.key"
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        command = [BUILD / "bin" / "cell_program", f"tcp://localhost:{self.port}", "mtls", self.workspace]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"our key '{path}' is encrypted", ended.stderr)

    def test_nobody_comes_in_without_a_certificate(self):
        self.cells()
        agent = self.agent(security="tls")
        self.assertIn("certificate required", agent.until("refused")[-1])

    def test_clear_words_are_not_understood(self):
        self.cells()
        agent = self.agent(security="clear")
        self.assertIn("disconnected", agent.until("disconnected", "connected")[-1])


class ServerTls(Case):
    security = "tls"

    def test_the_server_alone_proves_itself(self):
        cells, agent = self.connected()
        for size in (1, LARGE):
            self.exchange(cells, agent, size)


if __name__ == "__main__":
    unittest.main()
