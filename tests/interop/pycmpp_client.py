"""Sends through a gateway with PyPI pycmpp (CMPP 2.x). Arguments: port, SP id, secret.

Prints one JSON line for each answer; leaves with 3 where pycmpp is not installed.
"""
import json
import logging
import sys
import threading
import time

try:
    from pycmpp.cmpp import Cmpp
    from pycmpp.request import SubmitRequestInstance
    from pycmpp.response import ConnectResponseInstance, SubmitResponseInstance
except ImportError:
    sys.exit(3)

logging.disable(logging.CRITICAL)
port, account, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = Cmpp(host="127.0.0.1", port=port, sp_id=account, sp_secret=secret, src_id="10690001", client_heartbeat=False)
client.connect()


def frame():
    head = b""
    while len(head) < 4:
        head += client.so.recv(4 - len(head))
    rest = int.from_bytes(head, "big") - 4
    body = b""
    while len(body) < rest:
        body += client.so.recv(rest - len(body))
    return head + body


def told(kind, reader, octets):
    reader.resolve(octets)
    print(json.dumps({"kind": kind, "octets": len(octets), "status": reader.status, "id": getattr(reader, "msg_id", None)}), flush=True)


client.auth()
told("connect", ConnectResponseInstance(), frame())
request = SubmitRequestInstance()
client.send(request.create(msg_src=account, src_id="10690001", msg_content="你好 from pycmpp", dest_terminal_id=["13800138000", "13800138001"]))
told("submit", SubmitResponseInstance(), frame())
# Its own way: it splits by itself, and leaves Src_Id empty.
client.submit("长" * 100, ["13800138002"])
for _ in range(2):
    told("submit", SubmitResponseInstance(), frame())
client.disconnect()
