"""An exchanger and a trainer on two hosts that see each other over a network, and in two containers that share a folder.

The hosts and containers are namespaces of the kernel. It runs in a user, a network and a mount namespace of its own:
  unshare --user --map-root-user --net --mount python3 hosts_test.py BIN_DIR
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(sys.argv.pop(1)).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE, TRAINER = "10.99.0.1", "10.99.0.2"
SECONDS = 60
os.environ["PATH"] += ":/usr/sbin"  # for ip


def run(*command):
    subprocess.run(command, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)


class Process:
    """A program whose output is read to its end, or line by line before."""

    def __init__(self, command, environment, **more):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FLARE_AGENT_")}
        self.process = subprocess.Popen(
            [str(word) for word in command], env={**clean, **environment}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def end(self):
        """(exit status, what it said)"""
        said = self.process.communicate(timeout=SECONDS)[0]
        return self.process.returncode, said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class TwoEnds(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="flare-hosts-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def job_gets_done(self, exchanger, trainer):
        self.assertEqual(trainer.end()[0], 0)
        status, said = exchanger.end()
        self.assertEqual(status, 0, said)
        self.assertIn("ended", said)


class Hosts(TwoEnds):
    """This network namespace is the site's, that of a sleeping process is the trainer's; a pair of devices joins them."""

    @classmethod
    def setUpClass(cls):
        cls.host = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"],
                                    stdout=subprocess.PIPE, text=True)
        assert cls.host.stdout.readline() == "ready\n"
        cls.there = ["nsenter", "--target", str(cls.host.pid), "--net"]
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "site", "type", "veth", "peer", "name", "trainer", "netns", str(cls.host.pid))
        for where, name, address in ([], "site", SITE), (cls.there, "trainer", TRAINER):
            run(*where, "ip", "address", "add", address + "/24", "dev", name)
            run(*where, "ip", "link", "set", name, "up")

    @classmethod
    def tearDownClass(cls):
        cls.host.kill()
        cls.host.wait()
        cls.host.stdout.close()

    def setUp(self):
        super().setUp()
        for name in "exchanger", "trainer":
            run(BIN / "flare-agent", "keys", self.folder / name)
        self.site = {
            "FLARE_AGENT_URL": "zmq+tcp://0.0.0.0:*",
            "FLARE_AGENT_ADVERTISE": SITE,
            "FLARE_AGENT_TOKEN": "secret",
            "FLARE_AGENT_CURVE_SECRET_KEY_FILE": f"{self.folder}/exchanger.secret",
            "FLARE_AGENT_CURVE_ADMITTED_KEYS_FILE": f"{self.folder}/trainer.public",
            "FLARE_AGENT_TRAINER_PROFILE": f"{self.folder}/trainer.json",
        }
        self.trainer = {
            "FLARE_AGENT_PROFILE": f"{self.folder}/trainer.json",
            "FLARE_AGENT_CURVE_SECRET_KEY_FILE": f"{self.folder}/trainer.secret",
            "FLARE_AGENT_CONNECT_TIMEOUT": "30",
        }

    def exchange(self):
        return Process([BIN / "process_exchanger", "2", "1000000"], self.site)

    def train(self):
        return Process([*self.there, BIN / "process_trainer"], self.trainer)

    def error_of(self, process):
        with process:
            status, said = process.end()
        self.assertEqual(status, 1, said)
        return said

    def test_every_address_is_bound_and_one_is_advertised(self):
        with self.exchange() as exchanger:
            url = exchanger.line()
            self.assertRegex(url, rf"^zmq\+tcp://{re.escape(SITE)}:[0-9]+$")
            profile = json.loads((self.folder / "trainer.json").read_text())
            self.assertEqual(set(profile), {"url", "agent_id", "token", "curve_exchanger_key"})
            self.assertEqual(profile["url"], url)
            with self.train() as trainer:
                self.job_gets_done(exchanger, trainer)

    def test_one_address_is_bound(self):
        self.site["FLARE_AGENT_URL"] = f"zmq+tcp://{SITE}:*"
        del self.site["FLARE_AGENT_ADVERTISE"]
        with self.exchange() as exchanger:
            exchanger.line()
            with self.train() as trainer:
                self.job_gets_done(exchanger, trainer)

    def test_without_keys_nobody_leaves_its_machine(self):
        url = self.site["FLARE_AGENT_URL"]
        self.site = {"FLARE_AGENT_URL": url, "FLARE_AGENT_TOKEN": "secret"}
        remedy = "give both ends keys (flare-agent keys makes them"
        self.assertIn(remedy, self.error_of(self.exchange()))
        self.trainer = {"FLARE_AGENT_URL": f"zmq+tcp://{SITE}:4242"}
        self.assertIn(remedy, self.error_of(self.train()))

    def test_without_keys_on_purpose(self):
        for name in "SECRET", "ADMITTED":
            del self.site[f"FLARE_AGENT_CURVE_{name}_KEY{'S' * (name == 'ADMITTED')}_FILE"]
        del self.trainer["FLARE_AGENT_CURVE_SECRET_KEY_FILE"]
        self.site["FLARE_AGENT_ALLOW_INSECURE"] = "true"
        with self.exchange() as exchanger:
            exchanger.line()
            with self.train() as trainer:
                self.job_gets_done(exchanger, trainer)

    def test_a_profile_needs_a_place_to_connect_to(self):
        del self.site["FLARE_AGENT_ADVERTISE"]
        self.assertIn("set the option advertise", self.error_of(self.exchange()))
        self.assertFalse((self.folder / "trainer.json").exists())

    def test_the_page_on_separate_hosts(self):
        """Its commands, in order, on the two machines of which it speaks; what it says to copy is copied."""
        page = (ROOT / "docs/separate-hosts.md").read_text()
        blocks = re.findall(r"^```sh\n# (site|trainer): .*?\n(.*?)^```", page, flags=re.M | re.S)
        self.assertEqual([where for where, _ in blocks], ["trainer", "site", "site", "trainer"])
        there, here = self.folder / "there", self.folder / "here"
        for folder in there, here:
            folder.mkdir()
            (folder / "exchanger").symlink_to(BIN / "process_exchanger")
            (folder / "train").symlink_to(BIN / "process_trainer")
        path = {"PATH": f"{BIN}:{os.environ['PATH']}"}

        def shell(block, folder, *where):
            return Process([*where, "sh", "-euc", block], path, cwd=folder)

        def do(block, folder):
            with shell(block, folder) as made:
                status, said = made.end()
                self.assertEqual(status, 0, said)

        make_trainer, make_site, serve, train = (block for _, block in blocks)
        do(make_trainer, there)
        shutil.copy(there / "trainer.public", here)
        do(make_site, here)
        with shell(serve, here) as exchanger:
            self.assertRegex(exchanger.line(), rf"^zmq\+tcp://{re.escape(SITE)}:")
            shutil.copy(here / "trainer.json", there)  # with its mode
            with shell(train, there, *self.there) as trainer:
                self.job_gets_done(exchanger, trainer)


class Containers(TwoEnds):
    """Each end has its own user and mount namespace. The shared folder stands at another place in each of them, and is
    the only one where anything can be written."""

    SCRIPT = r"""
        set -e
        mount --bind "$1" "$2"
        while read -r device place rest; do
          case $place in
            "$2" | /proc*) ;;
            *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;;
          esac
        done </proc/self/mounts
        for place in / /tmp /dev/shm "$HOME"; do
          ! touch "$place/flare-test" 2>/dev/null || { rm "$place/flare-test"; echo "$place can be written"; exit 9; }
        done
        user=$3; shift 3
        exec unshare --user --map-user="$user" --map-group="$user" "$@"
    """

    def setUp(self):
        super().setUp()
        self.shared = self.folder / "shared"
        self.shared.mkdir(mode=0o700)
        self.places = [self.folder / "one", self.folder / "two"]
        for place in self.places:
            place.mkdir()
        one, two = self.places
        self.environment = {"FLARE_AGENT_TOKEN": "secret", "FLARE_AGENT_CONNECT_TIMEOUT": "30"}
        self.site = {**self.environment, "FLARE_AGENT_URL": f"zmq+ipc://{one}/x.sock",
                     "FLARE_AGENT_ADVERTISE": f"{two}/x.sock", "FLARE_AGENT_TRAINER_PROFILE": f"{one}/trainer.json"}
        self.trainer = {"FLARE_AGENT_PROFILE": f"{two}/trainer.json", "FLARE_AGENT_CONNECT_TIMEOUT": "30"}

    def contain(self, place, user, command, environment):
        return Process(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", self.SCRIPT, "sh", self.shared,
                        place, user, *command], environment)

    def exchange(self):
        return self.contain(self.places[0], 1000, [BIN / "process_exchanger", "2", "1000000"], self.site)

    def train(self):
        return self.contain(self.places[1], 2000, [BIN / "process_trainer"], self.trainer)

    def test_a_socket_in_a_shared_folder_joins_them(self):
        with self.exchange() as exchanger:
            self.assertEqual(exchanger.line(), f"zmq+ipc://{self.places[1]}/x.sock")
            with self.train() as trainer:
                self.job_gets_done(exchanger, trainer)
        self.assertEqual(list(self.shared.iterdir()), [])

    def test_a_path_that_is_too_long_is_named_with_the_remedy(self):
        long = self.shared / ("a" * 100)
        self.site["FLARE_AGENT_URL"] = f"zmq+ipc://{long}/x.sock"
        with self.exchange() as exchanger:
            status, said = exchanger.end()
        self.assertEqual(status, 1, said)
        self.assertIn(f"has {len(str(long)) + 7} bytes, the system allows 107: use a shorter folder", said)

    def test_a_socket_of_another_user_is_named(self):
        with self.exchange() as exchanger:
            exchanger.line()
            # Neither end has the rights of root here, so that this is as good as another owner.
            (self.shared / "x.sock").chmod(0)
            self.trainer["FLARE_AGENT_CONNECT_TIMEOUT"] = "8"
            with self.train() as trainer:
                status, said = trainer.end()
            self.assertEqual(status, 1, said)
            self.assertIn("user 2000 may not use it: let both ends run as the same user", said)

    def test_a_killed_exchanger_leaves_room_for_the_next(self):
        with self.exchange() as exchanger:
            exchanger.line()
            exchanger.process.send_signal(signal.SIGKILL)
            exchanger.process.wait(timeout=SECONDS)
        self.assertTrue((self.shared / "x.sock").exists())
        with self.exchange() as exchanger:
            exchanger.line()
            with self.train() as trainer:
                self.job_gets_done(exchanger, trainer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
