"""NVFlare's own cell as a program, for cell_driver_test.py: the server, which fetches results by the references that it
is sent, or the client parent of a site, which trainers and client job processes connect to. Where says its first line.

Usage: cell_site.py server|SITE PORT_OF_SERVER
"""
import sys
import zlib

from nvflare.apis.dxo import from_shareable
from nvflare.apis.utils.decomposers import flare_decomposers
from nvflare.app_common.decomposers import common_decomposers, numpy_decomposers
from nvflare.fuel.f3.cellnet.cell import Cell
from nvflare.fuel.f3.cellnet.defs import ReturnCode
from nvflare.fuel.f3.cellnet.net_agent import NetAgent
from nvflare.fuel.f3.cellnet.utils import make_reply
from nvflare.fuel.f3.message import Message


def register():
    flare_decomposers.register()
    common_decomposers.register()
    if hasattr(numpy_decomposers, "register"):
        numpy_decomposers.register()


def summary(dxo):
    """What a model is, in a few words: arrays by type, shape and checksum."""
    return {
        name: [str(value.dtype), list(value.shape), zlib.crc32(value.tobytes())] if hasattr(value, "dtype") else repr(value)
        for name, value in dxo.data.items()
        if not isinstance(value, bytes)
    } | {name: zlib.crc32(value) for name, value in dxo.data.items() if isinstance(value, bytes)}


def fetch(request):
    reply = make_reply(ReturnCode.OK)
    reply.payload = summary(from_shareable(request.payload))
    return reply


def main():
    register()
    name, port = sys.argv[1:]
    url = f"tcp://localhost:{port}"
    cell = Cell(fqcn=name, root_url=url, secure=False, credentials={}, create_internal_listener=name != "server")
    NetAgent(cell)
    cell.start()
    cell.register_request_cb(channel="test", topic="fetch", cb=fetch)
    print(url if name == "server" else cell.get_internal_listener_url(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
