"""Sends through a gateway with PyPI cmppy (CMPP 3.0). Arguments: port, SP id, secret.

Prints one JSON line for the answer; leaves with 3 where cmppy is not installed.
"""
import contextlib
import io
import json
import sys

try:
    from cmppy import Cmppy, SubmitReq
except ImportError:
    sys.exit(3)

port, account, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with contextlib.redirect_stdout(io.StringIO()):
    client = Cmppy("127.0.0.1", port, account, secret)
    answer = client.request(SubmitReq(account, "你好 from cmppy", src_id="10690001", dest_terminal_id=["13800138000", "13800138001"]))
print(json.dumps({"kind": "submit", "status": answer and answer.result, "id": answer and answer.msg_id}))
