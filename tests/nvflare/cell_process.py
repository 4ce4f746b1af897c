"""NVFlare's own cells as a program, for cellnet_test.py: the root cell, and one behind it that stands where a client job
process has the other end of its pipes. It sends each request back.

Usage: cell_process.py PORT clear|tls|mtls FOLDER. Commands on stdin:
  ask BYTES TOPIC  a request to the agent: "answer RETURN_CODE", with "the same" when its bytes came back
  stop             ends both cells as NVFlare does
"""
import hashlib
import sys
import threading

from nvflare.fuel.f3.cellnet.cell import Cell
from nvflare.fuel.f3.cellnet.defs import MessageHeaderKey, ReturnCode
from nvflare.fuel.f3.cellnet.net_agent import NetAgent
from nvflare.fuel.f3.cellnet.utils import make_reply
from nvflare.fuel.f3.drivers.driver_params import DriverParams
from nvflare.fuel.f3.message import Message

CHANNEL = "cell_pipe.task"
SAYING = threading.Lock()


def say(line):
    with SAYING:  # print() writes the end of a line by itself
        print(line, flush=True)


def credentials(security, folder):
    if security == "clear":
        return {}
    names = {
        DriverParams.CA_CERT: "rootCA.pem",
        DriverParams.SERVER_CERT: "server.crt",
        DriverParams.SERVER_KEY: "server.key",
        DriverParams.CLIENT_CERT: "client.crt",
        DriverParams.CLIENT_KEY: "client.key",
    }
    return {
        **{key.value: f"{folder}/{name}" for key, name in names.items()},
        DriverParams.CONNECTION_SECURITY.value: security,
    }


def echo(request):
    reply = make_reply(ReturnCode.OK)
    reply.payload = bytes(request.payload)
    return reply


def pattern(size):
    block = hashlib.sha256(b"cell").digest() * 4096
    return (block * (size // len(block) + 1))[:size]


def main():
    port, security, folder = sys.argv[1:]
    url, secure = f"tcp://localhost:{port}", security != "clear"
    cells = [
        Cell(fqcn=name, root_url=url, secure=secure, credentials=credentials(security, folder))
        for name in ("server", "site-1_tok1_passive")
    ]
    agents = [NetAgent(cell) for cell in cells]
    for cell in cells:
        cell.start()
    passive = cells[1]
    passive.register_request_cb(channel=CHANNEL, topic="*", cb=echo)

    def ask(size, topic):
        payload = pattern(size)
        reply = passive.send_request(
            channel=CHANNEL, target="site-1_tok1_active", topic=topic, request=Message(payload=payload), timeout=20.0
        )
        same = " the same" if reply.payload is not None and bytes(reply.payload) == payload else ""
        say(f"answer {reply.get_header(MessageHeaderKey.RETURN_CODE)}{same}")

    say("listening")
    for line in sys.stdin:
        words = line.split()
        if words[0] == "ask":
            threading.Thread(target=ask, args=(int(words[1]), words[2]), daemon=True).start()
        elif words[0] == "stop":
            for agent, cell in zip(reversed(agents), reversed(cells)):
                agent.close()
                cell.stop()
            say("stopped")


main()
